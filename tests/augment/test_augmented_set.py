"""Originals and copies in order, without duplicates, whatever the shards."""

import numpy as np
import pytest

from augment.worlds import augmented as make
from augment.worlds import rows, run_in
from tinybert.augment import augmented_set
from tinybert.augment.augmented_set import parts_of, write_arrow
from tinybert.augment.shards import TABLE, Shards
from tinybert.data.examples import Examples
from tinybert.types import Example


def test__originals_come_first_each_followed_by_its_copies(tmp_path):
    found = make(tmp_path)
    order = [(example.row, example.copy) for example in found]
    assert order == sorted(order)
    assert [row for row, copy in order if copy == 0] == list(range(1, 11))
    assert all(copy % 3 for _, copy in order if copy)  # every third is the original itself
    assert len(found) == len(order)
    assert [example.label for example in found] == [row % 2 for row, _ in order]


def test__no_two_texts_are_equal_and_the_first_is_the_one_that_stays(tmp_path):
    texts = [example.text for example in make(tmp_path, copies=30)]
    assert len(set(texts)) == len(texts) > 100


def test__an_original_is_never_dropped_and_no_copy_equals_a_later_original(tmp_path):
    """`b a` can be a shuffled copy of row 1, but row 2 is `b a` already."""
    originals = Examples.of([Example("a b", None, 0, 1), Example("b a", None, 1, 2), Example("a b", None, 1, 3)])
    found = list(make(tmp_path, copies=20, originals=originals))
    assert [(example.text, example.row, example.copy) for example in found] == [
        ("a b", 1, 0),
        ("b a", 2, 0),
        ("a b", 3, 0),
    ]


@pytest.mark.parametrize("size", [1, 4, 8, 10_000])
def test__the_size_of_the_shards_changes_nothing(tmp_path, monkeypatch, size):
    usual = list(make(tmp_path / "usual"))
    monkeypatch.setattr(augmented_set, "COPIES_PER_SHARD", size)
    assert list(make(tmp_path / "other")) == usual


def test__shards_have_rows_enough_for_their_copies_and_cover_all():
    parts = parts_of(1000, 20)
    assert {part.stop - part.start for part in parts} == {51}
    assert [row for part in parts for row in range(1000)[part]] == list(range(1000))
    assert len(parts_of(5, 5000)) == 5


def test__the_same_row_number_twice_is_refused(tmp_path):
    twice = Examples.of([Example("a b", None, 0, 1), Example("c d", None, 1, 1)])
    with pytest.raises(ValueError, match="same row number"):
        make(tmp_path, originals=twice)


def test__shards_of_a_killed_run_are_used_and_damaged_ones_made_again(tmp_path, monkeypatch):
    monkeypatch.setattr(augmented_set, "COPIES_PER_SHARD", 8)
    usual = list(make(tmp_path))
    shards = [Shards(run_in(tmp_path).begin("augment"), "copies", 5).part(number) for number in range(5)]
    times = [shard.result.stat().st_mtime_ns for shard in shards]
    (shards[1].result / TABLE).unlink()
    (shards[3].result / TABLE).write_bytes(b"half")
    assert list(make(tmp_path)) == usual
    later = [shard.result.stat().st_mtime_ns for shard in shards]
    assert [number for number in range(5) if later[number] != times[number]] == [1, 3]


def test__another_seed_gives_other_copies(tmp_path):
    assert list(make(tmp_path / "a", seed=1)) != list(make(tmp_path / "b", seed=2))


def test__dropped_copies_are_gone_and_no_others(tmp_path):
    found = make(tmp_path)
    copies = list(found.copies_only())
    drop = np.arange(len(copies)) % 2 == 0
    left = found.without(drop)
    assert list(left.copies_only()) == [copy for copy, gone in zip(copies, drop, strict=True) if not gone]
    assert left.copies == (~drop).sum()
    assert list(found.copies_only()) == copies


def test__written_texts_know_their_originals(tmp_path):
    found = make(tmp_path)
    texts = write_arrow(found, tmp_path / "texts.arrow")
    assert list(texts.examples) == list(found)
    assert texts.examples.labels.tolist() == [example.label for example in found]
    rows_of = texts.examples.rows
    assert (rows_of[texts.originals] == rows_of).all()
    assert (texts.copy[texts.originals] == 0).all()


def test__unlabelled_texts_are_written_without_labels(tmp_path):
    texts = write_arrow([Example("a"), Example("b")], tmp_path / "texts.arrow")
    assert texts.examples.labels is None
    asked = write_arrow([Example("a", "b")], tmp_path / "asked.arrow", asked=True).examples
    assert (asked.asked, asked.labelled, asked.answers(0, 1)) == (True, True, [None])
    assert len(rows()) == 10
