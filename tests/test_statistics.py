"""Intervals and tests against planted differences, loop-written twins and the book."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tinybert import statistics
from tinybert.statistics import (
    accuracy_interval,
    classifier_strength,
    compare_classes,
    compare_scores,
    correlation_interval,
    over_seeds,
    regressor_strength,
)
from tinybert.tasks.regression import regression_metrics


def _rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def _labels(rows: int, right: float, seed: int, classes: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Gold classes and answers of which about the share `right` is right."""
    rng = _rng(seed)
    gold = rng.integers(0, classes, rows)
    return gold, np.where(rng.random(rows) < right, gold, (gold + 1) % classes)


def test__the_interval_of_an_accuracy_is_that_of_resampled_rows() -> None:
    right = _rng(3).random(211) < 0.8
    slow = [right[_rng(seed).integers(0, 211, 211)].mean() for seed in range(3000)]
    interval = accuracy_interval(right)
    assert interval.estimate == right.mean()
    assert interval[1:] == pytest.approx(np.quantile(slow, [0.025, 0.975]), abs=0.01)


def test__the_interval_holds_the_truth_about_95_times_in_100() -> None:
    bounds = [accuracy_interval(_rng(seed).random(400) < 0.8) for seed in range(200)]
    held = sum(interval.low <= 0.8 <= interval.high for interval in bounds)
    assert 0.91 <= held / 200 <= 0.985


def test__correlation_intervals_surround_the_figure() -> None:
    gold = _rng(4).normal(size=307)
    said = gold + _rng(5).normal(size=307)
    interval = correlation_interval(gold, said, _rng())
    assert interval.estimate == pytest.approx(regression_metrics(gold, said)["pearson"])
    assert interval.low < interval.estimate < interval.high
    slow = [np.corrcoef(gold[rows], said[rows])[0, 1] for rows in _rng().integers(0, 307, (1000, 307))]
    assert interval[1:] == pytest.approx(np.quantile(slow, [0.025, 0.975]))


def test__the_same_seed_gives_the_same_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    gold, said = _rng(1).normal(size=(2, 101))
    once = correlation_interval(gold, said, _rng(7))
    assert once == correlation_interval(gold, said, _rng(7))
    monkeypatch.setattr(statistics, "_AT_ONCE", 500)  # memory is an implementation matter
    assert once == correlation_interval(gold, said, _rng(7))


def test__constant_predictions_give_zero_without_a_warning() -> None:
    assert correlation_interval(np.arange(5.0), np.full(5, 0.1), _rng()) == (0.0, 0.0, 0.0)
    assert accuracy_interval(np.ones(9, np.bool_)) == (1.0, 1.0, 1.0)
    assert accuracy_interval(np.zeros(9, np.bool_)) == (0.0, 0.0, 0.0)


def test__mcnemar_is_the_exact_binomial_test() -> None:
    first = np.array([True] * 15 + [False] * 5 + [True] * 80)
    second = np.array([False] * 15 + [True] * 5 + [True] * 80)
    got = compare_classes(first, second)
    assert got.counts == (80, 15, 5, 0)
    assert got.difference.estimate == pytest.approx(-0.10)
    assert got.p_value == pytest.approx(2 * sum(math.comb(20, k) for k in range(6)) / 2**20)


@settings(deadline=None, max_examples=80)
@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 40))
def test__the_interval_holds_zero_where_the_test_does_not_reject(a: int, b: int, same: int) -> None:
    rows = a + b + same
    if rows == 0:
        return
    first = np.arange(rows) < a
    second = (np.arange(rows) >= a) & (np.arange(rows) < a + b)
    got = compare_classes(first, second)
    assert got.p_value < 0.05 or got.difference.low <= 0 <= got.difference.high
    assert got.difference.low <= got.difference.estimate <= got.difference.high


