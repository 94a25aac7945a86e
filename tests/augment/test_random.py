from collections import Counter
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from augment.chances import every_outcome
from tinybert.augment.random import Random


def random(seed: int = 0) -> Random:
    return Random(np.random.default_rng(seed))


@pytest.mark.parametrize("count", [2, 7, 40])
def test_below__is_uniform(count: int) -> None:
    source = random()
    drawn = np.bincount([source.below(count) for _ in range(5000)], minlength=count)
    assert len(drawn) == count
    assert chisquare(drawn).pvalue > 0.01


def test_chance__has_its_probability() -> None:
    source = random()
    assert sum(source.chance(0.3) for _ in range(10_000)) == pytest.approx(3000, abs=120)
    assert not any(source.chance(0.0) for _ in range(100))
    assert all(source.chance(1.0) for _ in range(100))


def test_one_of__is_uniform() -> None:
    source = random()
    drawn = Counter(source.one_of("abc") for _ in range(3000))
    assert chisquare([drawn[letter] for letter in "abc"]).pvalue > 0.01


def test_some_of__gives_every_ordered_choice_with_equal_probability() -> None:
    outcomes = every_outcome(lambda source: tuple(source.some_of("abcd", 2)))
    assert outcomes == dict.fromkeys(permutations("abcd", 2), next(iter(outcomes.values())))


@given(st.lists(st.integers(), unique=True, max_size=50), st.integers(0, 60), st.integers(0, 5))
def test_some_of__are_different_items_and_the_list_stays(items: list[int], count: int, seed: int) -> None:
    before = list(items)
    drawn = random(seed).some_of(items, count)
    assert items == before
    assert len(set(drawn)) == len(drawn) == min(count, len(items))
    assert set(drawn) <= set(items)


def test_draws__are_the_numbers_of_the_stream_one_by_one() -> None:
    source, plain = random(5), np.random.default_rng(5)
    assert [source.uniform() for _ in range(100)] == plain.random(100).tolist()
