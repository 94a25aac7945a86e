from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tinybert.data import delimited
from tinybert.data.delimited import open_delimited
from tinybert.data.dialect import lines_of
from tinybert.data.problems import BadRow
from tinybert.data.readers import RowReader
from tinybert.data.settings import DataSettings
from tinybert.errors import UserError


def rows(path: str, wanted: list[str], delimiter: str = "\t", **settings: Any) -> list[tuple[int, Any]]:
    return found(open_delimited(Path(path), delimiter, DataSettings(**settings)), wanted)


def found(reader: RowReader, wanted: list[str]) -> list[tuple[int, Any]]:
    """The lines, each with what is wrong or with the wanted cells."""
    return [
        (line, row if isinstance(row, BadRow) else tuple(row[name] for name in wanted))
        for line, row in reader.records(wanted)
    ]


def test_open_delimited__picks_columns_in_the_order_asked_for(write: Callable[..., str]) -> None:
    path = write("a.tsv", "id\ttext\tlabel\n7\tgood\t1\n")
    assert rows(path, ["label", "text"]) == [(2, ("1", "good"))]
    assert rows(path, ["text"]) == [(2, ("good",))]


def test_open_delimited__tolerates_a_mark_and_other_line_ends(write: Callable[..., str]) -> None:
    assert rows(write("a.tsv", b"\xef\xbb\xbftext\tlabel\r\ngood\t1\r\n"), ["text", "label"]) == [(2, ("good", "1"))]


def test_open_delimited__counts_columns_where_there_is_no_header(write: Callable[..., str]) -> None:
    path = write("a.tsv", "good\t1\nbad\t0\n")
    reader = open_delimited(Path(path), "\t", DataSettings(header=False, text="0", label="1"))
    assert reader.header.names == ("0", "1")
    assert reader.header.numbered
    assert found(reader, ["0", "1"]) == [(1, ("good", "1")), (2, ("bad", "0"))]


def test_open_delimited__chooses_the_quoting_and_says_so(write: Callable[..., str]) -> None:
    csv = open_delimited(Path(write("a.tsv", 'text\tlabel\n"a ""b"""\t1\n')), "\t", DataSettings())
    assert csv.notes[0].endswith("a.tsv: data.quoting=auto chose csv")
    assert found(csv, ["text"]) == [(2, ('a "b"',))]
    letters = open_delimited(Path(write("b.tsv", 'text\tlabel\n"a" b\t1\n')), "\t", DataSettings())
    assert "data.quoting=auto chose none (line 2: " in letters.notes[0]
    assert found(letters, ["text"]) == [(2, ('"a" b',))]


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
    assert isinstance(bad, BadRow)
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


@pytest.mark.parametrize("content", ["text;label\ngood, very;1\n", "sep=;\r\ntext;label\r\ngood, very;1\r\n"])
def test_open_delimited__reads_other_delimiters_and_says_so(write: Callable[..., str], content: str) -> None:
    reader = open_delimited(Path(write("a.csv", content)), ",", DataSettings())
    assert reader.notes[0].endswith("a.csv: the cells are separated by semicolons")
    assert [cells for _, cells in found(reader, ["text", "label"])] == [("good, very", "1")]


def test_open_delimited__leaves_columns_without_a_name_aside(write: Callable[..., str]) -> None:
    path = write("a.csv", ",text,label,,\n7,good,1,,\n8,bad,0,x,\n")
    assert open_delimited(Path(path), ",", DataSettings()).header.names == ("text", "label")
    assert rows(path, ["label", "text"], ",") == [(2, ("1", "good")), (3, ("0", "bad"))]


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_open_delimited__refuses_the_header_once_more(write: Callable[..., str], mark: str) -> None:
    content = f"text\tlabel\ngood\t1\n{mark}text\tlabel\nbad\t0\n"
    _, (line, bad), _ = rows(write("a.tsv", content), ["text", "label"])
    assert line == 3
    assert isinstance(bad, BadRow)
    assert bad.reason == "the header once more; remove the line"


SWALLOWING = 'text,label\nx,0\n"a,1\nb,0\nc",1\nd,0\n'


