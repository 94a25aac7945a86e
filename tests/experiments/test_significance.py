"""Tests over seeds and rows against twins written in loops, exact enumeration and simulated experiments."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from references import significance as slow
from tinybert.experiments import significance
from tinybert.experiments.significance import bootstrap, compare, holm, randomisation
from tinybert.tasks.classification import classification_metrics


def answers(kind, seeds, rows, seed, better=0.0, spread=0.0):
    """Gold and what two systems say; the second is better, by an amount that varies with the seed."""
    rng = np.random.default_rng(seed)
    by_seed = better + spread * rng.normal(size=(seeds, 1))
    if kind == "pearson":
        gold = rng.normal(size=rows)
        noise = rng.normal(size=(2, seeds, rows))
        return gold, gold + noise[0], (1 + by_seed) * gold + noise[1]
    gold = rng.integers(0, 2, rows)
    right = rng.random((2, seeds, rows)) < np.stack([np.full((seeds, 1), 0.7), 0.7 + by_seed])
    return gold, *np.where(right, gold, 1 - gold)


@pytest.mark.parametrize("kind", ["accuracy", "macro_f1", "mcc", "pearson"])
@pytest.mark.parametrize("seeds", [1, 2, 4])
def test__resamples_are_those_of_rows_written_out(kind, seeds, monkeypatch):
    monkeypatch.setattr(significance, "_rescaled", lambda deviations, *_: deviations)
    gold, first, second = answers(kind, seeds, 23, 1, better=0.1)
    interval, _ = bootstrap(significance._figure(kind, 2), gold, first, second, np.random.default_rng(3), 50)

    rng = np.random.default_rng(3)
    rows = rng.multinomial(23, np.full(23, 1 / 23), size=50)
    drawn = rng.multinomial(max(1, seeds - 1), np.full(seeds, 1 / seeds), size=50)
    twin = slow.resampled_differences(kind, gold, first, second, rows, drawn)
    apart = slow.mean_figure(kind, gold, second) - slow.mean_figure(kind, gold, first)
    assert interval == pytest.approx((apart, *np.quantile(twin, [0.025, 0.975])))


@pytest.mark.parametrize("kind", ["accuracy", "pearson"])
def test__swaps_come_to_the_share_of_all_ways_to_swap(kind):
    gold, first, second = answers(kind, 2, 8, 7, better=0.25)
    figure = significance._figure(kind, 2)
    found = randomisation(figure, gold, first, second, np.random.default_rng(0), significance.RESAMPLES)
    exact = slow.exact_swaps(kind, gold, first, second)
    assert found == pytest.approx(exact, abs=0.04)  # 3.5 deviations of 2,000 swaps


@given(st.lists(st.floats(0, 1), min_size=1, max_size=9))
def test__holm_is_the_step_down_of_the_book(p_values):
    assert holm(p_values) == pytest.approx(slow.holm(p_values), abs=1e-9)


@pytest.mark.parametrize("kind", ["accuracy", "pearson"])
def test__neither_the_order_of_seeds_nor_of_systems_decides(kind):
    gold, first, second = answers(kind, 4, 200, 2, better=0.1)
    one = compare(kind, gold, first, second, np.random.default_rng(0))
    back = compare(kind, gold, second, first, np.random.default_rng(0))
    assert back.difference == pytest.approx([-one.difference.estimate, -one.difference.high, -one.difference.low])
    assert (back.by_bootstrap, back.by_swaps) == pytest.approx((one.by_bootstrap, one.by_swaps))


@pytest.mark.parametrize("spread", [0.0, 0.05])
@pytest.mark.parametrize("seeds", [3, 5])
def test__chance_is_seldom_called_a_difference_and_intervals_are_no_wider_than_they_must(seeds, spread, monkeypatch):
    """Both systems are as good on average; a seed moves their difference by the spread."""
    monkeypatch.setattr(significance, "RESAMPLES", 200)
    found = [
        compare("accuracy", *answers("accuracy", seeds, 400, seed, spread=spread), np.random.default_rng(0))
        for seed in range(80)
    ]
    assert np.mean([one.p_value < 0.05 for one in found]) <= 0.08
    reach = np.mean([one.difference.high - one.difference.low for one in found]) / 2
    truth = np.sqrt((spread**2 + 2 * 0.7 * 0.3 / 400) / seeds)
    assert 1.5 < reach / truth < 2 * stats.t.ppf(0.975, seeds - 1)


def test__the_macro_f1_that_is_tested_is_that_of_the_tables():
    """The mean over all classes, those that neither gold nor a resample has too."""
    rng = np.random.default_rng(0)
    gold = rng.integers(0, 2, 300)
    first, second = (np.where(rng.random((3, 300)) < wrong, 1 - gold, gold) for wrong in (0.12, 0.06))
    second[:, :2] = 2  # a class that does not occur
    tables = [
        np.mean([classification_metrics(gold, said, "abcd", None)["macro_f1"] for said in of_system])
        for of_system in (first, second)
    ]
    found = compare("macro_f1", gold, first, second, np.random.default_rng(0), classes=4)
    assert found.difference.estimate == pytest.approx(tables[1] - tables[0])
    assert found.difference.low < found.difference.estimate < found.difference.high


def test__two_seeds_that_differ_show_as_little_as_student_s_t_says():
    gold = np.zeros(4000, np.int64)
    first = np.zeros((2, 4000), np.int64)
    second = np.stack([np.arange(4000) < 80, np.arange(4000) < 400]).astype(np.int64)  # wrong in .02 and .1
    found = compare("accuracy", gold, first, second, np.random.default_rng(0)).difference
    half = stats.t.ppf(0.975, 1) * 0.04
    assert found.estimate == pytest.approx(-0.06)
    assert (found.low, found.high) == pytest.approx((-0.06 - half, -0.06 + half), rel=0.1)


def test__a_real_difference_is_found():
    found = compare("accuracy", *answers("accuracy", 5, 1000, 0, better=0.08, spread=0.01), np.random.default_rng(0))
    assert found.difference.low > 0.04
    assert found.p_value < 0.01


def test__systems_that_say_the_same_are_the_same():
    gold, first, _ = answers("accuracy", 3, 50, 0)
    found = compare("accuracy", gold, first, first, np.random.default_rng(0))
    assert (*found.difference, found.p_value) == (0.0, 0.0, 0.0, 1.0)


def test__a_clear_difference_is_one_among_however_many(monkeypatch):
    monkeypatch.setattr(significance, "RESAMPLES", 200)
    given = answers("accuracy", 3, 400, 0, better=0.3, spread=0.01)
    for among in (1, 105):
        found = compare("accuracy", *given, np.random.default_rng(0), among=among)
        assert holm([found.p_value, *[1.0] * (among - 1)])[0] < 0.05
