"""How sure a figure is: bootstrap intervals over rows, t intervals over seeds, paired tests of two systems."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import stats

RESAMPLES = 1000
ENOUGH_ROWS = 100  # below this a dev set is too small to refuse a teacher
_CHUNK = 4_000_000  # resampled values held at once: 32 MB


class Interval(NamedTuple):
    """A figure with the bounds of its 95 % interval."""

    estimate: float
    low: float
    high: float


class Systems(NamedTuple):
    """Outcome of comparing two systems on the same rows; differences are second minus first.

    Attributes:
        difference: Of the metric, with its 95 % interval.
        p_value: Two-sided; exact McNemar for classes, paired bootstrap for scores.
        only_first: Rows that only the first system gets right; None for scores.
        only_second: Rows that only the second system gets right; None for scores.
    """

    difference: Interval
    p_value: float
    only_first: int | None = None
    only_second: int | None = None


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
    def verdict(self) -> Literal["good", "doubtful", "weak"]:
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
    estimate = _correlation(gold[None], predicted[None])[0]
    values = [_correlation(gold[rows], predicted[rows]) for rows in _resamples(len(gold), rng)]
    return _interval(float(estimate), np.concatenate(values))


def compare_classes(first: Bool[np.ndarray, " row"], second: Bool[np.ndarray, " row"]) -> Systems:
    """Exact McNemar test of two classifiers on the same rows, with the interval of their difference in accuracy.

    McNemar 1947: only rows on which exactly one is right speak; if the systems are equally good, each such row goes
    either way with probability 1/2. The interval is the exact one (Clopper and Pearson 1934) of that probability, given
    how many such rows there are, so that it leaves out 0 exactly when the test rejects at 5 %.
    """
    n, only_first, only_second = len(first), int((first & ~second).sum()), int((second & ~first).sum())
    disagree = only_first + only_second
    if disagree == 0:
        reach = float(1 - 0.025 ** (1 / n))  # a larger share of disagreement would have shown in n rows
        return Systems(Interval(0.0, -reach, reach), 1.0, 0, 0)
    outcome = stats.binomtest(only_second, disagree)
    low, high = outcome.proportion_ci(0.95, method="exact")
    bounds = [disagree / n * (2 * share - 1) for share in (only_second / disagree, float(low), float(high))]
    return Systems(Interval(*bounds), float(outcome.pvalue), only_first, only_second)


def compare_scores(
    gold: Float[np.ndarray, " row"],
    first: Float[np.ndarray, " row"],
    second: Float[np.ndarray, " row"],
    rng: np.random.Generator,
) -> Systems:
    """Paired bootstrap of the difference of two systems' correlations with the gold scores."""

    def difference(rows: np.ndarray) -> np.ndarray:
        ahead, behind = (_correlation(gold[rows], system[rows]) for system in (second, first))
        return np.asarray(ahead - behind)

    values = np.concatenate([difference(rows) for rows in _resamples(len(gold), rng)])
    # One is added above and below because the sample itself is a resample too, so that p is never 0.
    tails = [(1 + int(side.sum())) / (1 + len(values)) for side in (values <= 0, values >= 0)]
    estimate = float(difference(np.arange(len(gold))[None])[0])
    return Systems(_interval(estimate, values), min(1.0, 2 * min(tails)))


def over_seeds(values: Sequence[float]) -> Interval | None:
    """Mean of a figure over independent runs with its 95 % t interval; None for fewer than two."""
    if len(values) < 2:
        return None
    mean, error = float(np.mean(values)), float(np.std(values, ddof=1)) / len(values) ** 0.5
    reach = float(stats.t.ppf(0.975, len(values) - 1)) * error
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


def regressor_strength(
    gold: Float[np.ndarray, " row"], predicted: Float[np.ndarray, " row"], rng: np.random.Generator
) -> Strength:
    """Is a regressor's correlation with the gold scores above 0?"""
    values = np.concatenate([_correlation(gold[r], predicted[r]) for r in _resamples(len(gold), rng)])
    figure = _correlation(gold[None], predicted[None])[0]
    return Strength(float(figure), 0.0, float(np.quantile(values, 0.05)), len(gold))


def _interval(estimate: float, values: np.ndarray) -> Interval:
    low, high = np.quantile(values, [0.025, 0.975])
    return Interval(estimate, float(low), float(high))


def _correlation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Pearson's correlation along the last axis; 0 where a side is constant."""
    constant = (np.ptp(a, axis=-1) == 0) | (np.ptp(b, axis=-1) == 0)
    a, b = a - a.mean(-1, keepdims=True), b - b.mean(-1, keepdims=True)
    spread = np.where(constant, 0.0, np.sqrt((a**2).sum(-1) * (b**2).sum(-1)))
    return np.asarray(np.divide((a * b).sum(-1), spread, out=np.zeros_like(spread), where=spread != 0))


def _resamples(rows: int, rng: np.random.Generator) -> Iterator[Int[np.ndarray, "resample row"]]:
    """Row numbers of all resamples, some at a time so that memory stays flat."""
    step = max(1, _CHUNK // rows)
    for start in range(0, RESAMPLES, step):
        yield rng.integers(0, rows, size=(min(step, RESAMPLES - start), rows))
