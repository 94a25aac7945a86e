"""A reward for each example: its influence, the first-order term of what an update does to the loss on dev.

An update moves the weights by -lr P g, with g the mean gradient of what is kept and P the optimizer's preconditioner;
to first order the loss on the reward rows falls by lr times the mean of v · P g_i over the kept examples i, v being its
own gradient. v · P g_i is the slope of example i's loss along d = P v, so that two forward passes of the batch, at
theta + eps d and theta - eps d, give it for all examples at once. Learning to reweight (Ren et al. 2018,
arXiv:1803.09050), DDS (Wang et al. 2020, arXiv:1911.10088) and TracIn (Pruthi et al. 2020, arXiv:2002.08484) rank
examples by the same product; P beside them, since Adam's steps are not along gradients.
"""

import math
from collections.abc import Mapping
from functools import cached_property
from typing import final

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.optim import Optimizer

from tinybert.data.batches import by_length
from tinybert.families.network import Network
from tinybert.models.inference import evaluation_mode
from tinybert.selectors.rewards import Reward
from tinybert.types import LOGITS, NO_TRACE, Batch, Objective, Rows, Signal, Trace

ROWS_AT_ONCE = 64
STEP = 1e-4  # deviation of the weights' changes: about an update's; the slope is then exact to a thousandth
Weights = Mapping[str, Tensor]


class _Observed(nn.Module):
    """A network whose forward pass is `observe`, for `functional_call`."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, batch: Batch, needs: frozenset[Signal]) -> Trace:
        return self.network.observe(batch, needs)


@final
class Influence(Reward):
    """See above; the quality is minus the loss, calibrated, which is measured beside it."""

    def __init__(self, student: Network, objective: Objective, gold: Objective, rows: Rows, every: int = 1) -> None:
        """Begin.

        Args:
            student: The network that learns; on the device of what it learns from.
            objective: What it learns.
            gold: Learning from gold labels, from logits.
            rows: The rewards' part of dev, with labels.
            every: Of so many updates one is rewarded; for the others nothing is computed.
        """
        self._student, self._objective, self._gold, self._rows, self._every = student, objective, gold, rows, every
        self._direction: Weights | None = None
        self._before = self.quality

    def before_update(self, optimizer: Optimizer, number: int) -> None:
        """Where the update is rewarded, find the direction in which the quality grows fastest by an update's measure.

        The very first update has no preconditioner yet, and no reward. After one that was skipped there is none either,
        and the direction is that of the plain gradient.
        """
        due = number % self._every == 0 and len(optimizer.state) > 0
        self._direction = self._preconditioned(self._gradient(), optimizer) if due else None

    def effects(self, teacher: Trace, batch: Batch) -> Float[Tensor, " batch"] | None:
        """The influence of each example; positive is good."""
        if self._direction is None:
            return None
        ahead, back = (self._losses(sign * STEP, teacher, batch) for sign in (1.0, -1.0))
        return (ahead - back) / (2 * STEP)

    def after_update(self, *, changed: bool) -> float:  # noqa: ARG002
        """What the quality has grown by since it was measured last; nothing is learnt from it."""
        before, self._before = self._before, self.quality
        return 0.0 if before is None or self.quality is None else self.quality - before

    def load_state(self, state: Float[Tensor, " number"]) -> None:
        """Take back what `state` gave."""
        super().load_state(state)
        self._before = self.quality

    def _losses(self, step: float, teacher: Trace, batch: Batch) -> Float[Tensor, " batch"]:
        """What the examples lose where the weights are moved along the direction; in float32 and without dropout."""
        assert self._direction is not None
        with evaluation_mode(self._student) as student:
            moved = {
                f"network.{name}": weight + step * self._direction[name]
                for name, weight in student.named_parameters()
                if name in self._direction
            }
            needs = self._objective.needs_student
            shown = torch.func.functional_call(_Observed(student), moved, (batch, needs))
            losses: Tensor = self._objective(shown, teacher, batch)
        return losses.float()

    def _gradient(self) -> Weights:
        """Of the loss on the reward rows by the student's weights, where it has one."""
        with evaluation_mode(self._student) as student:
            logits = [student.observe(batch, frozenset({LOGITS}))[LOGITS] for batch in self._batches]
            scale, bias = calibration(torch.cat(logits), self._gold, self._batches)
            named = dict(student.named_parameters())
            total = {name: torch.zeros_like(weight) for name, weight in named.items()}
            lost = []
            for batch in self._batches:
                with torch.enable_grad():
                    shown = student.observe(batch, frozenset({LOGITS}))[LOGITS]
                    loss = self._gold(Trace({LOGITS: shown * scale + bias}), NO_TRACE, batch).sum() / len(self._rows)
                    found = torch.autograd.grad(loss, list(named.values()), allow_unused=True)
                lost.append(loss.detach())
                for name, gradient in zip(named, found, strict=True):
                    if gradient is not None:
                        total[name] += gradient
        self.quality = -sum(torch.stack(lost).tolist())
        return total

    def _preconditioned(self, gradient: Weights, optimizer: Optimizer) -> Weights:
        """P v, scaled to deviation 1.

        A piece that no batch has shown yet has second moments of 0, and its share would be all of it: they are damped
        by the mean of their matrix.
        """
        found = {}
        for name, weight in self._student.named_parameters():
            if "exp_avg_sq" in (state := optimizer.state.get(weight, {})):
                moments = state["exp_avg_sq"]
                found[name] = gradient[name] / (moments + moments.mean()).sqrt().clamp(min=1e-12)
        size = sum(torch.stack([part.square().sum() for part in found.values()]).tolist()) ** 0.5
        count = sum(part.numel() for part in found.values())
        return {name: part * (count**0.5 / max(size, 1e-12)) for name, part in found.items()}

    @cached_property
    def _batches(self) -> list[Batch]:
        """The reward rows, on the student's device."""
        parts = by_length(self._rows.lengths, ROWS_AT_ONCE)
        return [self._rows.batch(part).to(self._student.device) for part in parts]


