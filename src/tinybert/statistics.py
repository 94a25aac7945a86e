"""How sure a figure is: bootstrap intervals over rows, t intervals over seeds, paired tests of two systems."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from scipy import stats

RESAMPLES = 1000
LEVEL = 0.05  # a difference that chance makes more often counts for none
ENOUGH_ROWS = 100  # below this a dev set is too small to refuse a teacher
_AT_ONCE = 4_000_000  # resampled values in memory: 32 MB


class Interval(NamedTuple):
    """A figure with the bounds of its 95 % interval."""

    estimate: float
    low: float
    high: float


class PairedTest(NamedTuple):
    """Outcome of comparing two systems on the same rows; differences are second minus first.

    Attributes:
        difference: Of the metric, with its 95 % interval.
        p_value: Two-sided; exact McNemar for classes, paired bootstrap for scores.
        counts: Rows that both get right, only the first, only the second, neither; None for scores.
    """

    difference: Interval
    p_value: float
    counts: tuple[int, int, int, int] | None = None


@dataclass(frozen=True)
class Strength:
    """Whether a teacher knows its task.

    Attributes:
        figure: Its accuracy, or Pearson's correlation.
        baseline: Accuracy of always giving the majority class; 0 for scores.
        bound: Lower 95 % bootstrap bound (one-sided) of figure minus baseline.
        rows: How many rows this rests on.
    """

    figure: float
    baseline: float
    bound: float
    rows: int

    @property
    def rating(self) -> Literal["good", "doubtful", "weak"]:
        """`weak`: not shown to beat the baseline on enough rows; `doubtful`: the same on too few to refuse it."""
        if self.bound > 0:
            return "good"
        return "weak" if self.rows >= ENOUGH_ROWS else "doubtful"


def accuracy_interval(right: Bool[np.ndarray, " row"]) -> Interval:
    """95 % percentile bootstrap interval of an accuracy over rows.

    How many rows of a resample are right is binomial, so that its quantiles need no drawing.
    """
    low, high = stats.binom.interval(0.95, len(right), right.mean())
    return Interval(float(right.mean()), float(low) / len(right), float(high) / len(right))


def correlation_interval(
    gold: Float[np.ndarray, " row"], predicted: Float[np.ndarray, " row"], rng: np.random.Generator
) -> Interval:
    """95 % percentile bootstrap interval of Pearson's correlation over rows; an undefined one counts as 0."""
    drawn = _bootstrap(_correlation, (gold, predicted), rng)
    return _interval(_correlation(gold, predicted), drawn)


def compare_classes(first: Bool[np.ndarray, " row"], second: Bool[np.ndarray, " row"]) -> PairedTest:
    """Exact McNemar test of two classifiers on the same rows, with the interval of their difference in accuracy.

    McNemar 1947: only rows on which exactly one is right speak; if the systems are equally good, each such row goes
    either way with probability 1/2. The interval is that of Bonett and Price 2012, which holds the truth in 95 % of
    samples where few rows speak, too; it is widened to that of the test, so that it holds 0 where the test does not
    reject at 5 %.

    Args:
        first: Whether the first system is right, by row.
        second: The same of the second.
    """
    n = len(first)
    parts = (first & second, first & ~second, second & ~first, ~first & ~second)
    both, only_first, only_second, neither = (int(part.sum()) for part in parts)
    disagree, gap = only_first + only_second, only_second - only_first
    spread = np.sqrt(disagree + 2 - gap**2 / (n + 2))  # as if each had been right alone on one row more
    bounds = [(gap + sign * stats.norm.ppf(0.975) * spread) / (n + 2) for sign in (-1, 1)]
    p_value = 1.0
    if disagree:
        outcome = stats.binomtest(only_second, disagree)
        p_value = float(outcome.pvalue)
        bounds += [disagree / n * (2 * share - 1) for share in outcome.proportion_ci(0.95, method="exact")]
    interval = Interval(gap / n, max(-1.0, float(min(bounds))), min(1.0, float(max(bounds))))
    return PairedTest(interval, p_value, (both, only_first, only_second, neither))


def compare_scores(
    gold: Float[np.ndarray, " row"],
    first: Float[np.ndarray, " row"],
    second: Float[np.ndarray, " row"],
    rng: np.random.Generator,
) -> PairedTest:
    """Paired bootstrap of the difference of two systems' correlations with the gold scores."""

    def difference(gold: np.ndarray, first: np.ndarray, second: np.ndarray, axis: int = -1) -> np.ndarray:
        return np.asarray(_correlation(gold, second, axis) - _correlation(gold, first, axis))

    drawn = _bootstrap(difference, (gold, first, second), rng)
    values = drawn.bootstrap_distribution
    # One is added above and below because the sample itself is a resample too, so that p is never 0.
    tails = [(1 + int(side.sum())) / (1 + len(values)) for side in (values <= 0, values >= 0)]
    return PairedTest(_interval(difference(gold, first, second), drawn), min(1.0, 2 * min(tails)))


