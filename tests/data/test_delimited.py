from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tinybert.data.delimited import lines_of, open_delimited
from tinybert.data.problems import Bad
from tinybert.data.settings import DataSettings
from tinybert.errors import UserError


def rows(path: str, wanted: list[str], delimiter: str = "\t", **settings: Any) -> list[tuple[int, Any]]:
    return list(open_delimited(Path(path), delimiter, DataSettings(**settings)).records(wanted))


def test_open_delimited__picks_columns_in_the_order_asked_for(write: Callable[..., str]) -> None:
    path = write("a.tsv", "id\ttext\tlabel\n7\tgood\t1\n")
    assert rows(path, ["label", "text"]) == [(2, ("1", "good"))]
    assert rows(path, ["text"]) == [(2, ("good",))]


def test_open_delimited__tolerates_a_mark_and_other_line_ends(write: Callable[..., str]) -> None:
    assert rows(write("a.tsv", b"\xef\xbb\xbftext\tlabel\r\ngood\t1\r\n"), ["text", "label"]) == [(2, ("good", "1"))]


def test_open_delimited__counts_columns_where_there_is_no_header(write: Callable[..., str]) -> None:
    path = write("a.tsv", "good\t1\nbad\t0\n")
    opened = open_delimited(Path(path), "\t", DataSettings(header=False, text="0", label="1"))
    assert opened.known.names == ("0", "1")
    assert opened.known.numbered
    assert list(opened.records(["0", "1"])) == [(1, ("good", "1")), (2, ("bad", "0"))]


def test_open_delimited__chooses_the_quoting_and_says_so(write: Callable[..., str]) -> None:
    csv = open_delimited(Path(write("a.tsv", 'text\tlabel\n"a ""b"""\t1\n')), "\t", DataSettings())
    assert csv.notes[0].endswith("a.tsv: data.quoting=auto chose csv")
    assert list(csv.records(["text"])) == [(2, ('a "b"',))]
    letters = open_delimited(Path(write("b.tsv", 'text\tlabel\n"a" b\t1\n')), "\t", DataSettings())
    assert "data.quoting=auto chose none (line 2: " in letters.notes[0]
    assert list(letters.records(["text"])) == [(2, ('"a" b',))]


def test_open_delimited__obeys_a_quoting_that_is_given(write: Callable[..., str]) -> None:
    path = write("a.tsv", 'text\tlabel\n"good"\t1\n')
    assert rows(path, ["text"], quoting="none") == [(2, ('"good"',))]
    assert rows(path, ["text"], quoting="csv") == [(2, ("good",))]


def test_open_delimited__always_reads_csv_as_csv(write: Callable[..., str]) -> None:
    path = write("a.csv", 'text,label\n"good, very",1\n')
    assert rows(path, ["text"], delimiter=",", quoting="none") == [(2, ("good, very",))]


@pytest.mark.parametrize(("line", "count"), [("good", 1), ("good\t1\t2", 3)])
def test_open_delimited__counts_the_columns_of_every_row(write: Callable[..., str], line: str, count: int) -> None:
    ((number, bad),) = rows(write("a.tsv", f"text\tlabel\n{line}\n"), ["text"])
    assert number == 2
    assert isinstance(bad, Bad)
    assert bad.reason == f"{count} columns instead of 2 (read with data.quoting=none); correct or remove the row"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("text\tlabel\ttext\ngood\t1\tx\n", r"a.tsv:1: the column 'text' occurs more than once"),
        ("\n\n", "a.tsv:1: nothing but blank lines"),
        ("\n\ntext\tlabel\n", "a.tsv:1: an empty line; remove it"),
        ("te\0xt\tlabel\ngood\t1\n", "a.tsv:1: contains a NUL byte"),
        (b"\xff\xfet\x00e\x00", "a.tsv:1: UTF-16"),
        (b"\xef\xbb\xbf", "a.tsv:1: nothing but blank lines"),
    ],
)
def test_open_delimited__refuses_a_header_it_cannot_trust(
    write: Callable[..., str], content: str | bytes, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        open_delimited(Path(write("a.tsv", content)), "\t", DataSettings())


def test_lines_of__names_a_file_that_is_not_there() -> None:
    with pytest.raises(UserError, match=r"^nowhere.tsv: no such file$"):
        list(lines_of(Path("nowhere.tsv")))
