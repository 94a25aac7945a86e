"""Figures by a column of the data: every slice is what counting its rows by hand gives."""

import itertools
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tinybert.errors import UserError
from tinybert.report.read import read_run
from tinybert.report.render import render
from tinybert.report.slices import MOST, slices

ROWS = 400


@pytest.fixture
def run(make_run: Callable[..., Path]) -> Path:
    """A run beside the file that it was evaluated on."""
    folder = make_run(rows=ROWS)
    lengths = np.random.default_rng(0).integers(1, 60, ROWS)
    lines = [
        f"text {n}\t{length if n % 50 else ''}\t{('short', 'long')[int(length) > 20]}\tsource {n % 30}"
        for n, length in enumerate(lengths)
    ]
    (folder / "reviews").mkdir()
    (folder / "reviews/test.tsv").write_text("\n".join(["text\tlength\tkind\tsource", *lines]) + "\n")
    return folder


def counted(run: Path, wanted: Callable[[list[str]], bool]) -> tuple[int, dict[str, float]]:
    """Rows of a slice, and the accuracy of each system in it, by a plain loop."""
    cells = [line.split("\t") for line in (run / "reviews/test.tsv").read_text().splitlines()[1:]]
    said = [json.loads(line) for line in (run / "predictions.jsonl").read_text().splitlines()]
    rows = [answer for answer, row in zip(said, cells, strict=True) if wanted(row)]
    columns = {"teacher": "teacher", "student": "label", "student_int8": "student_int8"}
    return len(rows), {
        name: sum(row[key] == row["gold"] for row in rows) / len(rows) for name, key in columns.items()
    }  # fmt: skip


def test__each_value_is_a_slice_the_worst_first(run: Path) -> None:
    found = slices(read_run(run), "kind")
    assert (found.column, found.metric) == ("kind", "accuracy")
    assert list(found.pairs) == [("teacher", "student"), ("teacher", "student_int8")]
    assert {one.name for one in found.slices} == {"short", "long"}
    for one in found.slices:
        assert (one.rows, one.scores) == counted(run, lambda row, name=one.name: row[2] == name)
        assert one.differences[1].estimate == pytest.approx(one.scores["student_int8"] - one.scores["teacher"])
        assert all(gap.low <= gap.estimate <= gap.high for gap in one.differences)
    gaps = [one.differences[-1].estimate for one in found.slices]
    assert gaps == sorted(gaps)


def test__numbers_are_in_quartiles_and_what_is_missing_apart(run: Path) -> None:
    *quartiles, none = slices(read_run(run), "length").slices
    assert (none.name, none.rows) == ("(none)", ROWS / 50)
    assert len(quartiles) == 4
    ends = [tuple(map(int, one.name.split(" to "))) for one in quartiles]
    assert all(before[1] < after[0] for before, after in itertools.pairwise(ends))
    for one, (low, high) in zip(quartiles, ends, strict=True):
        assert (one.rows, one.scores) == counted(run, lambda row, a=low, b=high: row[1] != "" and a <= int(row[1]) <= b)


def test__numbers_that_are_alike_in_many_digits_lose_no_row(run: Path) -> None:
    path = run / "reviews/test.tsv"
    header, *lines = path.read_text().splitlines()
    path.write_text("\n".join([f"{header}\tat", *(f"{line}\t{1_700_000_000 + n}" for n, line in enumerate(lines))]))
    found = slices(read_run(run), "at").slices
    assert [one.rows for one in found] == [ROWS / 4] * 4
    assert found[0].name == f"1700000000 to {1_700_000_000 + ROWS // 4 - 1}"


def test__rare_values_are_one_slice_and_scores_have_correlations(run: Path, make_run: Callable[..., Path]) -> None:
    assert len(slices(read_run(run), "source").slices) == MOST + 1
    scored = make_run("scores", classes=(), rows=ROWS)
    (run / "reviews").rename(scored / "reviews")
    found = slices(read_run(scored), "kind")
    assert found.metric == "pearson"
    assert all(0 < one.scores["student"] < 1 for one in found.slices)


def test__the_page_shows_them(run: Path) -> None:
    render([run], run / "report.html", by="kind")
    page = (run / "report.html").read_text()
    assert "By kind" in page
    assert "Student minus teacher" in page


@pytest.mark.parametrize(
    ("column", "spoil", "problem"),
    [
        ("topic", lambda run: None, "--by topic: .*test.tsv has no such column; it has text, length, kind, source"),
        ("kind", lambda run: (run / "reviews/test.tsv").unlink(), "--by kind: .*test.tsv: no such file, where"),
        ("kind", lambda run: (run / "predictions.jsonl").unlink(), "has no labelled predictions of one class or score"),
        ("kind", lambda run: (run / "reviews/test.tsv").write_text("text\tkind\na\tb\n"), "answered row 400 of a file"),
    ],
)
def test__what_is_not_there_is_one_line(run: Path, column: str, spoil: Callable[[Path], object], problem: str) -> None:
    spoil(run)
    with pytest.raises(UserError, match=problem) as refused:
        slices(read_run(run), column)
    assert len(refused.value.problems) == 1