def test_open_delimited__says_where_rows_of_a_csv_file_are_swallowed(write: Callable[..., str]) -> None:
    first, (line, bad), last = rows(write("a.csv", SWALLOWING), ["text", "label"], ",")
    assert (first, last) == ((2, ("x", "0")), (6, ("d", "0")))
    assert line == 3
    assert isinstance(bad, BadRow)
    assert bad.rows == 3
    assert bad.reason.startswith("a quotation mark swallows the rows up to line 5; remove it")


def test_open_delimited__takes_lines_for_one_text_where_the_user_says_so(write: Callable[..., str]) -> None:
    assert rows(write("a.csv", SWALLOWING), ["text"], ",", quoting="csv")[1] == (3, ("a,1\nb,0\nc",))


def test_open_delimited__tells_of_lines_that_could_be_rows(write: Callable[..., str]) -> None:
    path = write("a.csv", 'text,label\n"Hi Ann,\nsee you",1\n"one\nmore",0\n')
    reader = open_delimited(Path(path), ",", DataSettings())
    assert [cells[0] for _, cells in found(reader, ["text"])] == ["Hi Ann,\nsee you", "one\nmore"]
    count = "1 row over several lines, each of which could be a row; the first begins in line 2"
    assert reader.notes == (f"{path}: {count}",)


@pytest.mark.parametrize("header", ["text\tlabel", '"text"\t"label"'])
def test_open_delimited__refuses_quotes_that_one_row_would_turn_into_letters(
    write: Callable[..., str], header: str
) -> None:
    good = "".join(f'"text {number}"\t"pos"\n' for number in range(20))
    path = write("a.tsv", f'{header}\n{good}"the \\"best\\" one"\t"neg"\n')
    with pytest.raises(UserError, match=r"a.tsv:22: not valid CSV \(.*; column 1 is quoted, .* data.quoting=csv or"):
        open_delimited(Path(path), "\t", DataSettings())
    assert rows(path, [header.split("\t")[1]], quoting="none")[0] == (2, ('"pos"',))


def by_number(path: str) -> list[tuple[int, Any]]:
    return rows(path, ["0", "1"], header=False, text="0", label="1")


def test_open_delimited__takes_further_cells_that_some_rows_without_a_header_have(write: Callable[..., str]) -> None:
    path = write("a.tsv", "a\t1\tx\ty\n" * 3 + "b\t0\n" * 5)
    reader = open_delimited(Path(path), "\t", DataSettings(header=False, text="0", label="1"))
    assert [cells for _, cells in found(reader, ["1", "3"])] == 3 * [("1", "y")] + 5 * [("0", "")]
    counts = "2 (5 rows), 4 (3 rows); those that some lack are empty there"
    assert reader.notes[-1] == f"{path}: not all rows have the same number of columns: {counts}"


@pytest.mark.parametrize("odd", ["a\tb\t1\n", "a1\n"])
def test_open_delimited__refuses_what_few_rows_without_a_header_have(write: Callable[..., str], odd: str) -> None:
    for content, line in ((odd + "b\t0\n" * 5, 1), ("b\t0\n" * 5 + odd, 6)):
        (one,) = [(n, cells) for n, cells in by_number(write("a.tsv", content)) if isinstance(cells, BadRow)]
        assert one[0] == line
        assert "columns instead of 2" in one[1].reason


def test_lines_of__names_a_file_that_is_not_there() -> None:
    with pytest.raises(UserError, match=r"^nowhere.tsv: no such file$"):
        list(lines_of(Path("nowhere.tsv")))


def test_open_delimited__surveys_a_file_once_and_again_when_it_has_changed(
    write: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    surveyed: list[int] = []
    monkeypatch.setattr(delimited, "why_not_csv", lambda lines, _: surveyed.append(len(list(lines))))
    for text in ("text\tlabel\na\tb\n", "text\tlabel\na\tb\nc\td\n"):
        path = Path(write("a.tsv", text))
        assert [open_delimited(path, "\t", DataSettings()).header.names for _ in range(3)] == 3 * [("text", "label")]
    assert surveyed == [2, 3]
