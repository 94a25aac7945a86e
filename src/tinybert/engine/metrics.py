"""How good predictions are: the figures of `metrics.json`, as plain floats.

Whatever is undefined is 0, never NaN: F1 of a class that neither occurs nor is predicted, MCC and correlations of a
constant.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from jaxtyping import Float, Int
from scipy import stats
from sklearn import metrics as sk


def classification_metrics(
    gold: Int[np.ndarray, " row"],
    predicted: Int[np.ndarray, " row"],
    classes: Sequence[str],
    positive: int | None,
) -> dict[str, float]:
    """Accuracy, F1, macro-F1 and Matthews' correlation of predicted classes.

    Args:
        gold: Index of the true class of each row.
        predicted: Index of the predicted class of each row.
        classes: Names of the classes, in the order of their indices.
        positive: Index of the class whose F1 is `f1` when there are two classes; with more, `f1` is the macro-F1.

    Returns:
        `accuracy`, `f1`, `macro_f1` (the mean over all classes, also those that do not occur), `mcc`.

    Raises:
        ValueError: If there is no row, the lengths differ, or two classes come without a positive one.
    """
    _check(gold, predicted)
    labels = np.arange(len(classes))
    with _quiet():
        per_class = sk.f1_score(gold, predicted, labels=labels, average=None, zero_division=0.0)
        mcc = sk.matthews_corrcoef(gold, predicted)
    macro = float(np.mean(per_class))
    if len(classes) == 2 and positive is None:
        raise ValueError("two classes need to know which one F1 calls positive")
    return {
        "accuracy": float(np.mean(gold == predicted)),
        "f1": float(per_class[positive]) if len(classes) == 2 else macro,
        "macro_f1": macro,
        "mcc": _defined(mcc),
    }


def regression_metrics(gold: Float[np.ndarray, " row"], predicted: Float[np.ndarray, " row"]) -> dict[str, float]:
    """Pearson's and Spearman's correlation; 0 where a side is constant.

    Raises:
        ValueError: If there is no row or the lengths differ.
    """
    _check(gold, predicted)
    if _constant(gold) or _constant(predicted):
        return {"pearson": 0.0, "spearman": 0.0}
    with _quiet():
        pearson, spearman = stats.pearsonr(gold, predicted), stats.spearmanr(gold, predicted)
    return {"pearson": _defined(pearson.statistic), "spearman": _defined(spearman.statistic)}


def confusion(gold: Int[np.ndarray, " row"], predicted: Int[np.ndarray, " row"], n: int) -> list[list[int]]:
    """Counts of rows by gold class (first index) and predicted class (second), for `n` classes."""
    counts = np.bincount(gold.astype(np.int64) * n + predicted.astype(np.int64), minlength=n * n)
    return [[int(count) for count in row] for row in counts.reshape(n, n)]


def _check(gold: np.ndarray, predicted: np.ndarray) -> None:
    if len(gold) != len(predicted) or len(gold) == 0:
        raise ValueError(f"metrics need as many predictions as labels, and some; got {len(predicted)} and {len(gold)}")


def _constant(values: np.ndarray) -> bool:
    return bool(np.all(values == values[0]))


def _defined(value: float) -> float:
    return float(value) if np.isfinite(value) else 0.0


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the libraries on undefined figures: we define them above, and a progress line must not be torn."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield
