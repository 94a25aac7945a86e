from collections.abc import Callable
from typing import Any

import pytest

from tinybert.data.read import read
from tinybert.data.settings import DataSettings
from tinybert.errors import UserError


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
