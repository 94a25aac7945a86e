"""Copies that a teacher takes for another class."""

import numpy as np
import pytest
import torch

from stages.augmenting.worlds import made
from tinybert.data.encode import encode
from tinybert.log import Log
from tinybert.stages.augmenting import flips
from tinybert.stages.augmenting.flips import Jury, evenly, flipped, judged
from tinybert.stages.augmenting.merged import written

LOG = Log(silent=True)


@pytest.fixture
def world(tmp_path, tiny_tokenizer):
    """Originals and copies, and a teacher that goes by the first piece of a text: shuffling changes it."""
    merged = made(tmp_path / "run", copies=8)
    texts = written(merged, tmp_path / "texts.arrow")
    rows = encode(texts.examples, tiny_tokenizer, 32, tmp_path / "rows.arrow")
    asked = []

    def answer(batch):
        asked.append(len(batch))
        first = batch.input_ids[:, 1]
        return torch.stack([first % 2, (first + 1) % 2], dim=1).float()

    expected = []
    for original, copies in merged.groups():
        first = [tiny_tokenizer(example.text).input_ids[1] % 2 for example in (original, *copies)]
        expected += [one != first[0] for one in first[1:]]
    return merged, rows, texts, Jury(answer, tmp_path / "classes", LOG), expected, asked


def test__copies_that_change_their_class_are_found(world):
    _, rows, texts, jury, expected, _ = world
    assert 0 < sum(expected) < len(expected)
    assert flipped(jury, rows, texts, sample=None).tolist() == expected


def test__flipped_copies_are_dropped_or_counted(world):
    merged, rows, texts, jury, expected, _ = world
    left, figures = judged(merged, rows, texts, jury, keep=False)
    assert figures == {"share": np.mean(expected), "asked": len(expected), "dropped": sum(expected)}
    copies = list(merged.copies_only())
    assert list(left.copies_only()) == [copy for copy, gone in zip(copies, expected, strict=True) if not gone]


def test__flips_that_are_kept_are_counted_in_a_sample(world, monkeypatch):
    merged, rows, texts, jury, expected, asked = world
    monkeypatch.setattr(flips, "SAMPLE", 7)
    left, figures = judged(merged, rows, texts, jury, keep=True)
    assert left is merged
    assert (figures["asked"], figures["dropped"]) == (7, 0)
    assert figures["share"] == np.mean([expected[place] for place in evenly(len(expected), 7)])
    assert sum(asked) <= 14


def test__what_the_teacher_said_is_not_asked_again(world, monkeypatch):
    _, rows, texts, jury, expected, asked = world
    monkeypatch.setattr(flips, "_BLOCK", 16)
    first = flipped(jury, rows, texts, sample=None)
    count = len(asked)
    assert flipped(jury, rows, texts, sample=None).tolist() == first.tolist() == expected
    assert len(asked) == count
    (jury.folder / "000001.parquet").unlink()
    assert flipped(jury, rows, texts, sample=None).tolist() == expected
    assert len(asked) == count + 1


@pytest.mark.parametrize(("count", "wanted"), [(0, 5), (5, 0), (3, 10), (10, 3), (100, 7)])
def test__places_are_spread_and_different(count, wanted):
    places = evenly(count, wanted).tolist()
    assert len(set(places)) == len(places) == min(count, wanted)
    assert places == sorted(places)
    assert all(0 <= place < count for place in places)
