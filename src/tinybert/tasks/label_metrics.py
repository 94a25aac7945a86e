"""Metrics of several labels for each text."""

from typing import Any

import numpy as np
from jaxtyping import Bool, Float, UInt8
from sklearn import metrics as sk

from tinybert.tasks.metrics import check_rows

Holds = Bool[np.ndarray, "row label"]


def multi_label_metrics(
    gold: UInt8[np.ndarray, "row label"], scores: Float[np.ndarray, "row label"], said: Holds
) -> dict[str, float]:
    """F1 over all decisions, over labels and over texts, and the mean average precision.

    Args:
        gold: 1 where a label holds.
        scores: The probability of each.
        said: Which labels are said to hold.

    Returns:
        `micro_f1`; `macro_f1`, the mean over all labels, 0 for one that is neither there nor said; `sample_f1`, the
        mean over texts, 1 for one that rightly gets no label; `map`, the mean over the labels that hold of some text.

    Raises:
        ValueError: If there is no row or the numbers differ.
    """
    check_rows(gold, said)
    right, total = gold.astype(bool) & said, gold.astype(np.int64) + said
    return {
        "micro_f1": float(_f1(right.sum(), total.sum(), 0.0)),
        "macro_f1": float(_f1(right.sum(axis=0), total.sum(axis=0), 0.0).mean()),
        "sample_f1": float(_f1(right.sum(axis=1), total.sum(axis=1), 1.0).mean()),
        "map": _mean_of_there(gold, scores),
    }


def _f1(right: Any, total: Any, undefined: float) -> Any:
    """F1 of what is right out of all that is there plus all that is said."""
    return np.where(total > 0, 2 * right / np.maximum(total, 1), undefined)


def _mean_of_there(gold: UInt8[np.ndarray, "row label"], scores: Float[np.ndarray, "row label"]) -> float:
    found = [average_precision(holds, column) for holds, column in zip(gold.T, scores.T, strict=True) if holds.any()]
    return float(np.mean(found)) if found else 0.0


def label_figures(
    gold: UInt8[np.ndarray, " row"], scores: Float[np.ndarray, " row"], said: Bool[np.ndarray, " row"]
) -> dict[str, float | int]:
    """Of one label: `rows` it holds of, `precision`, `recall`, `f1`, `average_precision`; 0 where undefined."""
    right, there, told = (int(part.sum()) for part in (gold.astype(bool) & said, gold, said))
    return {
        "rows": there,
        "precision": right / max(told, 1),
        "recall": right / max(there, 1),
        "f1": float(_f1(right, there + told, 0.0)),
        "average_precision": average_precision(gold, scores),
    }


def average_precision(gold: UInt8[np.ndarray, " row"], scores: Float[np.ndarray, " row"]) -> float:
    """Average precision of one label; 0 where it holds of no row."""
    return float(sk.average_precision_score(gold, scores)) if gold.any() else 0.0
