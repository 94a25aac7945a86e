from typing import Any

import pytest

from tinybert.data.mappings import open_json_lines, open_list
from tinybert.data.opened import Opened
from tinybert.data.problems import Bad
from tinybert.errors import UserError

GOOD = '{"text": "good", "label": 1}\n'


def found(opened: Opened) -> list[tuple[int, Any]]:
    return list(opened.records(["text", "label"]))


def test_open_json_lines__takes_columns_from_the_first_row() -> None:
    opened = open_json_lines("f", [GOOD, '{"label": 0, "text": "bad", "more": 1}\n'])
    assert opened.known.names == ("text", "label")
    assert opened.known.open_ended
    assert found(opened) == [(1, ["good", 1]), (2, ["bad", 0])]


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
    assert isinstance(bad, Bad)
    assert bad.reason.startswith(reason)
    assert "\n" not in bad.reason


def test_open_json_lines__keeps_bad_rows_before_the_first_good_one() -> None:
    (first, second) = found(open_json_lines("f", ['{"text"\n', GOOD]))
    assert isinstance(first[1], Bad)
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
