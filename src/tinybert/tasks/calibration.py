"""Scores that mean something: of all answers given with 80 % confidence, 80 % should be right (Guo et al. 2017).

A temperature, by which all logits are divided, changes no answer, only how sure it is (arXiv:1706.04599).
"""

from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

BINS: Final = 15  # of equal width, as in the paper
_LARGEST: Final = 20.0


class Decisions(NamedTuple):
    """Choices between options: classes of texts, tags of words, whether a label holds.

    Attributes:
        logits: Of a model.
        gold: The right options.
    """

    logits: Float[np.ndarray, "decision option"]
    gold: Int[np.ndarray, " decision"]


def fitted_temperature(known: Decisions) -> float:
    """The temperature at which the right options are likeliest.

    Of n decisions between k options the right one counts (n + 1) / (n + k), as if each option had been right once more:
    otherwise a model that is right on all of few rows would be called certain (Platt 1999, for two classes).
    """
    n, options = known.logits.shape
    wanted = np.full((n, options), 1 / (n + options))
    wanted[np.arange(n), known.gold] = (n + 1) / (n + options)

    def loss(logarithm: float) -> float:
        return float(-(wanted * log_softmax(known.logits / np.exp(logarithm), axis=1)).sum(axis=1).mean())

    reach = float(np.log(_LARGEST))
    return float(np.exp(minimize_scalar(loss, bounds=(-reach, reach), method="bounded").x))


def calibration_error(known: Decisions) -> float:
    """Expected calibration error: how far confidence and accuracy are apart, the mean over decisions, in bins."""
    sure = softmax(known.logits, axis=1)
    confidence, right = sure.max(axis=1), sure.argmax(axis=1) == known.gold
    bins = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    apart = np.bincount(bins, weights=confidence - right, minlength=BINS)
    return float(np.abs(apart).sum() / len(bins))
