"""A reward beside a twin: what an update did to the quality, minus what the same update does with all samples kept.

Of the change of the quality in an update the choice of samples explains a tenth; the rest is the batch's, whoever is
dropped. The twin starts from the same weights and moments, learns from the whole batch, and is measured as well; then
it is forgotten. A baseline that does not depend on the actions leaves the gradient of Eq. 15 what it is, but for its
noise.
"""

from collections.abc import Callable
from copy import deepcopy
from typing import Any, NamedTuple, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.optim import Optimizer

from tinybert.engine import optimise
from tinybert.engine.update import update_mode
from tinybert.families.network import Network
from tinybert.selectors.rewards import Reward
from tinybert.types import Batch, Objective, Stage, Trace


class _Learner(NamedTuple):
    """Weights and moments at a moment."""

    weights: list[Tensor]
    optimizer: dict[str, Any]


@final
class Paired(Reward):
    """See above; costs a second update of the student and two measurements."""

    def __init__(
        self,
        student: Network,
        objective: Objective,
        measure: Callable[[], float],
        stage: Stage,
        dtype: torch.dtype = torch.float32,
        every: int = 1,
    ) -> None:
        """Begin.

        Args:
            student: The network that learns.
            objective: What it learns.
            measure: The quality of the student as it is now; higher is better.
            stage: How it learns.
            dtype: In which it learns.
            every: Of so many updates one is rewarded; the others are rewarded with 0.
        """
        self._student, self._objective, self._measure = student, objective, measure
        self._stage, self._dtype, self._every = stage, dtype, every
        self._optimizer: Optimizer | None = None
        self._seen: list[tuple[int, Trace, Batch]] = []

    def before_update(self, optimizer: Optimizer, number: int) -> None:
        """Where the update is rewarded, remember where it starts."""
        self._optimizer, self._seen = (optimizer if number % self._every == 0 else None), []
        if self._optimizer is not None:
            self._start = _remembered(self._optimizer)

    def effects(self, teacher: Trace, batch: Batch) -> Float[Tensor, " batch"] | None:
        """Not known for one example; the batch is kept for the twin."""
        if self._optimizer is not None:
            self._seen.append((torch.initial_seed(), teacher, batch))
        return None

    def after_update(self, *, changed: bool) -> float:  # noqa: ARG002
        """The quality of the student minus that of its twin."""
        if self._optimizer is None:
            return 0.0
        end, self.quality = _remembered(self._optimizer), self._measure()
        _restore(self._optimizer, self._start)
        self._learn_all(self._optimizer)
        gained = self.quality - self._measure()
        _restore(self._optimizer, end)
        return gained

    def _learn_all(self, optimizer: Optimizer) -> None:
        """The same update with every sample kept, dropout included; what is drawn later does not depend on it."""
        optimizer.zero_grad(set_to_none=True)
        device, examples = self._student.device, sum(len(batch) for *_, batch in self._seen)
        with torch.random.fork_rng(), update_mode(device, self._dtype):
            for seed, teacher, batch in self._seen:
                torch.manual_seed(seed)
                shown = self._student.observe(batch, self._objective.needs_student)
                self._objective(shown, teacher, batch).sum().backward()
        optimise.step(optimizer, torch.tensor(float(examples), device=device), self._stage.clip)
        optimizer.zero_grad(set_to_none=True)


def _trained(optimizer: Optimizer) -> list[nn.Parameter]:
    return [weight for group in optimizer.param_groups for weight in group["params"]]


def _remembered(optimizer: Optimizer) -> _Learner:
    """Copies of all that a step of the optimizer changes."""
    return _Learner([weight.detach().clone() for weight in _trained(optimizer)], deepcopy(optimizer.state_dict()))


def _restore(optimizer: Optimizer, known: _Learner) -> None:
    for weight, value in zip(_trained(optimizer), known.weights, strict=True):
        weight.data.copy_(value)
    optimizer.load_state_dict(known.optimizer)
