import io
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas
import pytest

from tinybert.data import sources
from tinybert.data.columns import choose
from tinybert.data.opened import Opened, one_line, readable
from tinybert.data.settings import DataSettings
from tinybert.data.sources import open_file, open_source, open_stream
from tinybert.errors import UserError

SETTINGS = DataSettings()


def texts(opened: Opened) -> list[Any]:
    return [cells[0] for _, cells in opened.records(choose(opened.known, SETTINGS, "none").wanted)]


@pytest.mark.parametrize("name", ["a.tsv", "a.csv", "a.TSV"])
def test_open_file__reads_tables_by_their_ending(write: Callable[..., str], name: str) -> None:
    assert texts(open_file(Path(write(name, "text\ngood\nbad\n")), SETTINGS)) == ["good", "bad"]


def test_open_file__reads_json_lines_and_parquet(write: Callable[..., str], tmp_path: Path) -> None:
    assert texts(open_file(Path(write("a.jsonl", '{"text": "good"}\n')), SETTINGS)) == ["good"]
    pandas.DataFrame({"text": ["good"]}).to_parquet(tmp_path / "a.parquet")
    assert texts(open_file(tmp_path / "a.parquet", SETTINGS)) == ["good"]


@pytest.mark.parametrize("name", ["a.tsv", "a.csv", "a.jsonl", "a.parquet"])
def test_open_file__refuses_nothing_in_any_form(write: Callable[..., str], name: str) -> None:
    with pytest.raises(UserError, match=rf"{name}: the file is empty$"):
        open_file(Path(write(name, "")), SETTINGS)
    with pytest.raises(UserError, match=rf"missing-{name}: no such file$"):
        open_file(Path(f"missing-{name}"), SETTINGS)


@pytest.mark.parametrize("name", ["a.tsv", "a.csv", "a.jsonl", "a.parquet", "a"])
def test_open_file__refuses_a_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(UserError, match=rf"^{tmp_path / name}: "):
        open_file(tmp_path / name, SETTINGS)


def test_open_file__refuses_other_tasks_and_endings(write: Callable[..., str]) -> None:
    with pytest.raises(UserError, match=r"token classification"):
        open_file(Path(write("eng.train", "-DOCSTART- -X- O O\n")), SETTINGS)
    with pytest.raises(UserError, match=r"token classification"):
        open_file(Path(write("eng.tsv", "EU\tB-ORG\nrejects\tO\n")), SETTINGS)
    with pytest.raises(UserError, match=r"question answering"):
        open_file(Path(write("squad.json", '{"version": "1", "data": []}')), SETTINGS)
    with pytest.raises(UserError, match=r"unknown ending '.txt'"):
        open_file(Path(write("a.txt", "good\n")), SETTINGS)


def test_readable__passes_on_what_the_system_says() -> None:
    with pytest.raises(UserError, match=r"^f: cannot be read \(Input/output error\)$"), readable(Path("f")):
        raise OSError(5, "Input/output error")


def test_one_line__takes_the_first_of_a_page() -> None:
    assert one_line(ValueError("first\nsecond")) == "first"
    assert one_line(ValueError("")) == "ValueError"


def test_open_stream__takes_plain_lines_whatever_the_column_is_called() -> None:
    opened = open_stream(io.BytesIO(b'\xef\xbb\xbfgood film\r\n"bad" film\n'), DataSettings(text="sentence"))
    assert opened.known.names == ("sentence",)
    assert list(opened.records(["sentence"])) == [(1, ["good film"]), (2, ['"bad" film'])]


def test_open_stream__takes_json_lines_by_their_first_character() -> None:
    opened = open_stream(io.BytesIO(b'{"text": "good"}\n{"text": "bad"}\n'), SETTINGS)
    assert texts(opened) == ["good", "bad"]


def test_open_stream__takes_no_array_of_rows_for_texts() -> None:
    with pytest.raises(UserError, match=r"^stdin:1: an array of rows, not one object a line"):
        open_stream(io.BytesIO(b'[\n{"text": "good"}\n]\n'), SETTINGS)


def test_open_stream__refuses_nothing() -> None:
    with pytest.raises(UserError, match=r"^stdin: nothing to read$"):
        open_stream(io.BytesIO(b""), SETTINGS)


def test_open_source__reads_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(b"good\n")))
    assert texts(open_source("-", SETTINGS)) == ["good"]


def test_open_source__takes_objects_in_memory() -> None:
    import datasets

    rows = [{"text": "good"}, {"text": "bad"}]
    for source in (rows, tuple(rows), pandas.DataFrame(rows), datasets.Dataset.from_list(rows)):
        opened = open_source(source, SETTINGS, "train")
        assert opened.known.name == "train"
        assert texts(opened) == ["good", "bad"]


@pytest.mark.parametrize("source", [5, b"bytes", {"text": ["good"]}, None])
def test_open_source__refuses_other_objects(source: Any) -> None:
    with pytest.raises(UserError, match=r"^train: a path, a list of dictionaries, .* is wanted, not "):
        open_source(source, SETTINGS, "train")


@pytest.mark.parametrize(("name", "split"), [("train", "train"), ("dev", "validation"), ("test", "test")])
def test_open_source__asks_the_hub_for_the_split_of_the_role(
    monkeypatch: pytest.MonkeyPatch, name: str, split: str
) -> None:
    import datasets

    asked: list[tuple[str, str]] = []

    def load(source: str, default_split: str) -> Any:
        asked.append((source, default_split))
        return datasets.Dataset.from_list([{"text": "good"}])

    monkeypatch.setattr(sources, "load_hub", load)
    assert open_source("hf:imdb", SETTINGS, name).known.name == "hf:imdb"
    assert asked == [("hf:imdb", split)]
