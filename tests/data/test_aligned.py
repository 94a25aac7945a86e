from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinybert.data.aligned import aligned

TAGGED = st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from([0, 1])), max_size=5)
Words = list[tuple[str, int]]


def changes(original: Words, copy: Words, places: list[int | None]) -> int:
    kept = [place for place in places if place is not None]
    replaced = sum(place is not None and original[place] != copy[n] for n, place in enumerate(places))
    return replaced + places.count(None) + len(original) - len(kept)


def fewest_by_trying(original: Words, copy: Words) -> int:
    best = len(original) + len(copy)
    for count in range(min(len(original), len(copy)) + 1):
        for ours in combinations(range(len(original)), count):
            for theirs in combinations(range(len(copy)), count):
                pairs = list(zip(ours, theirs, strict=True))
                if all(original[i][1] == copy[j][1] for i, j in pairs):
                    cost = sum(original[i] != copy[j] for i, j in pairs)
                    best = min(best, cost + len(original) + len(copy) - 2 * count)
    return best


@given(TAGGED, TAGGED)
def test_aligned__pairs_words_of_the_same_tag_in_order_by_few_changes(original: Words, copy: Words) -> None:
    places = aligned(original, copy)
    kept = [place for place in places if place is not None]
    assert len(places) == len(copy)
    assert kept == sorted(set(kept))
    assert all(original[place][1] == copy[n][1] for n, place in enumerate(places) if place is not None)
    if [tag for _, tag in original] != [tag for _, tag in copy]:
        assert changes(original, copy, places) == fewest_by_trying(original, copy)


@pytest.mark.parametrize(
    ("copy", "expected"),
    [
        ([("the", 0), ("small", 0), ("cat", 1)], [0, 1, 2]),
        ([("the", 0), ("very", 0), ("big", 0), ("cat", 1)], [0, None, 1, 2]),
        ([("the", 0), ("cat", 1)], [0, 2]),
        ([], []),
    ],
)
def test_aligned__knows_which_word_was_changed(copy: Words, expected: list[int | None]) -> None:
    assert aligned([("the", 0), ("big", 0), ("cat", 1)], copy) == expected
