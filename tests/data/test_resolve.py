from collections.abc import Callable

import pytest

from tinybert.data.labels import ClassMeaning, ScoreMeaning
from tinybert.data.read import RawRows, read
from tinybert.data.resolve import resolve_labels, spellings, unlabelled
from tinybert.data.settings import DataSettings
from tinybert.errors import UserError

MEANING = ClassMeaning(("neg", "pos"), {})


def rows(write: Callable[..., str], labels: str, skip_bad: float = 0.0) -> RawRows:
    text = "text\tlabel\n" + "".join(f"row {n}\t{label}\n" for n, label in enumerate(labels.split(","), start=1))
    return read(write("a.tsv", text), DataSettings(skip_bad=skip_bad), labels="optional")


def test_spellings__are_gathered_once_each(write: Callable[..., str]) -> None:
    found = spellings(rows(write, "b,a,,b"))
    assert found.names == ["b", "a"]
    assert found.codes.tolist() == [0, 1, -1, 0]


def test_resolve_labels__gives_every_label_its_value(write: Callable[..., str]) -> None:
    examples = resolve_labels(rows(write, "pos,neg,pos"), MEANING)
    assert [(e.text, e.label, e.row) for e in examples] == [("row 1", 1, 1), ("row 2", 0, 2), ("row 3", 1, 3)]


def test_resolve_labels__gives_scores(write: Callable[..., str]) -> None:
    assert [e.label for e in resolve_labels(rows(write, "0.5,2"), ScoreMeaning({}))] == [0.5, 2.0]


def test_resolve_labels__leaves_rows_without_any_label_unlabelled(write: Callable[..., str]) -> None:
    examples = resolve_labels(rows(write, ",,"), MEANING, needed=False)
    assert len(examples) == 3
    assert not examples.labelled


def test_resolve_labels__names_the_row_whose_label_is_missing(write: Callable[..., str]) -> None:
    with pytest.raises(
        UserError, match=r"a.tsv:3: the label is missing, though other rows have one; give it one, or remove the row"
    ):
        resolve_labels(rows(write, "pos,,neg"), MEANING)


def test_resolve_labels__names_the_row_whose_label_is_unknown(write: Callable[..., str]) -> None:
    with pytest.raises(UserError, match=r"a.tsv:4: unknown label 'maybe'; known are: neg, pos; "):
        resolve_labels(rows(write, "pos,neg,maybe"), MEANING)
    with pytest.raises(UserError, match=r"a.tsv:3: the label 'inf' is not a finite number"):
        resolve_labels(rows(write, "0.5,inf"), ScoreMeaning({}))


def test_resolve_labels__puts_rows_without_a_value_aside_where_that_is_tolerated(write: Callable[..., str]) -> None:
    read_rows = rows(write, "pos,maybe,neg,", skip_bad=0.5)
    examples = resolve_labels(read_rows, MEANING)
    assert [(e.text, e.label) for e in examples] == [("row 1", 1), ("row 3", 0)]
    assert [row["line"] for row in read_rows.problems.rejected] == [3, 5]
    assert "2 of 4 rows are bad" in examples.notes[-1]


def test_resolve_labels__leaves_out_rows_whose_label_stands_for_none(write: Callable[..., str]) -> None:
    examples = resolve_labels(rows(write, "pos,-,neg,-"), ClassMeaning(("neg", "pos"), {"-": None}))
    assert [(e.text, e.label, e.row) for e in examples] == [("row 1", 1, 1), ("row 3", 0, 3)]
    assert examples.notes[-1].endswith("a.tsv: 2 of 4 rows are left out, their labels stand for none: - 2")


def test_resolve_labels__takes_a_test_whose_labels_all_stand_for_none_as_one_without(write: Callable[..., str]) -> None:
    examples = resolve_labels(rows(write, "-1,,-1"), ClassMeaning(("0", "1"), {"-1": None}), needed=False)
    assert not examples.labelled
    assert len(examples) == 3
    assert examples.notes[-1].endswith("2 of 3 rows are read without a label, their labels stand for none: -1 2")
    assert len(resolve_labels(rows(write, "-1,-1"), ClassMeaning(("0", "1"), {"-1": None}))) == 0


def test_resolve_labels__says_that_a_test_needs_no_labels(write: Callable[..., str]) -> None:
    with pytest.raises(UserError, match=r"a.tsv:2: unknown label '-1'; .*; a test set may have no labels: leave"):
        resolve_labels(rows(write, "-1,-1"), MEANING, needed=False)
    with pytest.raises(UserError, match=r"a.tsv:3: unknown label '-1'; .* rename it with data.label_map(?!; a test)"):
        resolve_labels(rows(write, "pos,-1"), MEANING, needed=False)


def test_unlabelled__forgets_labels(write: Callable[..., str]) -> None:
    assert unlabelled(rows(write, "pos,neg")).labels is None
