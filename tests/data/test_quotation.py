from collections.abc import Iterable
from functools import partial
from typing import Any

import pytest

from tinybert.data.dialect import Dialect
from tinybert.data.quotation import delimiter_of, quoted_column, run_on, run_ons, swallowing, why_not_csv
from tinybert.data.settings import DataSettings

TAB = Dialect("\t", quoted=False)
CSV = Dialect(",", quoted=True)
SEMICOLON = Dialect(";", quoted=True)
BY_NUMBER: dict[str, Any] = {"header": False, "text": "0", "label": "1"}


def lines(text: str) -> Iterable[str]:
    return text.splitlines(keepends=True)


@pytest.mark.parametrize(
    "text",
    ["a\tb\n1\t2\n", 'a\tb\n"1"\t2\n', 'a\tb\n"one\nmore"\t2\n', 'a\tb\nsay "hi" now\t2\n', "a\tb\n1\t2\n\n"],
)
def test_why_not_csv__has_no_objection(text: str) -> None:
    assert why_not_csv(lines(text), TAB) is None


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ('a\tb\n"one" more\t2\n', 2, "not valid CSV"),
        ('a\tb\n"one\t2\n', 2, "not valid CSV"),
        ("a\tb\n1\t2\t3\n", 2, "3 columns, the first line has 2"),
        ("a\tb\n\n1\t2\n", 2, "an empty line"),
        ('a\tb\n"one\t1\ntwo"\t2\n', 2, "a quotation mark would swallow whole rows"),
        ('a\tb\n"x\ny"\t1\n"one\t1\ntwo"\t2\n', 4, "a quotation mark would swallow whole rows"),
        ('text\n"Hello,\nhe said"\n', 2, "a quotation mark would swallow whole rows"),
    ],
)
def test_why_not_csv__says_where(text: str, line: int, reason: str) -> None:
    objection = why_not_csv(lines(text), TAB)
    assert objection is not None
    assert objection[0] == line
    assert objection[1].startswith(reason)


@pytest.mark.parametrize(
    ("text", "header", "column"),
    [
        ('a\tb\n"x"\t1\n"y" z\t2\n', True, None),
        ('a\tb\n1\t"x"\n2\t"y \\"z\\""\n3\t\n', True, 1),
        ('"a"\tb\nx\t1\n', True, 0),
        ('"a"\tb\nx\t1\n', False, None),
        ('"a"\tb\n"x"\t1\n', False, 0),
        ("", True, None),
    ],
)
def test_quoted_column__by_nearly_all_its_cells_or_its_name(text: str, header: bool, column: int | None) -> None:
    assert quoted_column(lines(text), TAB, header) == column


@pytest.mark.parametrize(
    ("cells", "place", "rows"),
    [
        (["a,1\r\nb,0\r\nc", "1"], 0, [["a", "1"], ["b", "0"], ["c", "1"]]),
        (["0", "a\n1,b"], 1, [["0", "a"], ["1", "b"]]),
        (["a, b,1\nc", "1"], 0, [["a, b", "1"], ["c", "1"]]),
    ],
)
def test_run_on__cuts_lines_into_rows(cells: list[str], place: int, rows: list[list[str]]) -> None:
    assert run_on(cells, ",") == (place, rows)


@pytest.mark.parametrize("cells", [["a", "1"], ["one\nmore", "1"], ["a,1\nb", "x\ny"]])
def test_run_on__is_none_of_lines_that_could_be_no_rows(cells: list[str]) -> None:
    assert run_on(cells, ",") is None


def swallowed(text: str) -> dict[int, int]:
    again = partial(lines, text)
    return dict(swallowing(run_ons(again, CSV), again, CSV))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('text,label\n"a,1\nb,0\nc",1\nd,0\n', {2: 3}),
        ('text,label\nx,0\n"a, really,0\nb",1\n', {3: 2}),
        ('label,text\n0,x\n1,"a\n0,b"\n1,y\n', {3: 2}),
        ('text,label\na,"1\nb,0\nc,1"\nd,0\ne,1\n', {2: 3}),
        ('text,score\n"a,0.25\nb",0.5\n', {2: 2}),
        ('text,label\n"Hi Ann,\nsee you",1\nx,0\n', {}),
        ('text,label\n"Well, no\nnever, yes\nor so",no\nx,yes\n', {}),
        ('text,label\n"3, 2, 1\ngo",1\nx,1\n', {}),
        ('text,score\n"It cost $5,200\nor 4,5",0.5\nx,7\n', {}),
        ('text,votes\n"a,1250\nb",31\nx,7\n', {2: 2}),
        ('id,text,label\n7,"one, two, three\nfour, five, six",a\n8,x,b\n', {}),
    ],
)
def test_swallowing__tells_rows_from_prose(text: str, expected: dict[int, int]) -> None:
    assert swallowed(text) == expected


@pytest.mark.parametrize(
    ("text", "usual", "settings", "expected"),
    [
        ("text,label\na;b,1\n", ",", {}, CSV),
        ("text\na;b\n", ",", {}, CSV),
        ("text;label\na, b, c;1\n", ",", {}, SEMICOLON),
        ('"text, too";label\n', ",", {}, SEMICOLON),
        ("text\tlabel\na, b\t1\n", ",", {}, TAB),
        ("text,label\na,1\n", "\t", {}, CSV),
        ("text\na, b\n", "\t", {}, TAB),
        ("a, b\t1\nc\t0\n", ",", BY_NUMBER, TAB),
        ("a;b,1\nc;d,0\n", ",", BY_NUMBER, CSV),
        ("a, b\nc, d\n", "\t", {"header": False, "text": "0"}, TAB),
        ("a\nb\n", ",", BY_NUMBER, CSV),
        ("", ",", {}, CSV),
    ],
)
def test_delimiter_of__goes_by_the_first_lines(
    text: str, usual: str, settings: dict[str, Any], expected: Dialect
) -> None:
    assert delimiter_of(list(lines(text)), usual, DataSettings(**settings)) == expected


@pytest.mark.parametrize("first", ["sep=;\n", '"sep=;"\r\n', "sep=;\r\n"])
def test_delimiter_of__obeys_and_skips_what_is_said_to_excel(first: str) -> None:
    assert delimiter_of([first, "text;label\n"], ",", DataSettings()) == SEMICOLON._replace(skipped=1)
