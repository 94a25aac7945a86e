"""What L2A's policy is rewarded by: what an update does to the student's quality on validation data (Eq. 13).

The paper's reward is a difference: the quality after an update minus that before, one number for all that was done in
it. A reward may also know what each example did; see `stages.l2a.influence`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from math import isnan

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from torch.optim import Optimizer

from tinybert.types import Batch, Trace


class Reward(ABC):
    """What a policy is rewarded by.

    Attributes:
        quality: The last figure that was measured, higher is better; None before the first.
    """

    quality: float | None = None

    def before_update(self, optimizer: Optimizer, number: int) -> None:  # noqa: B027
        """Called before an update reads its batch; again where it is done over.

        Args:
            optimizer: Will make the update.
            number: Of the update in its episode, from 0.
        """

    def effects(self, teacher: Trace, batch: Batch) -> Float[Tensor, " batch"] | None:  # noqa: ARG002
        """What learning from each example would do to the quality, in any unit; None where that is not known."""
        return None

    @abstractmethod
    def after_update(self, *, changed: bool) -> float:
        """The reward of an update, by which the quality grew; `changed`: whether anything was kept."""

    def after_epoch(self) -> float | None:
        """What is still to be added to the last update's reward; None = nothing."""
        return None

    def state(self) -> Float[Tensor, " number"]:
        """What a checkpoint must keep."""
        return torch.tensor([torch.nan if self.quality is None else self.quality], dtype=torch.float64)

    def load_state(self, state: Float[Tensor, " number"]) -> None:
        """Take back what `state` gave."""
        self.quality = None if isnan(first := float(state[0])) else first


class Progress(Reward):
    """The quality after minus the quality before, carried from update to update."""

    def __init__(self, measure: Callable[[], float], every: int = 1) -> None:
        """Begin.

        Args:
            measure: The quality of the student as it is now; higher is better.
            every: Updates between measurements; the change in between is the reward of the last of them.
        """
        self._measure, self._every = measure, every
        self._changed, self._since = False, 0

    def before_update(self, optimizer: Optimizer, number: int) -> None:  # noqa: ARG002
        """Before the very first update, measure the student."""
        if self.quality is None:
            self.quality = self._measure()

    def after_update(self, *, changed: bool) -> float:
        """Measure where that is due."""
        self._changed, self._since = self._changed or changed, self._since + 1
        return self._improvement() if self._since == self._every else 0.0

    def after_epoch(self) -> float | None:
        """An episode ends with a measurement."""
        return self._improvement() if self._since > 0 else None

    def _improvement(self) -> float:
        """Not measured where nothing was learnt in between."""
        self._since = 0
        if not self._changed or self.quality is None:
            return 0.0
        before, self.quality, self._changed = self.quality, self._measure(), False
        return self.quality - before

    def state(self) -> Float[Tensor, " number"]:
        """The quality, and how far the window is."""
        return torch.cat([super().state(), torch.tensor([self._changed, self._since], dtype=torch.float64)])

    def load_state(self, state: Float[Tensor, " number"]) -> None:
        """Take back what `state` gave."""
        super().load_state(state)
        self._changed, self._since = bool(state[1]), int(state[2])


def within_classes(
    effects: Float[Tensor, " example"], teacher: Float[Tensor, "example label"]
) -> Float[Tensor, " example"]:
    """Effects but for what all examples of a class share, as the teacher sees classes; of scores, what all share.

    A student that leans to a class a little gains by whatever is of the other: the same news for every example of it,
    larger than what tells them apart, and no reason to drop a class.

    Example:
        >>> within_classes(torch.tensor([5.0, 7.0, -3.0]), torch.tensor([[2.0, 0.0], [1.0, 0.0], [0.0, 1.0]]))
        tensor([-1.,  1.,  0.])
    """
    same = F.one_hot(teacher.argmax(dim=1), teacher.shape[1]).to(effects.dtype)
    return effects - same @ ((effects @ same) / same.sum(dim=0).clamp(min=1))


def difference_rewards(
    weights: Float[Tensor, " example"], expected: Float[Tensor, " example"], effects: Float[Tensor, " example"]
) -> Float[Tensor, " example"]:
    """What each choice did: the effect of the update minus what it had been, had the example counted as expected.

    The effect of an update is the mean of the effects over what is kept, for so the loop divides. What is subtracted
    does not depend on the choice, so that the gradient of Eq. 15 stays what it is, but for its noise (Wolpert and Tumer
    2001, difference rewards; Foerster et al. 2018, counterfactual baselines).

    Args:
        weights: How much each example counted.
        expected: How much the policy lets it count on average.
        effects: Of learning from each alone.

    Example:
        >>> kept = torch.tensor([1.0, 1.0, 0.0])
        >>> difference_rewards(kept, torch.full((3,), 0.5), torch.tensor([3.0, 1.0, 5.0]))
        tensor([ 0.3333, -0.3333, -0.6000])
    """
    kept, total = weights.sum(), (weights * effects).sum()
    change = expected - weights
    others = (total + change * effects) / (kept + change).clamp(min=1e-12)
    return total / kept.clamp(min=1e-12) - others
