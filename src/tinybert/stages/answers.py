"""Logits in the form people read: the rows of `predictions.jsonl` and of `tinybert predict`."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from scipy.special import softmax

from tinybert.data.task import Task


def answers(
    logits: Float[np.ndarray, "row label"], task: Task, rows: Int[np.ndarray, " row"]
) -> Iterator[dict[str, Any]]:
    """One JSON object per row: label and scores, or a score (interface: `predict`).

    Args:
        logits: One line per example.
        task: What they are scores of.
        rows: Which row of its source each example is, from 1; bad rows that were put aside leave gaps.
    """
    if task.kind == "regression":
        yield from ({"row": int(row), "score": float(value)} for row, value in zip(rows, logits[:, 0], strict=True))
        return
    for row, scores in zip(rows, softmax(logits, axis=1), strict=True):
        by_class = {name: float(score) for name, score in zip(task.classes, scores, strict=True)}
        yield {"row": int(row), "label": task.classes[int(scores.argmax())], "scores": by_class}


def verdicts(logits: Float[np.ndarray, "row label"], task: Task) -> list[str | float]:
    """The bare answer per row: a class name or a score."""
    if task.kind == "regression":
        return [float(value) for value in logits[:, 0]]
    return [task.classes[index] for index in logits.argmax(axis=1)]


def gold(labels: np.ndarray, task: Task) -> list[str | float]:
    """Gold labels as `verdicts` would give them."""
    return [float(value) if task.kind == "regression" else task.classes[int(value)] for value in labels]
