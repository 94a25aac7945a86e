"""Copies that a teacher takes for another class."""

import numpy as np
import pytest

from augment.worlds import augmented as make
from augment.worlds import run_in
from tinybert import files
from tinybert.augment import teacher_votes
from tinybert.augment.augmented_set import write_arrow
from tinybert.augment.teacher_votes import TeacherVotes, evenly, filter_flips, flipped
from tinybert.data.encode import encode
from tinybert.log import Log

LOG = Log(silent=True)


@pytest.fixture
def world(tmp_path, tiny_tokenizer):
    """Originals and copies, and a teacher that goes by the first piece of a text: shuffling changes it."""
    augmented = make(tmp_path / "run", copies=8)
    texts = write_arrow(augmented, tmp_path / "texts.arrow")
    rows = encode(texts.examples, tiny_tokenizer, 32, tmp_path / "rows.arrow")
    asked = []

    def classify(picked):
        asked.append(len(picked))
        return 1 - picked.batch(np.arange(len(picked))).input_ids[:, 1].numpy() % 2

    expected = []
    for original, copies in augmented.groups():
        first = [tiny_tokenizer(example.text).input_ids[1] % 2 for example in (original, *copies)]
        expected += [one != first[0] for one in first[1:]]
    votes = TeacherVotes(classify, run_in(tmp_path).store.entry("votes"), LOG)
    return augmented, rows, texts, votes, expected, asked


def test__copies_that_change_their_class_are_found(world):
    _, rows, texts, votes, expected, _ = world
    assert 0 < sum(expected) < len(expected)
    assert flipped(votes, rows, texts, sample=None).tolist() == expected


def test__flipped_copies_are_dropped_or_counted(world):
    augmented, rows, texts, votes, expected, _ = world
    left, figures = filter_flips(augmented, rows, texts, votes, keep=False)
    assert figures == {"share": np.mean(expected), "asked": len(expected), "dropped": sum(expected)}
    copies = list(augmented.copies_only())
    assert list(left.copies_only()) == [copy for copy, gone in zip(copies, expected, strict=True) if not gone]


def test__flips_that_are_kept_are_counted_in_a_sample(world, monkeypatch):
    augmented, rows, texts, votes, expected, asked = world
    monkeypatch.setattr(teacher_votes, "SAMPLE", 7)
    left, figures = filter_flips(augmented, rows, texts, votes, keep=True)
    assert left is augmented
    assert (figures["asked"], figures["dropped"]) == (7, 0)
    assert figures["share"] == np.mean([expected[position] for position in evenly(len(expected), 7)])
    assert sum(asked) <= 14


def test__what_the_teacher_said_is_not_asked_again(world, monkeypatch):
    _, rows, texts, votes, expected, asked = world
    monkeypatch.setattr(teacher_votes, "_BLOCK", 16)
    first = flipped(votes, rows, texts, sample=None)
    count = len(asked)
    assert flipped(votes, rows, texts, sample=None).tolist() == first.tolist() == expected
    assert len(asked) == count
    files.remove(votes.artifact.part("classes-000001").result)
    assert flipped(votes, rows, texts, sample=None).tolist() == expected
    assert len(asked) == count + 1


@pytest.mark.parametrize(("count", "wanted"), [(0, 5), (5, 0), (3, 10), (10, 3), (100, 7)])
def test__places_are_spread_and_different(count, wanted):
    positions = evenly(count, wanted).tolist()
    assert len(set(positions)) == len(positions) == min(count, wanted)
    assert positions == sorted(positions)
    assert all(0 <= position < count for position in positions)
