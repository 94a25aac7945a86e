"""Linear models of scikit-learn's, as the weights and biases of a head."""

from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Shaped
from sklearn.linear_model import LogisticRegression, Ridge

Weights = tuple[Float[np.ndarray, "output feature"], Float[np.ndarray, " output"]]

_NEVER = 30.0  # how far from 0 the logit of a label stays that no text has, or each
_UPDATES = 1000  # of the solver at most


def linear_model(
    features: Any, labels: Shaped[np.ndarray, "text ..."], outputs: int, strength: float, balanced: bool
) -> Weights:
    """Weights and biases whose logits fit some labels best, those of a ridge or of logistic regressions.

    Args:
        features: A sparse matrix, a row for each text.
        labels: A score for each text, a class, or 0 and 1 for each of several labels (one regression each).
        outputs: How many logits there are; a class that no text has gets one that is never the largest.
        strength: Of the labels against the squares of the weights: C, and 1 / alpha.
        balanced: Rare classes count more.
    """
    if np.issubdtype(labels.dtype, np.floating):
        ridge = Ridge(alpha=1 / strength).fit(features, labels)
        return ridge.coef_[None], np.array([ridge.intercept_])
    weight: Literal["balanced"] | None = "balanced" if balanced else None
    if labels.ndim == 2:
        each = [_classes(features, column, 2, strength, weight) for column in labels.T]
        return np.stack([w[1] - w[0] for w, _ in each]), np.array([b[1] - b[0] for _, b in each])
    return _classes(features, labels, outputs, strength, weight)


def _classes(features: Any, labels: Any, outputs: int, strength: float, weight: str | None) -> Weights:
    """Of one logistic regression; of two classes both logits are half of its decision, with opposite signs."""
    found = np.unique(labels)
    weights, biases = np.zeros((outputs, features.shape[1])), np.full(outputs, -_NEVER)
    if len(found) == 1:
        biases[found] = _NEVER
        return weights, biases
    model = LogisticRegression(C=strength, class_weight=weight, max_iter=_UPDATES).fit(features, labels)
    halves = np.array([[-0.5], [0.5]]) if len(found) == 2 else np.ones((1, 1))
    weights[found], biases[found] = halves * model.coef_, halves[:, 0] * model.intercept_
    return weights, biases
