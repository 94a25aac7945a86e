import errno
import io
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas
import pyarrow as pa
import pytest

from tinybert.data.columns import choose_columns
from tinybert.data.dialect import decoded
from tinybert.data.problems import BadRow, one_line, unreadable_as_user_error
from tinybert.data.read import arrow_table, open_file, open_lines, open_rows, path_of, read
from tinybert.data.readers import RowReader
from tinybert.data.settings import DataSettings
from tinybert.errors import ResourceError, UserError

SETTINGS = DataSettings()


def texts(reader: RowReader) -> list[Any]:
    wanted = choose_columns(reader.header, SETTINGS, "none").wanted
    return [row[wanted[0]] for _, row in reader.records(wanted) if not isinstance(row, BadRow)]


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


def test_unreadable_as_user_error__passes_on_what_the_system_says() -> None:
    with (
        pytest.raises(UserError, match=r"^f: cannot be read \(Input/output error\)$"),
        unreadable_as_user_error(Path("f")),
    ):
        raise OSError(5, "Input/output error")


def test_one_line__takes_the_first_of_a_page() -> None:
    assert one_line(ValueError("first\nsecond")) == "first"
    assert one_line(ValueError("")) == "ValueError"


def test_open_lines__takes_plain_lines_whatever_the_column_is_called() -> None:
    reader = open_lines(
        decoded(io.BytesIO(b'\xef\xbb\xbfgood film\r\n"bad" film\n'), "stdin"), DataSettings(text="sentence")
    )
    assert reader.header.names == ("sentence",)
    assert list(reader.records(["sentence"])) == [(1, {"sentence": "good film"}), (2, {"sentence": '"bad" film'})]


def test_open_lines__takes_json_lines_by_their_first_character() -> None:
    reader = open_lines(decoded(io.BytesIO(b'{"text": "good"}\n{"text": "bad"}\n'), "stdin"), SETTINGS)
    assert texts(reader) == ["good", "bad"]


def test_open_lines__takes_no_array_of_rows_for_texts() -> None:
    with pytest.raises(UserError, match=r"^stdin:1: an array of rows, not one object a line"):
        open_lines(decoded(io.BytesIO(b'[\n{"text": "good"}\n]\n'), "stdin"), SETTINGS)


def test_open_source__reads_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(b"good\n")))
    assert texts(open_rows("-", SETTINGS)) == ["good"]
    with pytest.raises(UserError, match=r"^stdin: nothing to read$"):
        open_rows("-", SETTINGS)


def test_open_source__takes_objects_in_memory() -> None:
    import datasets

    rows = [{"text": "good"}, {"text": "bad"}]
    for source in (rows, tuple(rows), pandas.DataFrame(rows), datasets.Dataset.from_list(rows)):
        reader = open_rows(source, SETTINGS, "train")
        assert reader.header.name == "train"
        assert texts(reader) == ["good", "bad"]


@pytest.mark.parametrize("source", [5, b"bytes", {"text": ["good"]}, None])
def test_open_source__refuses_other_objects(source: Any) -> None:
    with pytest.raises(UserError, match=r"^train: a path, a list of dictionaries, .* is wanted, not "):
        open_rows(source, SETTINGS, "train")


@pytest.mark.parametrize(("name", "split"), [("train", "train"), ("dev", "validation"), ("test", "test")])
def test_open_source__asks_the_hub_for_the_split_of_the_role(
    monkeypatch: pytest.MonkeyPatch, name: str, split: str
) -> None:
    import datasets

    asked: list[tuple[str, str]] = []

    def load(source: str, default_split: str) -> Any:
        asked.append((source, default_split))
        return datasets.Dataset.from_list([{"text": "good"}])

    monkeypatch.setattr("tinybert.data.read.load_hub", load)
    assert open_rows("hf:imdb", SETTINGS, name).header.name == "hf:imdb"
    assert asked == [("hf:imdb", split)]


