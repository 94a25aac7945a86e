import json
from pathlib import Path

import pytest

from tinybert.data.problems import BadRow, Problems, listed, shown, write_rejected
from tinybert.errors import UserError


def test_add__ends_the_run_where_nothing_is_tolerated() -> None:
    with pytest.raises(
        UserError, match=r"^f\.tsv:3: is bad \(data.skip_bad=0.01 tolerates one bad row in a hundred\)$"
    ):
        Problems("f.tsv", 0.0).add(3, BadRow("is bad", "content"))


def test_settle__tolerates_exactly_the_share() -> None:
    problems = Problems("f.tsv", 0.1)
    problems.add(3, BadRow("is bad", "x"))
    assert problems.settle(9) == (
        "f.tsv: 1 of 10 rows are bad and left out (data.skip_bad=0.1); the first: row 3, is bad",
    )
    with pytest.raises(UserError, match=r"^f\.tsv:3: is bad \(1 of 9 rows are bad, more than data.skip_bad=0.1"):
        problems.settle(8)


def test__a_row_is_named_beside_its_line_where_that_is_another() -> None:
    with pytest.raises(UserError, match=r"^f\.tsv:3: is bad \(row 2; data.skip_bad=0.01 tolerates"):
        Problems("f.tsv", 0.0).add(3, BadRow("is bad", "x"), row=2)
    problems = Problems("f.tsv", 0.1)
    problems.add(3, BadRow("is bad", "x"), row=2)
    assert problems.settle(9)[0].endswith("; the first: row 2, is bad")
    with pytest.raises(UserError, match=r"^f\.tsv:3: is bad \(row 2; 1 of 9 rows are bad"):
        problems.settle(8)


def test_settle__counts_every_row_that_was_swallowed() -> None:
    problems = Problems("f.tsv", 0.5)
    problems.add(2, BadRow("open quote", "x", rows=6))
    with pytest.raises(UserError, match=r"6 of 11"):
        problems.settle(5)


def test_settle__has_nothing_to_say_of_good_rows() -> None:
    assert Problems("f.tsv", 0.5).settle(3) == ()


def test_write_rejected__keeps_rows_reasons_and_whatever_content(tmp_path: Path) -> None:
    problems = Problems("f.tsv", 0.5)
    problems.add(2, BadRow("empty", ["", "1"]))
    problems.add(5, BadRow("odd", {"text": "\ud800", "label": float("nan"), "more": b"bytes"}))
    write_rejected(tmp_path / "rejected.jsonl", [problems, Problems("g.tsv", 0.5)])
    rows = [json.loads(line) for line in (tmp_path / "rejected.jsonl").read_text().splitlines()]
    assert rows[0] == {"file": "f.tsv", "line": 2, "row": 2, "reason": "empty", "content": ["", "1"]}
    assert rows[1]["content"]["text"] == "\ud800"


def test_write_rejected__writes_no_file_of_nothing(tmp_path: Path) -> None:
    write_rejected(tmp_path / "rejected.jsonl", [Problems("f.tsv", 0.5)])
    assert not (tmp_path / "rejected.jsonl").exists()


def test_shown__is_one_short_printable_line() -> None:
    assert shown("a\nb\u2028") == "'a\\nb\\u2028'"
    assert len(shown("x" * 10_000)) < 100
    assert shown(5) == "5"


def test_listed__cuts_and_counts() -> None:
    assert listed(["a", "b\n"]) == "a, b\\n"
    assert listed(map(str, range(25))).endswith("18, 19 and 5 more")
