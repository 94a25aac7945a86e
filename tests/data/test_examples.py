from collections.abc import Callable

import numpy as np
import pytest

from tinybert.data.examples import Examples
from tinybert.data.read import read
from tinybert.data.resolve import unlabelled
from tinybert.data.settings import DataSettings
from tinybert.types import Answer, Example

THREE = [Example("good", None, 1, 1), Example("bad", None, 0, 2), Example("fine", None, 1, 3)]
PAIRS = [Example("a", "b", 0.5, 1), Example("c", "d", 1.0, 2)]
TAGGED = [Example("a b", None, (0, 1), 1, 2, ("a", "b")), Example("c", None, (1,), 2, 0, ("c",))]
ANSWERED = [Example("q", "a b", Answer(2, 3), 1), Example("r", "c", None, 2)]


@pytest.mark.parametrize("rows", [THREE, PAIRS, TAGGED, ANSWERED, [Example("a")], []])
def test_of__gives_back_what_it_was_given(rows: list[Example]) -> None:
    examples = Examples.of(rows)
    assert len(examples) == len(rows)
    assert list(examples) == rows
    assert [examples[n] for n in range(len(rows))] == rows


def test_of__refuses_examples_of_which_only_some_have_labels() -> None:
    with pytest.raises(ValueError, match=r"some examples have labels"):
        Examples.of([Example("a", None, 1), Example("b")])


def test_getitem__counts_from_either_end_and_takes_slices() -> None:
    examples = Examples.of(THREE)
    assert examples[-1] == THREE[-1]
    assert list(examples[1:]) == THREE[1:]
    assert list(examples[::-1][:2]) == [THREE[2], THREE[1]]
    assert examples[::-1][-1] == THREE[0]
    for position in (3, -4):
        with pytest.raises(IndexError):
            examples[position]


def test_select__views_some_in_the_order_given() -> None:
    chosen = Examples.of(THREE).select(np.array([2, 0])).select(np.array([1, 0, 1]))
    assert list(chosen) == [THREE[0], THREE[2], THREE[0]]
    assert chosen.labels is not None
    assert chosen.labels.tolist() == [1, 1, 1]
    assert chosen.rows.tolist() == [1, 3, 1]


def test_labels__are_classes_scores_or_absent() -> None:
    classes, scores = Examples.of(THREE).labels, Examples.of(PAIRS).labels
    assert classes is not None
    assert classes.dtype == np.int64
    assert scores is not None
    assert scores.dtype == np.float64
    assert Examples.of([Example("a")]).labels is None
    silent = Examples.of([Example("a", "b")], ["x"])
    assert (silent.asked, silent.labelled, silent.ids, silent.gold_texts) == (True, True, ["x"], [[]])
    assert not Examples.of([Example("a")]).labelled
    assert Examples.of(THREE).labelled


def test_paired__says_whether_there_are_two_sides() -> None:
    assert Examples.of(PAIRS).paired
    assert not Examples.of(THREE).paired


def test_iter__passes_over_every_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tinybert.data.examples.BLOCK", 16)
    rows = [Example(str(n), None, n % 3, n + 1) for n in range(16 + 10)]
    examples = Examples.of(rows)
    assert list(examples) == rows
    assert list(examples.select(np.arange(len(rows))[::-1])) == rows[::-1]


def test_digest__is_of_contents_only() -> None:
    moved = [Example(e.text, e.pair, e.label, e.row + 7) for e in THREE]
    assert Examples.of(moved).digest() == Examples.of(THREE).digest()
    padded = Examples.of([Example("x", None, 0), *THREE])
    assert padded.select(np.array([1, 2, 3])).digest() == Examples.of(THREE).digest()


@pytest.mark.parametrize(
    "other",
    [
        [*THREE[:2], Example("fine!", None, 1)],
        [*THREE[:2], Example("fine", None, 0)],
        [*THREE[:2], Example("fine", "x", 1)],
        THREE[::-1],
        THREE[:2],
        [Example(e.text, e.pair, float(e.label or 0)) for e in THREE],
        [Example(e.text) for e in THREE],
        [Example("goodbad", None, 1), Example("", None, 0), THREE[2]],
    ],
)
def test_digest__notices_every_change(other: list[Example]) -> None:
    assert Examples.of(other).digest() != Examples.of(THREE).digest()


@pytest.mark.parametrize("rows", [TAGGED, ANSWERED])
def test_examples__view_tags_and_answers(rows: list[Example]) -> None:
    examples = Examples.of(rows)
    assert examples.labelled
    assert examples.labels is None
    chosen = examples.select(np.array([1, 0]))
    assert list(chosen) == [chosen[0], chosen[1]] == rows[::-1]
    assert chosen.digest() != examples.digest() == Examples.of(rows).digest()


@pytest.mark.parametrize(
    ("rows", "other"),
    [
        (TAGGED, [TAGGED[0], Example("c", None, (0,), words=("c",))]),
        (TAGGED, [Example("a b", None, (0,), words=("a b",)), TAGGED[1]]),
        (TAGGED, [Example(e.text) for e in TAGGED]),
        (ANSWERED, [Example("q", "a b", Answer(0, 3)), ANSWERED[1]]),
        (ANSWERED, [ANSWERED[0], Example("r", "c", Answer(0, 1))]),
    ],
)
def test_digest__notices_tags_and_answers(rows: list[Example], other: list[Example]) -> None:
    assert Examples.of(rows).digest() != Examples.of(other).digest()


def test_lines__are_what_messages_call_rows(write: Callable[..., str]) -> None:
    rows = read(write("a.csv", 'text\n"one\ntwo"\nthree\n'), DataSettings(), labels="none")
    examples = unlabelled(rows)
    assert examples.lines.tolist() == [2, 4]
    assert examples.rows.tolist() == [1, 2]
