"""Two systems on the same seeds and test rows: how far apart, and can that be chance?

A figure over seeds is the mean of each seed's figure. It varies with the seeds, which draw rows and weights, and with
the rows of test; a difference is believed only where both have been allowed for.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import stats

from tinybert.statistics import Interval

RESAMPLES: Final = 2000
_AT_ONCE: Final = 100  # swaps; a few MB for thousands of rows

Said = np.ndarray  # [seed, row]: classes or scores
Weights = Int[np.ndarray, "resample row"]  # how often each row was drawn


class SeedTest(NamedTuple):
    """Outcome for two systems; the difference is second minus first.

    Attributes:
        difference: Of the figure over seeds, with the 95 % interval of `bootstrap`.
        by_bootstrap: Two-sided p-value of the same.
        by_swaps: That of `randomisation`.
        seeds: On how many this rests.
    """

    difference: Interval
    by_bootstrap: float
    by_swaps: float
    seeds: int

    @property
    def p_value(self) -> float:
        """The larger of the two: a difference counts where both tests say so."""
        return max(self.by_bootstrap, self.by_swaps)


def compare(
    metric: str,
    gold: np.ndarray,
    first: Said,
    second: Said,
    rng: np.random.Generator,
    *,
    classes: int | None = None,
    among: int = 1,
) -> SeedTest:
    """Compare what two systems said of the same rows, seed by seed.

    Args:
        metric: One of `OF_CLASSES` or `OF_SCORES`.
        gold: True classes or scores.
        first: What the first system said, [seed, row].
        second: The same of the second.
        rng: Draws resamples and swaps.
        classes: How many there are, those that do not occur too; None = scores.
        among: How many comparisons are corrected together. R resamples give no p-value below 2 / (R + 1), so that
            many comparisons need many of them.
    """
    resamples = max(RESAMPLES, 50 * among)
    figure = _figure(metric, classes)
    interval, p_value = bootstrap(figure, gold, first, second, rng, resamples)
    return SeedTest(interval, p_value, randomisation(figure, gold, first, second, rng, resamples), len(first))


def bootstrap(
    figure: "Figure", gold: np.ndarray, first: Said, second: Said, rng: np.random.Generator, resamples: int
) -> tuple[Interval, float]:
    """Interval and p-value of the difference by resampling seeds and rows, both with replacement.

    Of S seeds S - 1 are drawn, since S would show (S - 1) / S of their variance (Rao and Wu 1988). Resampling both
    counts three times what is neither the seed's nor the row's alone (Owen 2007), and few seeds show their spread only
    roughly; `_rescaled` makes up for both. One seed says nothing of others.
    """
    seeds, n = first.shape
    ones = np.ones((1, n), np.int64)
    by_seed = (figure(gold, second, ones) - figure(gold, first, ones))[0]
    rows = rng.multinomial(n, np.full(n, 1 / n), size=resamples)
    drawn = rng.multinomial(max(1, seeds - 1), np.full(seeds, 1 / seeds), size=resamples)
    apart = figure(gold, second, rows) - figure(gold, first, rows)
    estimate = float(by_seed.mean())
    moved = estimate + _rescaled((apart * drawn).sum(axis=1) / drawn.sum(axis=1) - estimate, apart, by_seed)
    low, high = np.quantile(moved, [0.025, 0.975])
    # One is added above and below because the sample itself is a resample too, so that p is never 0.
    tails = [(1 + int(side.sum())) / (1 + resamples) for side in (moved <= 0, moved >= 0)]
    return Interval(estimate, float(low), float(high)), min(1.0, 2 * min(tails))


def _rescaled(
    deviations: Float[np.ndarray, " resample"],
    apart: Float[np.ndarray, "resample seed"],
    by_seed: Float[np.ndarray, " seed"],
) -> Float[np.ndarray, " resample"]:
    """Deviations with the variance of a mean over seeds and rows, as wide as Student's t where that of seeds is large.

    With variances a of seeds, b of rows, e of the rest, by their numbers: seeds alone show a + e, rows alone b + e,
    both together a + b + 3 e; a + b + e is wanted.
    """
    if len(by_seed) < 2 or not deviations.any():
        return deviations
    seeds, rows = float(by_seed.var(ddof=1)) / len(by_seed), float(apart.mean(axis=1).var())
    both = float(deviations.var())
    wanted = max(2 * (seeds + rows) - both, seeds, rows)
    freedom = np.inf if seeds == 0 else (len(by_seed) - 1) * (wanted / seeds) ** 2  # Satterthwaite
    # Of two seeds one is drawn: where seeds are all that varies there are two values, each one deviation away.
    reach = stats.norm.ppf(0.975) if len(by_seed) > 2 else np.quantile(np.abs(deviations), 0.95) / np.sqrt(both)
    stretch = stats.t.ppf(0.975, freedom) / reach
    return np.asarray(deviations * np.sqrt(wanted / both) * stretch)


def randomisation(
    figure: "Figure", gold: np.ndarray, first: Said, second: Said, rng: np.random.Generator, resamples: int
) -> float:
    """Approximate randomisation (Noreen 1989) over rows: were the systems alike, their answers could change places.

    The answers to a row change places in all seeds at once, since a row that is hard is so with every seed.
    """
    n = len(gold)
    ones = np.ones((1, n), np.int64)

    def apart(swapped: Bool[np.ndarray, "swap 1 row"]) -> Float[np.ndarray, " swap"]:
        one, other = np.where(swapped, second, first), np.where(swapped, first, second)
        by_seed = figure(gold, other.reshape(-1, n), ones) - figure(gold, one.reshape(-1, n), ones)
        return np.asarray(np.abs(by_seed.reshape(len(swapped), -1).mean(axis=1)))

    observed, as_far = apart(np.zeros((1, 1, n), bool)), 0
    for start in range(0, resamples, _AT_ONCE):
        drawn = rng.random((min(_AT_ONCE, resamples - start), 1, n)) < 0.5
        as_far += int((apart(drawn) >= observed - 1e-12).sum())
    return (1 + as_far) / (1 + resamples)


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted for their number (Holm 1979): that one of them is below .05 by chance happens in 5 % of cases.

    Example:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values, kind="stable")
    stepped = np.maximum.accumulate(np.asarray(p_values)[order] * np.arange(len(order), 0, -1))
    adjusted = np.empty(len(order))
    adjusted[order] = np.minimum(1.0, stepped)
    return [round(float(p), 12) for p in adjusted]


def _accuracy(gold: np.ndarray, said: Said, rows: Weights) -> Float[np.ndarray, "resample seed"]:
    return np.asarray(rows @ (said == gold).T.astype(np.float64) / rows.sum(axis=1, keepdims=True))


def _pearson(gold: np.ndarray, said: Said, rows: Weights) -> Float[np.ndarray, "resample seed"]:
    """Of each seed; 0 where a side is constant."""
    weights = rows / rows.sum(axis=1, keepdims=True)
    gold, said = gold - gold.mean(), said - said.mean(axis=1, keepdims=True)  # smaller numbers, same correlation
    of_gold, of_said = weights @ gold, weights @ said.T
    covariance = weights @ (said * gold).T - of_gold[:, None] * of_said
    spread = (weights @ gold**2 - of_gold**2)[:, None] * (weights @ (said**2).T - of_said**2)
    flat = spread <= 1e-18
    return np.where(flat, 0.0, covariance / np.sqrt(np.where(flat, 1.0, spread)))


def _macro_f1(gold: np.ndarray, said: Said, rows: Weights, classes: int) -> Float[np.ndarray, "resample seed"]:
    """Mean over all classes; 0 for one that is never right, or does not occur, as in `classification_metrics`."""
    by_class = _by_class(gold, said, rows)
    scores = [2 * right / np.maximum(true + predicted, 1) for right, true, predicted in by_class]
    return np.asarray(np.sum(scores, axis=0) / classes)


def _mcc(gold: np.ndarray, said: Said, rows: Weights) -> Float[np.ndarray, "resample seed"]:
    """Gorodkin 2004, for any number of classes; 0 where one class is all there is."""
    right, true, predicted = np.stack([*_by_class(gold, said, rows)], axis=1)
    n = rows.sum(axis=1, keepdims=True).astype(np.float64)
    above = right.sum(axis=0) * n - (true * predicted).sum(axis=0)
    below = (n**2 - (true**2).sum(axis=0)) * (n**2 - (predicted**2).sum(axis=0))
    return np.where(below > 0, above / np.sqrt(np.maximum(below, 1)), 0.0)


def _by_class(gold: np.ndarray, said: Said, rows: Weights) -> Iterator[np.ndarray]:
    """Of each class, how often it is rightly said, true, and said: [3, resample, seed]."""
    for one in np.union1d(gold, said):
        true, predicted = np.broadcast_to(gold == one, said.shape), said == one
        yield np.stack([rows @ part.T.astype(np.float64) for part in (true & predicted, true, predicted)])


Figure = Callable[[np.ndarray, Said, Weights], Float[np.ndarray, "resample seed"]]
_FIGURES: Final[Mapping[str, Figure]] = {"accuracy": _accuracy, "mcc": _mcc, "pearson": _pearson}
OF_CLASSES: Final = ("accuracy", "macro_f1", "mcc")
OF_SCORES: Final = ("pearson",)


def _figure(metric: str, classes: int | None) -> Figure:
    """A figure of all resamples and seeds at once."""
    if metric != "macro_f1":
        return _FIGURES[metric]
    assert classes is not None
    return partial(_macro_f1, classes=classes)
