"""REINFORCE in plain loops and autograd by hand: what L2A's policy should be after an episode (Eq. 13 to 15)."""

import math
from collections.abc import Sequence


def returns(rewards: Sequence[float], gamma: float) -> list[float]:
    """Each return as the sum it is defined as."""
    return [sum(gamma**k * rewards[t + k] for k in range(len(rewards) - t)) for t in range(len(rewards))]


def advantages(found: Sequence[float]) -> list[float]:
    """Standardised over the episode."""
    mean = sum(found) / len(found)
    deviation = math.sqrt(sum((value - mean) ** 2 for value in found) / len(found))
    return [(value - mean) / deviation for value in found]


def slope(logit: float, action: float) -> float:
    """Derivative of log pi(a|s) by the logit of pi(1|s)."""
    return action - 1 / (1 + math.exp(-logit))


def entropy_slope(logit: float) -> float:
    """Derivative of the entropy of keeping by the logit: -p (1 - p) logit."""
    keep = 1 / (1 + math.exp(-logit))
    return -keep * (1 - keep) * logit


def soft_entropy(logits: Sequence[float]) -> float:
    """Entropy of the softmax of some logits."""
    total = sum(math.exp(value) for value in logits)
    shares = [math.exp(value) / total for value in logits]
    return -sum(share * math.log(share) for share in shares)
