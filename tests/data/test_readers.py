from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tinybert.data.problems import BadRow
from tinybert.data.readers import (
    BLOCK,
    RowReader,
    open_dataset,
    open_frame,
    open_json_lines,
    open_list,
    open_parquet,
)
from tinybert.errors import UserError

GOOD = '{"text": "good", "label": 1}\n'


def found(reader: RowReader) -> list[tuple[int, Any]]:
    return cells(reader, "text", "label")


def cells(reader: RowReader, *wanted: str) -> list[tuple[int, Any]]:
    """The lines, each with what is wrong or with the wanted values."""
    return [
        (line, row if isinstance(row, BadRow) else [row.get(name) for name in wanted])
        for line, row in reader.records(wanted)
    ]


def test_open_json_lines__takes_columns_from_the_first_row() -> None:
    reader = open_json_lines("f", [GOOD, '{"label": 0, "text": "bad", "more": 1}\n'])
    assert reader.header.names == ("text", "label")
    assert reader.header.open_ended
    assert found(reader) == [(1, ["good", 1]), (2, ["bad", 0])]


def test_open_json_lines__gives_none_for_an_absent_key() -> None:
    assert found(open_json_lines("f", [GOOD, '{"text": "bad"}']))[1] == (2, ["bad", None])


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "not valid JSON (Expecting property name"),
        ('{"text": "a", "text": "b"}', "not valid JSON (the key 'text' occurs twice)"),
        ("[" * 100_000, "not valid JSON ("),
        ('{"text": ' + "1" * 5000 + "}", "not valid JSON ("),
        ("[1]", "not a JSON object"),
        ('"text"', "not a JSON object"),
        ("", "an empty line"),
        ('{"text": "a\0"}', "contains a NUL byte"),
    ],
)
def test_open_json_lines__says_what_is_wrong_with_a_line(line: str, reason: str) -> None:
    (_, (number, bad), _) = found(open_json_lines("f", [GOOD, f"{line}\n", GOOD]))
    assert number == 2
    assert isinstance(bad, BadRow)
    assert bad.reason.startswith(reason)
    assert "\n" not in bad.reason


def test_open_json_lines__keeps_bad_rows_before_the_first_good_one() -> None:
    (first, second) = found(open_json_lines("f", ['{"text"\n', GOOD]))
    assert isinstance(first[1], BadRow)
    assert second == (2, ["good", 1])


@pytest.mark.parametrize(
    ("lines", "message"),
    [([], "^f: no rows$"), (["\n", "\n"], "^f: no rows$"), (['{"text"\n'], "^f:1: not valid JSON")],
)
def test_open_json_lines__refuses_a_file_without_a_good_row(lines: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        open_json_lines("f", lines)


@pytest.mark.parametrize(
    ("first", "message"),
    [
        ("[\n", r"^f:1: an array of rows, not one object a line; convert it: jq -c '\.\[\]' OLD > NEW.jsonl$"),
        (' [{"text": "good"},\n', "^f:1: an array of rows"),
        ("{\n", r"^f:1: an object over several lines, not one object a line; convert it: jq -c \. OLD > NEW.jsonl$"),
    ],
)
def test_open_json_lines__names_json_that_is_not_in_lines(first: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        open_json_lines("f", [first, GOOD])


def test_open_list__counts_from_one() -> None:
    assert found(open_list("rows", [{"text": "good", "label": 1}])) == [(1, ["good", 1])]


def test_open_list__refuses_nothing_and_other_objects() -> None:
    with pytest.raises(UserError, match=r"^rows: no rows$"):
        open_list("rows", [])
    with pytest.raises(UserError, match=r"^rows:1: not a dictionary"):
        open_list("rows", ["good"])


def parquet(tmp_path: Path, **columns: Any) -> Path:
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    return tmp_path / "a.parquet"


def test_open_parquet__reads_columns_in_the_order_asked_for(tmp_path: Path) -> None:
    path = parquet(tmp_path, label=[1, None], more=["x", "y"], text=["good", "bad"])
    reader = open_parquet(path)
    assert reader.header.names == ("label", "more", "text")
    assert found(reader) == [(1, ["good", 1]), (2, ["bad", None])]


def test_open_parquet__counts_rows_over_blocks(tmp_path: Path) -> None:
    path = parquet(tmp_path, text=[str(n) for n in range(2 * BLOCK + 5)])
    rows = cells(open_parquet(path), "text")
    assert rows[0] == (1, ["0"])
    assert rows[-1] == (2 * BLOCK + 5, [str(2 * BLOCK + 4)])


def test_open_parquet__refuses_what_is_none(write: Callable[..., str]) -> None:
    path = write("a.parquet", "text\tlabel\n" * 10)
    with pytest.raises(UserError, match=rf"^{path}: cannot be read as Parquet") as caught:
        open_parquet(Path(path))
    assert "\n" not in str(caught.value)


def test_open_parquet__refuses_text_that_is_not_utf8(tmp_path: Path) -> None:
    text = pa.Array.from_buffers(
        pa.string(), 1, [None, pa.py_buffer(np.array([0, 2], np.int32)), pa.py_buffer(b"\xe9a")]
    )
    with pytest.raises(UserError, match=r"a.parquet:1: cannot be read as Parquet .*utf-?8"):
        list(open_parquet(parquet(tmp_path, text=text)).records(["text"]))


def test_open_frame__gives_plain_values() -> None:
    frame = pandas.DataFrame({"text": ["good", None], "label": [1.5, float("nan")]}, index=[5, 6])
    first, second = found(open_frame("train", frame))
    assert first == (1, ["good", 1.5])
    assert type(first[1][1]) is float
    assert second[0] == 2


def test_open_frame__refuses_twins() -> None:
    frame = pandas.DataFrame([["good", 1]], columns=["text", "text"])
    with pytest.raises(UserError, match=r"^train: the column 'text' occurs more than once"):
        open_frame("train", frame)


def test_open_dataset__names_classes_and_knows_the_missing_one() -> None:
    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["neg", "pos"])})
    table = datasets.Dataset.from_dict({"text": ["a", "b", "c"], "label": [1, 0, -1]}, features=features)
    assert found(open_dataset("train", table)) == [
        (1, ["a", "pos"]),
        (2, ["b", "neg"]),
        (3, ["c", None]),
    ]


def test_open_dataset__names_the_classes_of_lists() -> None:
    tags = datasets.Features({"tags": datasets.List(datasets.ClassLabel(names=["O", "B-ORG"]))})
    table = datasets.Dataset.from_dict({"tags": [[1, 0], []]}, features=tags)
    assert cells(open_dataset("train", table), "tags") == [(1, [["B-ORG", "O"]]), (2, [[]])]


def test_open_dataset__leaves_other_columns_alone_whatever_the_format() -> None:
    table = datasets.Dataset.from_dict({"text": ["a"], "label": [0.5]}).with_format("numpy")
    assert cells(open_dataset("train", table), "label") == [(1, [0.5])]


def test_open_dataset__refuses_a_dictionary_of_splits() -> None:
    splits = datasets.DatasetDict({"train": datasets.Dataset.from_dict({"text": ["a"]})})
    with pytest.raises(UserError, match=r"^train: has the splits train; hand in one of them$"):
        open_dataset("train", splits)
