from collections.abc import Iterable

import pytest

from tinybert.data.dialect import Dialect, decoded, plain_lines, records, why_not_csv
from tinybert.data.problems import Bad
from tinybert.errors import UserError

TAB = Dialect("\t", quoted=False)
TAB_CSV = Dialect("\t", quoted=True)
CSV = Dialect(",", quoted=True)


def lines(text: str) -> Iterable[str]:
    return text.splitlines(keepends=True)


def reasons(found: Iterable[tuple[int, object]]) -> dict[int, str]:
    return {line: cells.reason for line, cells in found if isinstance(cells, Bad)}


def test_decoded__drops_a_byte_order_mark_at_the_beginning_only() -> None:
    assert list(decoded([b"\xef\xbb\xbfa\n", b"\xef\xbb\xbfb\n"], "f")) == ["a\n", "\ufeffb\n"]


def test_decoded__names_the_line_that_is_not_utf8() -> None:
    with pytest.raises(UserError, match=r"^f:2: not UTF-8 \(byte 0xe9\); save the file as UTF-8$"):
        list(decoded([b"good\n", b"caf\xe9\n"], "f"))


@pytest.mark.parametrize("mark", [b"\xff\xfe", b"\xfe\xff"])
def test_decoded__recognises_utf16(mark: bytes) -> None:
    with pytest.raises(UserError, match=r"^f:1: UTF-16"):
        list(decoded([mark + b"a\x00"], "f"))


def test_records__of_letters_keep_quotes_and_drop_either_line_end() -> None:
    assert list(records(['a "b\tc"\r\n', '"d\te\n'], TAB)) == [(1, ['a "b', 'c"']), (2, ['"d', "e"])]


def test_records__of_csv_count_the_line_a_row_begins_on() -> None:
    text = 'text,label\n"one\ntwo",1\nthree,0\n'
    assert list(records(lines(text), CSV)) == [(1, ["text", "label"]), (2, ["one\ntwo", "1"]), (4, ["three", "0"])]


def test_records__of_csv_undo_doubled_quotes() -> None:
    assert list(records(['"say ""hi""",1\n'], CSV)) == [(1, ['say "hi"', "1"])]


def test_records__of_csv_report_a_broken_quote_and_go_on() -> None:
    found = list(records(lines('a,b\n"x"y,1\nz,2\n'), CSV))
    assert [line for line, _ in found] == [1, 2, 3]
    assert reasons(found)[2].startswith("not valid CSV")
    assert found[2] == (3, ["z", "2"])


def test_records__of_csv_count_the_lines_an_open_quote_swallows() -> None:
    (_, (line, bad)) = list(records(lines('a,b\n"x,1\ny,2\nz,3\n'), CSV))
    assert line == 2
    assert isinstance(bad, Bad)
    assert bad.rows == 3
    assert bad.content == '"x,1\ny,2\nz,3\n'


def test_records__refuse_a_cell_beyond_all_measure() -> None:
    assert "field limit" in reasons(records(['"' + "x" * 200_000 + '",1\n'], CSV))[1]


@pytest.mark.parametrize("dialect", [TAB, TAB_CSV])
def test_records__refuse_nul_in_any_column(dialect: Dialect) -> None:
    found = list(records(["a\tb\n", "c\0\td\n", "e\tf\n"], dialect))
    assert "NUL" in reasons(found)[2]
    assert found[2] == (3, ["e", "f"])


@pytest.mark.parametrize("dialect", [TAB, TAB_CSV])
def test_records__ignore_blank_lines_at_the_end_only(dialect: Dialect) -> None:
    assert len(list(records(["a\tb\n", "\n", "  \r\n"], dialect))) == 1
    found = list(records(["a\tb\n", "\n", "c\td\n"], dialect))
    assert reasons(found) == {2: "an empty line; remove it"}
    assert [line for line, _ in found] == [1, 2, 3]


def test_records__keep_letters_that_only_unicode_calls_line_ends() -> None:
    assert list(records(["a\u2028b\x85c\x0bd\te\n"], TAB)) == [(1, ["a\u2028b\x85c\x0bd", "e"])]


def test_plain_lines__are_one_cell_whatever_they_hold() -> None:
    assert list(plain_lines(["a\tb, c\n", '"d"'])) == [(1, ["a\tb, c"]), (2, ['"d"'])]


@pytest.mark.parametrize(
    "text",
    ["a\tb\n1\t2\n", 'a\tb\n"1"\t2\n', 'a\tb\n"one\nmore"\t2\n', 'a\tb\nsay "hi" now\t2\n', "a\tb\n1\t2\n\n"],
)
def test_why_not_csv__has_no_objection(text: str) -> None:
    assert why_not_csv(lines(text), "\t") is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('a\tb\n"one" more\t2\n', "line 2: not valid CSV"),
        ('a\tb\n"one\t2\n', "line 2: not valid CSV"),
        ("a\tb\n1\t2\t3\n", "line 2 has 3 columns, the first line 2"),
        ("a\tb\n\n1\t2\n", "line 2: an empty line"),
        ('a\tb\n"one\t1\ntwo"\t2\n', "a quotation mark in line 2 would swallow whole rows"),
        ('text\n"Hello,\nhe said"\n', "a quotation mark in line 2 would swallow whole rows"),
    ],
)
def test_why_not_csv__says_where(text: str, reason: str) -> None:
    assert (why_not_csv(lines(text), "\t") or "").startswith(reason)