def test_read__numbers_rows_of_data_and_lines_of_the_file(write: Callable[..., str]) -> None:
    rows = read(write("a.csv", 'text,label\n"one\ntwo",1\nthree, pos \n'), DataSettings(), labels="needed")
    assert rows.table.to_pylist() == [
        {"text": "one\ntwo", "pair": None, "label": "1", "row": 1, "line": 2},
        {"text": "three", "pair": None, "label": "pos", "row": 2, "line": 4},
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("\t1", r"a.tsv:3: 'text' is empty"),
        ("bad\t", "a.tsv:3: the label is missing"),
        ("bad\tNaN", "a.tsv:3: the label is missing"),
        ("bad", "a.tsv:3: 1 columns instead of 2"),
        ("bad\t1\t2", "a.tsv:3: 3 columns instead of 2"),
        ("b\0d\t1", "a.tsv:3: contains a NUL byte"),
        ("", "a.tsv:3: an empty line"),
    ],
)
def test_read__ends_at_the_first_bad_row(write: Callable[..., str], line: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        read(write("a.tsv", f"text\tlabel\ngood\t1\n{line}\nfine\t0\n"), DataSettings(), labels="needed")
    assert len(caught.value.problems) == 1
    assert "\n" not in str(caught.value)


def test_read__names_the_line_that_is_not_utf8_even_where_bad_rows_are_tolerated(write: Callable[..., str]) -> None:
    path = write("a.tsv", b"text\tlabel\ngood\t1\nf\xe9te\t1\n")
    with pytest.raises(UserError, match=rf"^{path}:3: not UTF-8"):
        read(path, DataSettings(skip_bad=0.9), labels="needed")


def test_read__puts_bad_rows_aside_and_goes_on_counting(write: Callable[..., str]) -> None:
    path = write("a.tsv", "text\tlabel\ngood\t1\n\t1\nbad\t0\nworse\n")
    rows = read(path, DataSettings(skip_bad=0.5), labels="needed")
    assert rows.table.column("row").to_pylist() == [1, 3]
    assert rows.table.column("line").to_pylist() == [2, 4]
    assert [(row["line"], row["row"]) for row in rows.problems.rejected] == [(3, 2), (5, 4)]
    assert rows.problems.rejected[1]["content"] == ["worse"]


def test_read__keeps_missing_labels_where_they_are_optional(write: Callable[..., str]) -> None:
    rows = read(write("a.tsv", "text\tlabel\ngood\t\nbad\t0\n"), DataSettings(), labels="optional")
    assert rows.table.column("label").to_pylist() == [None, "0"]
    bare = read(write("b.tsv", "text\ngood\n"), DataSettings(), labels="optional")
    assert bare.table.column("label").to_pylist() == [None]


def test_read__does_not_look_at_labels_that_are_not_wanted(write: Callable[..., str]) -> None:
    rows = read(write("a.jsonl", '{"text": "good", "label": {}}\n'), DataSettings(), labels="none")
    assert rows.table.column("label").to_pylist() == [None]


@pytest.mark.parametrize("source", ["text\tlabel\n", "text\tlabel\n\n\n"])
def test_read__refuses_a_header_without_rows(write: Callable[..., str], source: str) -> None:
    with pytest.raises(UserError, match=r"a.tsv: no rows after the header$"):
        read(write("a.tsv", source), DataSettings(), labels="needed")


def test_read__refuses_a_file_of_bad_rows(write: Callable[..., str]) -> None:
    with pytest.raises(UserError, match=r"a.tsv:2: 'text' is empty.*2 of 2 rows are bad"):
        read(write("a.tsv", "text\tlabel\n\t1\n\t2\n"), DataSettings(skip_bad=0.9), labels="needed")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"text": "good"}], "^train:1: no column 'label'; there are: text"),
        ([{"text": "good", "label": 1}, {"text": "bad"}], "^train:2: the label is missing"),
        ([{"text": "good", "label": 1}, {"text": None, "label": 1}], "^train:2: 'text' is missing"),
        ([{"text": "good", "label": 1}, "bad"], "^train:2: not a dictionary"),
    ],
)
def test_read__names_the_row_of_a_list(rows: list[Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        read(rows, DataSettings(), labels="needed", name="train")


TWO = pa.schema([("text", pa.large_string()), ("row", pa.int64())])
SMALL = 64


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tinybert.data.read.BLOCK", SMALL)


@pytest.mark.parametrize("spill_bytes", [1 << 30, 0, 3_000])
@pytest.mark.parametrize("rows", [0, 1, SMALL, 3 * SMALL + 7])
def test_arrow_table__gives_back_rows_from_memory_or_disk(rows: int, spill_bytes: int) -> None:
    table = arrow_table(((f"text {number}", number) for number in range(rows)), TWO, spill_bytes)
    assert table.schema == TWO
    assert table.column("row").to_pylist() == list(range(rows))
    assert table.column("text").to_pylist() == [f"text {number}" for number in range(rows)]


def test_arrow_table__keeps_large_data_out_of_memory() -> None:
    before = pa.total_allocated_bytes()
    table = arrow_table((("x" * 13_000, number) for number in range(20 * SMALL)), TWO, spill_bytes=0)
    assert table.nbytes > 16_000_000
    assert pa.total_allocated_bytes() - before < 1_000_000


def test_arrow_table__reports_a_full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tempfile.SpooledTemporaryFile.write", full)
    with pytest.raises(ResourceError, match=r"no space left"):
        arrow_table(iter([("text", 1)]), TWO, spill_bytes=0)


def test_path_of__is_of_files_only() -> None:
    assert path_of("a/b.tsv") == path_of(Path("a/b.tsv")) == Path("a/b.tsv")
    assert path_of("hf:glue") is path_of("-") is path_of([{}]) is None
