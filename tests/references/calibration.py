"""Calibration in plain loops, and a temperature by trying many."""

import math
from collections.abc import Sequence


def softened(logits: Sequence[float], temperature: float) -> list[float]:
    """Probabilities."""
    powers = [math.exp((logit - max(logits)) / temperature) for logit in logits]
    return [power / sum(powers) for power in powers]


def loss(logits: Sequence[Sequence[float]], gold: Sequence[int], temperature: float) -> float:
    """Cross-entropy of decisions whose right option counts n + 1 of n + k times, and each other one once."""
    n, k, total = len(logits), len(logits[0]), 0.0
    for row, right in zip(logits, gold, strict=True):
        for option, share in enumerate(softened(row, temperature)):
            total -= ((n + 1) if option == right else 1) / (n + k) * math.log(share)
    return total / n


def calibration_error(logits: Sequence[Sequence[float]], gold: Sequence[int], bins: int) -> float:
    """Over bins: the share of decisions in it, times how far their mean confidence is from their accuracy."""
    found: dict[int, list[tuple[float, bool]]] = {}
    for row, right in zip(logits, gold, strict=True):
        sure = softened(row, 1.0)
        top = max(range(len(row)), key=lambda option: sure[option])
        found.setdefault(min(int(sure[top] * bins), bins - 1), []).append((sure[top], top == right))
    apart = 0.0
    for members in found.values():
        confidence = sum(sure for sure, _ in members) / len(members)
        accuracy = sum(right for _, right in members) / len(members)
        apart += len(members) / len(logits) * abs(confidence - accuracy)
    return apart
