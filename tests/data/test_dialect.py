from collections.abc import Iterable

import pytest

from tinybert.data.dialect import Dialect, decoded, plain_lines, records
from tinybert.data.problems import BadRow
from tinybert.errors import UserError

TAB = Dialect("\t", quoted=False)
TAB_CSV = Dialect("\t", quoted=True)
CSV = Dialect(",", quoted=True)


def lines(text: str) -> Iterable[str]:
    return text.splitlines(keepends=True)


def reasons(found: Iterable[tuple[int, object]]) -> dict[int, str]:
    return {line: cells.reason for line, cells in found if isinstance(cells, BadRow)}


def test_decoded__drops_a_byte_order_mark_at_the_beginning_only() -> None:
    assert list(decoded([b"\xef\xbb\xbfa\n", b"\xef\xbb\xbfb\n"], "f")) == ["a\n", "\ufeffb\n"]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [([b"a\rb\r"], ["a\n", "b\n"]), ([b"a\rb"], ["a\n", "b\n"]), ([b"a\rb\n", b"c"], ["a\rb\n", "c"]), ([], [])],
)
def test_decoded__takes_the_line_ends_of_old_macs(raw: list[bytes], expected: list[str]) -> None:
    assert list(decoded(raw, "f")) == expected


def test_decoded__names_the_line_that_is_not_utf8() -> None:
    with pytest.raises(UserError, match=r"^f:2: not UTF-8 \(byte 0xe9\); save the file as UTF-8$"):
        list(decoded([b"good\n", b"caf\xe9\n"], "f"))


@pytest.mark.parametrize("mark", [b"\xff\xfe", b"\xfe\xff"])
def test_decoded__recognises_utf16(mark: bytes) -> None:
    with pytest.raises(UserError, match=r"^f:1: UTF-16"):
        list(decoded([mark + b"a\x00"], "f"))


@pytest.mark.parametrize(
    ("mark", "what"), [(b"\x1f\x8b\x08", "packed with gzip"), (b"PK\x03\x04", "a zip archive or an Excel workbook")]
)
def test_decoded__says_how_a_file_is_packed_whatever_it_is_called(mark: bytes, what: str) -> None:
    with pytest.raises(UserError, match=rf"^f: {what}; "):
        list(decoded([mark], "f"))


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
    assert reasons(found)[2] == "not valid CSV (text after a closing quotation mark); check the quotation marks"
    assert found[2] == (3, ["z", "2"])


def test_records__of_csv_count_the_lines_an_open_quote_swallows() -> None:
    (_, (line, bad)) = list(records(lines('a,b\n"x,1\ny,2\nz,3\n'), CSV))
    assert line == 2
    assert isinstance(bad, BadRow)
    assert bad.rows == 3
    assert bad.content == '"x,1\ny,2\nz,3\n'
    assert bad.reason == "not valid CSV (a quotation mark that is never closed); check the quotation marks"


def test_records__of_csv_read_texts_of_any_length() -> None:
    assert list(records(['"' + "x" * 2_000_000 + '",1\n'], CSV)) == [(1, ["x" * 2_000_000, "1"])]


@pytest.mark.parametrize("dialect", [TAB, TAB_CSV])
def test_records__count_lines_that_are_skipped(dialect: Dialect) -> None:
    skipping = dialect._replace(skipped=1)
    assert list(records(["sep=\t\n", "a\tb\n", "c\td\n"], skipping)) == [(2, ["a", "b"]), (3, ["c", "d"])]


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
