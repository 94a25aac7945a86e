"""How many pieces of a text are replaced, and which: P(d|x) P(o|d,x) of L2A's stationary distribution (Eq. 10, 11).

Any weight of the form C(m, d) rho^d makes d binomial with p = rho / (1 + rho), and choosing d of m positions with equal
chances then makes every position an independent coin. So log rho says it all: no sum is needed, and no power of the
vocabulary's size, of which (V - 1)^m overflows from m = 69 on.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from jaxtyping import Float, Int
from scipy.special import gammaln, logsumexp

Law = Literal["positions", "rescaled", "literal"]


def log_odds(alpha: float, vocabulary: int, law: Law) -> float:
    """Logarithm of rho: the odds of a position to be replaced.

    `positions`: a set of d positions weighs exp(-d / alpha). `literal`: that times (V - 1)^d, Eq. 11 as printed; it
    replaces nearly everything at any alpha. `rescaled`: as the code of RAML and ARAML has it, where a replacement costs
    1 + log(V - 1) instead of 1; below alpha = 1 it replaces nearly nothing, at 1 as much as `positions`.

    Args:
        alpha: Temperature; the larger, the more is replaced.
        vocabulary: V, the number of pieces; at least 3.
        law: Which of the three.

    Raises:
        ValueError: If alpha is not positive and finite, or the vocabulary leaves nothing to choose.

    Example:
        >>> from scipy.special import expit
        >>> [round(float(expit(log_odds(0.6, 30522, law))), 4) for law in ("positions", "rescaled", "literal")]
        [0.1589, 0.0002, 0.9998]
    """
    if not 0 < alpha < math.inf:
        raise ValueError(f"alpha must be positive and finite, got {alpha}")
    if vocabulary < 3:
        raise ValueError(f"a vocabulary of {vocabulary} pieces leaves nothing to choose")
    alternatives = math.log(vocabulary - 1)
    counted = {"positions": 0.0, "rescaled": (1 - 1 / alpha) * alternatives, "literal": alternatives}
    return -1 / alpha + counted[law]


@dataclass(frozen=True)
class EditDistance:
    """How many of m positions are replaced, and which; all sets of d positions are equally likely.

    Attributes:
        log_rho: See `log_odds`.
        min_edits: Fewer replacements do not occur: 1 rules out exact copies. Of a text with fewer positions all go.
    """

    log_rho: float
    min_edits: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if self.min_edits < 0:
            raise ValueError(f"min_edits must not be negative, got {self.min_edits}")

    def log_probabilities(self, positions: int) -> Float[np.ndarray, " distance"]:
        """Logarithm of P(d) for d = 0 to m.

        Args:
            positions: m, how many pieces may be replaced.
        """
        return _log_binomial(positions, self.log_rho, min(self.min_edits, positions))

    def log_probability(self, distance: int, positions: int) -> float:
        """Logarithm of P(d, o) for one set of d of m positions; minus infinity where it does not occur."""
        whole = self.log_probabilities(positions)[distance]
        return float(whole - _log_choices(positions)[distance])

    def draw(self, positions: int, rng: np.random.Generator) -> Int[np.ndarray, " chosen"]:
        """Draw which of m positions are replaced, in ascending order."""
        below = np.cumsum(np.exp(self.log_probabilities(positions)))
        distance = int(np.searchsorted(below, rng.random() * below[-1], side="right"))
        return np.sort(rng.permutation(positions)[:distance])

    def mean(self, positions: int) -> float:
        """E[d] of a text with m positions."""
        return float(np.exp(self.log_probabilities(positions)) @ np.arange(positions + 1))


def describe_distance(distance: EditDistance, lengths: Sequence[int] | Int[np.ndarray, " text"]) -> str:
    """In a line for people what a law means for some texts: how much is replaced, and how often nothing.

    Args:
        distance: The law.
        lengths: Of each text how many pieces may be replaced; at least one text.

    Example:
        >>> describe_distance(EditDistance(log_odds(0.6, 30522, "positions")), [10, 30])
        'of 20.0 pieces 3.2 are replaced (E[d], mean of 2 texts; 1.6 of 10, 4.8 of 30); P(d=0) = 0.091'
    """
    positions, texts = np.unique(np.asarray(lengths), return_counts=True)
    means = np.array([distance.mean(int(length)) for length in positions])
    nothing = np.exp([distance.log_probabilities(int(length))[0] for length in positions])
    pieces, replaced, never = (np.average(values, weights=texts) for values in (positions, means, nothing))
    ends = f"{means[0]:.2g} of {positions[0]}, {means[-1]:.2g} of {positions[-1]}"
    said = f"of {pieces:.1f} pieces {replaced:.2g} are replaced (E[d], mean of {texts.sum()} texts; {ends})"
    return f"{said}; P(d=0) = {never:.2g}"


@lru_cache(1024)
def _log_binomial(positions: int, log_rho: float, least: int) -> Float[np.ndarray, " distance"]:
    """Binomial(m, sigmoid(log rho)), given that d is at least `least`."""
    replaced = np.arange(positions + 1)
    log_p, log_rest = -np.logaddexp(0.0, -log_rho), -np.logaddexp(0.0, log_rho)
    logs: Float[np.ndarray, " distance"] = (
        _log_choices(positions) + replaced * log_p + (positions - replaced) * log_rest
    )
    if least > 0:
        logs[:least] = -np.inf
        logs -= logsumexp(logs)
    logs.flags.writeable = False  # it is shared
    return logs


@lru_cache(1024)
def _log_choices(positions: int) -> Float[np.ndarray, " distance"]:
    """Logarithm of C(m, d) for d = 0 to m."""
    replaced = np.arange(positions + 1)
    logs: Float[np.ndarray, " distance"] = (
        gammaln(positions + 1) - gammaln(replaced + 1) - gammaln(positions - replaced + 1)
    )
    logs.flags.writeable = False
    return logs
