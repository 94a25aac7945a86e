"""Logits in the form people read: the rows of `predictions.jsonl` and of `tinybert predict`."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.special import softmax

from tinybert.data.task import Task


def answers(logits: Float[np.ndarray, "row label"], task: Task) -> Iterator[dict[str, Any]]:
    """One JSON object per row, numbered from 1: label and scores, or a score (interface: `predict`)."""
    if task.kind == "regression":
        yield from ({"row": row, "score": float(value)} for row, value in enumerate(logits[:, 0], 1))
        return
    for row, scores in enumerate(softmax(logits, axis=1), 1):
        by_class = {name: float(score) for name, score in zip(task.classes, scores, strict=True)}
        yield {"row": row, "label": task.classes[int(scores.argmax())], "scores": by_class}


def verdicts(logits: Float[np.ndarray, "row label"], task: Task) -> list[str | float]:
    """The bare answer per row: a class name or a score."""
    if task.kind == "regression":
        return [float(value) for value in logits[:, 0]]
    return [task.classes[index] for index in logits.argmax(axis=1)]


def gold(labels: np.ndarray, task: Task) -> list[str | float]:
    """Gold labels as `verdicts` would give them."""
    return [float(value) if task.kind == "regression" else task.classes[int(value)] for value in labels]