def over_seeds(values: Sequence[float]) -> Interval:
    """Mean of a figure over two or more independent runs with its 95 % t interval."""
    mean = float(np.mean(values))
    reach = float(stats.t.ppf(0.975, len(values) - 1) * stats.sem(values))
    return Interval(mean, mean - reach, mean + reach)


def classifier_strength(
    gold: Int[np.ndarray, " row"], predicted: Int[np.ndarray, " row"], rng: np.random.Generator
) -> Strength:
    """Is a classifier better than always giving the majority class?"""
    majority = int(np.bincount(gold).argmax())
    ahead = (gold == predicted).astype(int) - (gold == majority)  # -1, 0, 1 per row
    drawn = rng.multinomial(len(gold), [np.mean(ahead == side) for side in (-1, 0, 1)], size=RESAMPLES)
    bound = np.quantile((drawn[:, 2] - drawn[:, 0]) / len(gold), 0.05)
    return Strength(float(np.mean(gold == predicted)), float(np.mean(gold == majority)), float(bound), len(gold))


def mean_strength(
    figures: Float[np.ndarray, " row"], baseline: Float[np.ndarray, " row"], rng: np.random.Generator
) -> Strength:
    """Is the mean of a figure of each row above that of one who knows nothing?"""
    drawn = _bootstrap(lambda values, axis=-1: values.mean(axis), (figures - baseline,), rng)
    bound = np.quantile(drawn.bootstrap_distribution, 0.05)
    return Strength(float(figures.mean()), float(baseline.mean()), float(bound), len(figures))


def ranking_strength(
    gold: UInt8[np.ndarray, "row label"], scores: Float[np.ndarray, "row label"], rng: np.random.Generator
) -> Strength:
    """Is the area under the ROC curve, the mean over labels that some rows have and some have not, above one half?

    No threshold decides about it. Rows are resampled by what each adds to the area (DeLong et al. 1988).
    """
    columns = [(holds == 1, column) for holds, column in zip(gold.T, scores.T, strict=True) if 0 < holds.mean() < 1]
    added = np.mean([_added(*column) for column in columns], axis=0) if columns else np.full(len(gold), 0.5)
    drawn = _bootstrap(lambda values, axis=-1: values.mean(axis), (added,), rng)
    figure = float(added.mean())
    return Strength(figure, 0.5, float(np.quantile(drawn.bootstrap_distribution, 0.05)) - 0.5, len(gold))


def _added(holds: Bool[np.ndarray, " row"], scores: Float[np.ndarray, " row"]) -> Float[np.ndarray, " row"]:
    """What each row adds to the area of one label: values whose mean it is, and that vary as it does."""
    there, rest = scores[holds], scores[~holds]
    before = np.empty(len(scores))
    for mine, others, sign in ((holds, rest, 1), (~holds, there, -1)):
        mid_rank = sum(np.searchsorted(np.sort(sign * others), sign * scores[mine], side) for side in ("left", "right"))
        before[mine] = mid_rank / 2 / len(others)
    area = before[holds].mean()
    share = np.where(holds, holds.mean(), 1 - holds.mean())
    return np.asarray(area + (before - area) / share)


def regressor_strength(
    gold: Float[np.ndarray, " row"], predicted: Float[np.ndarray, " row"], rng: np.random.Generator
) -> Strength:
    """Is a regressor's correlation with the gold scores above 0?"""
    drawn = _bootstrap(_correlation, (gold, predicted), rng)
    bound = np.quantile(drawn.bootstrap_distribution, 0.05)
    return Strength(float(_correlation(gold, predicted)), 0.0, float(bound), len(gold))


def _bootstrap(statistic: Callable[..., np.ndarray], columns: Sequence[np.ndarray], rng: np.random.Generator) -> Any:
    """Percentile bootstrap over rows, which stay together across the columns."""
    rows = len(columns[0])
    if rows == 1:  # nothing to resample, which scipy refuses
        columns = [np.repeat(column, 2) for column in columns]
    how: dict[str, Any] = {"paired": True, "vectorized": True, "method": "percentile"}
    return stats.bootstrap(columns, statistic, n_resamples=RESAMPLES, batch=max(1, _AT_ONCE // rows), rng=rng, **how)


def _interval(estimate: np.ndarray, drawn: Any) -> Interval:
    low, high = drawn.confidence_interval
    return Interval(float(estimate), float(low), float(high))


def _correlation(a: np.ndarray, b: np.ndarray, axis: int = -1) -> np.ndarray:
    """Pearson's correlation along the last axis; 0 where a side is constant."""
    constant = (np.ptp(a, axis) == 0) | (np.ptp(b, axis) == 0)
    a, b = a - a.mean(axis, keepdims=True), b - b.mean(axis, keepdims=True)
    spread = np.where(constant, 0.0, np.sqrt((a**2).sum(axis) * (b**2).sum(axis)))
    return np.asarray(np.divide((a * b).sum(axis), spread, out=np.zeros_like(spread), where=spread != 0))
