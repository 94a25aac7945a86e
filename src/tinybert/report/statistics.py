"""How sure a figure is: bootstrap intervals over rows, t intervals over seeds, paired tests of two systems.

Resampling rows of a classification task with replacement is the same as drawing the counts of its (gold, predicted)
cells from a multinomial, so 1,000 resamples cost no more than 1,000 small vectors however many rows there are.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import stats

RESAMPLES = 1000
ENOUGH_ROWS = 100  # below this a dev set is too small to refuse a teacher
_CHUNK = 4_000_000  # resampled values held at once: 32 MB

ClassMetric = Literal["accuracy", "f1", "macro_f1", "mcc"]
Correlation = Literal["pearson", "spearman"]


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


class Tally(NamedTuple):
    """Per resample and class: rows right, rows that have it, rows given it."""

    right: Float[np.ndarray, "resample label"]
    gold: Float[np.ndarray, "resample label"]
    predicted: Float[np.ndarray, "resample label"]


def class_interval(
    gold: Int[np.ndarray, " row"],
    predicted: Int[np.ndarray, " row"],
    metric: ClassMetric,
    rng: np.random.Generator,
    positive: int | None = None,
) -> Interval:
    """95 % percentile bootstrap interval of a classification metric over rows.

    Args:
        gold: True class of each row.
        predicted: Predicted class of each row.
        metric: Which figure; `f1` is that of `positive`, or macro-F1 without one.
        rng: Where the resamples are drawn from.
        positive: Class whose F1 is meant.
    """
    n = int(max(gold.max(), predicted.max(), positive or 0)) + 1
    cells, counts = np.unique(gold.astype(np.int64) * n + predicted, return_counts=True)
    drawn = rng.multinomial(len(gold), counts / len(gold), size=RESAMPLES)
    values = _class_metric(_tally(drawn, cells, n), metric, positive)
    estimate = _class_metric(_tally(counts[None], cells, n), metric, positive)[0]
    return _interval(float(estimate), values)


def correlation_interval(
    gold: Float[np.ndarray, " row"], predicted: Float[np.ndarray, " row"], metric: Correlation, rng: np.random.Generator
) -> Interval:
    """95 % percentile bootstrap interval of a correlation over rows; an undefined one counts as 0."""
    estimate = _correlation(gold[None], predicted[None], metric)[0]
    values = [_correlation(gold[rows], predicted[rows], metric) for rows in _resamples(len(gold), rng)]
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
    metric: Correlation,
    rng: np.random.Generator,
) -> Systems:
    """Paired bootstrap of the difference of two systems' correlations with the gold scores."""

    def difference(rows: np.ndarray) -> np.ndarray:
        ahead, behind = (_correlation(gold[rows], system[rows], metric) for system in (second, first))
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
    values = np.concatenate([_correlation(gold[r], predicted[r], "pearson") for r in _resamples(len(gold), rng)])
    figure = _correlation(gold[None], predicted[None], "pearson")[0]
    return Strength(float(figure), 0.0, float(np.quantile(values, 0.05)), len(gold))


def _interval(estimate: float, values: np.ndarray) -> Interval:
    low, high = np.quantile(values, [0.025, 0.975])
    return Interval(estimate, float(low), float(high))


def _tally(counts: np.ndarray, cells: np.ndarray, n: int) -> Tally:
    """Add up counts of (gold, predicted) cells per class; cells that never occur need no column."""
    gold, predicted = cells // n, cells % n

    def per_class(owner: np.ndarray, keep: np.ndarray) -> np.ndarray:
        belongs = (owner[:, None] == np.arange(n)) & keep[:, None]
        return np.asarray(counts.astype(float) @ belongs.astype(float))  # integers have no fast matrix product

    everywhere = np.ones(len(cells), dtype=bool)
    return Tally(per_class(gold, gold == predicted), per_class(gold, everywhere), per_class(predicted, everywhere))


def _class_metric(tally: Tally, metric: ClassMetric, positive: int | None) -> np.ndarray:
    metrics: dict[str, Callable[[], np.ndarray]] = {
        "accuracy": lambda: _ratio(tally.right.sum(-1), tally.gold.sum(-1)),
        "f1": lambda: _f1(tally)[..., positive] if positive is not None else _f1(tally).mean(-1),
        "macro_f1": lambda: _f1(tally).mean(-1),
        "mcc": lambda: _mcc(tally),
    }
    return metrics[metric]()


def _f1(tally: Tally) -> np.ndarray:
    return _ratio(2 * tally.right, tally.gold + tally.predicted)


def _mcc(tally: Tally) -> np.ndarray:
    """Gorodkin's form for any number of classes, the one scikit-learn uses."""
    n = tally.gold.sum(-1)
    above = tally.right.sum(-1) * n - (tally.gold * tally.predicted).sum(-1)
    below = (n**2 - (tally.gold**2).sum(-1)) * (n**2 - (tally.predicted**2).sum(-1))
    return _ratio(above, np.sqrt(below))


def _correlation(a: np.ndarray, b: np.ndarray, metric: Correlation) -> np.ndarray:
    """Correlation along the last axis; 0 where a side is constant."""
    if metric == "spearman":
        a, b = stats.rankdata(a, axis=-1), stats.rankdata(b, axis=-1)
    constant = (np.ptp(a, axis=-1) == 0) | (np.ptp(b, axis=-1) == 0)
    a, b = a - a.mean(-1, keepdims=True), b - b.mean(-1, keepdims=True)
    spread = np.sqrt((a**2).sum(-1) * (b**2).sum(-1))
    return _ratio((a * b).sum(-1), np.where(constant, 0.0, spread))


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Quotient with 0 where the denominator is 0."""
    below = np.asarray(below, dtype=float)
    return np.asarray(np.divide(above, below, out=np.zeros_like(below), where=below != 0))


def _resamples(rows: int, rng: np.random.Generator) -> Iterator[Int[np.ndarray, "resample row"]]:
    """Row numbers of all resamples, some at a time so that memory stays flat."""
    step = max(1, _CHUNK // rows)
    for start in range(0, RESAMPLES, step):
        yield rng.integers(0, rows, size=(min(step, RESAMPLES - start), rows))