@pytest.mark.parametrize(
    ("rows", "only_first", "only_second"), [(200, 0.0, 0.01), (1000, 0.001, 0.005), (1000, 0.05, 0.06), (40, 0.1, 0.2)]
)
def test__the_interval_of_a_difference_holds_the_truth_however_few_rows_differ(rows, only_first, only_second) -> None:
    rng, held = _rng(3), 0
    for _ in range(300):
        drawn = rng.random(rows)
        first = (drawn < only_first) | (drawn > only_first + only_second)
        second = drawn >= only_first
        interval = compare_classes(first, second).difference
        held += interval.low <= only_second - only_first <= interval.high
    assert held / 300 > 0.92


def test__equal_systems_are_called_different_no_more_than_5_times_in_100() -> None:
    rng = _rng(8)
    found = sum(compare_classes(*(rng.random((2, 200)) < 0.8)).p_value < 0.05 for _ in range(250))
    assert found / 250 < 0.08


def test__a_planted_difference_of_classifiers_is_found() -> None:
    rng = _rng(9)
    found = sum(compare_classes(rng.random(500) < 0.85, rng.random(500) < 0.75).p_value < 0.05 for _ in range(100))
    assert found > 90


def test__identical_answers_differ_by_nothing_within_what_the_rows_can_show() -> None:
    same = np.ones(100, dtype=bool)
    got = compare_classes(same, same)
    assert got.p_value == 1.0
    assert got.difference == pytest.approx((0.0, -0.0272, 0.0272), abs=1e-3)


def test__a_planted_difference_of_correlations_is_found_and_its_absence_too() -> None:
    rng = _rng(10)
    gold = rng.normal(size=400)
    good, bad, other = gold + rng.normal(0, 0.5, 400), gold + rng.normal(0, 1.5, 400), gold + rng.normal(0, 0.5, 400)
    found = compare_scores(gold, good, bad, _rng())
    assert found.p_value < 0.01
    assert found.difference.high < 0
    assert compare_scores(gold, good, other, _rng()).p_value > 0.05


def test__seeds_get_the_t_interval_of_the_book() -> None:
    values = [0.71, 0.74, 0.69, 0.73, 0.75]
    mean, low, high = over_seeds(values)
    book = stats.t.interval(0.95, 4, loc=np.mean(values), scale=stats.sem(values))
    assert (mean, low, high) == pytest.approx((np.mean(values), *book))


@pytest.mark.parametrize("rows", [100, 1000])
def test__a_teacher_that_guesses_is_weak_and_one_that_knows_is_good(rows: int) -> None:
    weak = [classifier_strength(*_labels(rows, 0.5, seed), _rng()).rating for seed in range(60)]
    good = [classifier_strength(*_labels(rows, 0.8, seed), _rng()).rating for seed in range(60)]
    assert weak.count("weak") >= 52  # a one-sided 95 % bound lets about one guesser in twenty pass
    assert good.count("good") >= 58


def test__the_majority_class_is_not_better_than_itself() -> None:
    gold = np.array([0] * 90 + [1] * 30)
    strength = classifier_strength(gold, np.zeros(120, dtype=np.int64), _rng())
    assert strength.rating == "weak"
    assert (strength.figure, strength.baseline, strength.bound, strength.rows) == (0.75, 0.75, 0.0, 120)


def test__few_rows_only_raise_a_doubt() -> None:
    assert classifier_strength(*_labels(99, 0.4, 1), _rng()).rating == "doubtful"
    assert classifier_strength(*_labels(99, 0.95, 1), _rng()).rating == "good"


def test__a_regressor_must_correlate() -> None:
    rng = _rng(11)
    gold, noise = rng.normal(size=(2, 200))
    assert regressor_strength(gold, gold + noise, _rng()).rating == "good"
    assert regressor_strength(gold, -gold, _rng()).rating == "weak"
    assert regressor_strength(gold, np.full(200, 3.3), _rng()).rating == "weak"
    assert regressor_strength(gold[:50], -gold[:50], _rng()).rating == "doubtful"