def calibration(
    logits: Float[Tensor, "row label"], gold: Objective, batches: list[Batch]
) -> tuple[Float[Tensor, ""], Float[Tensor, " label"]]:
    """The scale (one over the temperature) and the bias by which logits fit gold labels best.

    A student of a weak teacher is too sure, or leans to a class; without this the direction in which its loss falls is
    to be less sure, and examples are rewarded for their doubt. Fitted by L-BFGS, under a standard normal prior, which
    keeps rows that are all right from asking for no doubt at all. A student that has hardly begun has logits of some
    hundredths: the scale is one of logits of deviation 1, and `steepness` of what is fitted, which cannot overflow.

    Args:
        logits: Of the rows of the batches, in their order; not changed.
        gold: Learning from gold labels, from logits.
        batches: With labels.

    Returns:
        Scale and bias, without gradient.
    """
    deviation = logits.detach().double().std().clamp(min=1e-6)
    known, sizes = logits.detach().double() / deviation, [len(batch) for batch in batches]
    with torch.enable_grad():
        free = known.new_zeros(1 + known.shape[1], requires_grad=True)
        optimizer = torch.optim.LBFGS([free], max_iter=20, line_search_fn="strong_wolfe")

        def loss() -> float:
            fitted = torch.split(known * steepness(free[0]) + free[1:], sizes)
            told = zip(fitted, batches, strict=True)
            total = sum((gold(Trace({LOGITS: part}), NO_TRACE, batch).sum() for part, batch in told), start=prior(free))
            (free.grad,) = torch.autograd.grad(total, free)
            return float(total.detach())

        optimizer.step(loss)  # type: ignore[no-untyped-call]
    scale = steepness(free.detach()[0]) / deviation
    return scale.to(logits.dtype), free.detach()[1:].to(logits.dtype)


def steepness(free: Float[Tensor, ""]) -> Float[Tensor, ""]:
    """A positive number for any: 1 for 0, and growing with it by no more than a line does.

    Example:
        >>> steepness(torch.zeros(())), steepness(torch.tensor(900.0)) < 1300
        (tensor(1.), tensor(True))
    """
    return F.softplus(free) / math.log(2)


def prior(free: Float[Tensor, " number"]) -> Float[Tensor, ""]:
    """Minus the logarithm of a standard normal density, but for a constant."""
    return free.square().sum() / 2
