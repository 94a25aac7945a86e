"""The figures of augmentation against slow ones."""

from collections import Counter
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from augment.worlds import augmented as make
from tinybert.augment import quality as room
from tinybert.augment.quality import quality, quality_lines, words_changed
from tinybert.data.words import words_of
from tinybert.types import Example


def slow_distance(before, after):
    """Levenshtein's distance as it is defined."""

    @cache
    def cost(i, j):
        if i == 0 or j == 0:
            return i + j
        same = before[i - 1] == after[j - 1]
        return min(cost(i - 1, j) + 1, cost(i, j - 1) + 1, cost(i - 1, j - 1) + (not same))

    return cost(len(before), len(after))


words = st.lists(st.sampled_from(["a", "b", "c"]), max_size=8)


@given(words, words)
def test__words_changed_are_the_distance_over_words(before, after):
    assert words_changed(before, after) == slow_distance(tuple(before), tuple(after))


def test__figures_are_those_of_counting_by_hand(tmp_path):
    augmented = make(tmp_path, copies=5)
    found = quality(augmented, None)
    pairs = [(original.text.split(), copy.text.split()) for original, copies in augmented.groups() for copy in copies]
    distances = [slow_distance(tuple(before), tuple(after)) for before, after in pairs]
    assert found["words_changed"] == sum(distances) / sum(len(before) for before, _ in pairs)
    assert {int(key): n for key, n in found["distance"].items() if n} == Counter(distances)
    assert found["rows"] == {
        "originals": 10,
        "made": 50,
        "duplicates": 50 - len(pairs),
        "flipped": 0,
        "copies": len(pairs),
    }
    assert found["distinct"]["originals"] == {"1": 1.0, "2": 1.0}
    assert found["flips"] is None


def test__variety_is_measured_on_equally_many_originals_and_copies(tmp_path):
    augmented = make(tmp_path, copies=20)
    found = quality(augmented, None)
    copies = list(augmented.copies_only())
    chosen = [copies[position * len(copies) // 10] for position in range(10)]
    said = [word.text for copy in chosen for word in words_of(copy.text)]
    assert found["measured_on"]["distinct"] == 10
    assert found["distinct"]["copies"]["1"] == len(set(said)) / len(said)


def test__twenty_samples_are_spread_over_the_rows(tmp_path):
    augmented = make(tmp_path, copies=20)
    samples = quality(augmented, None)["samples"]
    by_row = {example.row: example.text for example in augmented.originals}
    assert len(samples) == 20
    assert len({sample["row"] for sample in samples}) == 10
    assert all(sample["original"] == by_row[sample["row"]] != sample["copy"] for sample in samples)


def test__only_some_copies_are_measured_where_there_are_many(tmp_path, monkeypatch):
    monkeypatch.setattr(room, "MEASURED", 6)
    found = quality(make(tmp_path, copies=20), None)
    assert found["measured_on"] == {"copies": 6, "distinct": 6}
    assert sum(found["distance"].values()) == 6


def test__of_pairs_the_side_that_changed_counts():
    counts = room._Counts()
    counts.compare(Example("a b c d", "e f"), Example("a b c d", "e g"))
    assert (counts.changed, counts.words) == (1, 2)
    assert room._sample(Example("a", "e f"), Example("a", "e g", row=3, copy=2)) == {
        "row": 3,
        "number": 2,
        "original": "e f",
        "copy": "e g",
    }


def test__flips_and_figures_are_told(tmp_path):
    found = quality(make(tmp_path), {"share": 0.25, "asked": 8, "dropped": 2})
    assert found["flips"] == {"share": 0.25, "asked": 8}
    assert found["rows"]["flipped"] == 2
    assert (
        list(quality_lines(found))[1]
        == "the teacher gives 25.0 % of 8 copies a different class from their originals; 2 dropped"
    )


def test__no_copy_at_all_has_figures_too(tmp_path):
    from tinybert.data.examples import Examples

    augmented = make(tmp_path, originals=Examples.of([Example("word", None, 0, 1)]))
    found = quality(augmented, None)
    assert found["rows"]["copies"] == 0
    assert found["distinct"]["copies"] == {"1": None, "2": None}
    assert found["words_changed"] == pytest.approx(0.0)
