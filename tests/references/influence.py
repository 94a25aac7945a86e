"""What an example does to the loss on dev, by the gradient of each example alone (Eq. 13 to first order)."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn


def influences(
    network: nn.Module,
    losses: Callable[[], Tensor],
    reward_loss: Callable[[], Tensor],
    moments: Callable[[Tensor], Tensor],
) -> list[float]:
    """v · P g_i for each example i, one backward pass for each; P v has deviation 1 over all weights."""
    weights = list(network.parameters())
    slopes = [_gradient(reward_loss(), weights)]
    slopes += [_gradient(loss, weights) for loss in losses()]
    second = [moments(weight) for weight in weights]
    direction = [v / (m + m.mean()).sqrt() for v, m in zip(slopes[0], second, strict=True)]
    entries = torch.cat([part.flatten() for part in direction])
    deviation = float(entries.square().mean().sqrt())
    return [sum(float((d * g).sum()) for d, g in zip(direction, own, strict=True)) / deviation for own in slopes[1:]]


def difference_rewards(weights: Sequence[float], expected: Sequence[float], effects: Sequence[float]) -> list[float]:
    """The mean effect over what was kept, minus that mean with one example counting as much as expected."""

    def mean(counted: Sequence[float]) -> float:
        total = sum(counted)
        return sum(w * e for w, e in zip(counted, effects, strict=True)) / total if total > 0 else 0.0

    return [mean(weights) - mean([*weights[:i], expected[i], *weights[i + 1 :]]) for i in range(len(weights))]


def within_classes(effects: Sequence[float], classes: Sequence[int]) -> list[float]:
    """Each effect minus the mean of those of its class."""

    def mean(of: int) -> float:
        own = [effect for effect, known in zip(effects, classes, strict=True) if known == of]
        return sum(own) / len(own)

    return [effect - mean(of) for effect, of in zip(effects, classes, strict=True)]


def _gradient(loss: Tensor, weights: Sequence[Tensor]) -> list[Tensor]:
    found = torch.autograd.grad(loss, weights, retain_graph=True, allow_unused=True)
    return [torch.zeros_like(w) if g is None else g for w, g in zip(weights, found, strict=True)]
