"""One update: the gradient of the mean over the kept examples of a whole global batch.

Sums are accumulated over micro-batches and ranks, and divided once by the number kept before clipping. So neither the
number of micro-batches nor that of ranks, nor how unevenly a selector keeps, changes what is learnt.

In a process by itself nothing here asks the device for a number, or the program would wait for it in every update;
`Learner.read` asks, now and then, for the sums of several updates.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from signal import SIGINT, SIGTERM
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from tinybert.engine import optimise
from tinybert.engine.dropout import quick_dropout
from tinybert.engine.graphs import MULTIPLE
from tinybert.engine.learner import Learner, Unread
from tinybert.errors import ResourceError
from tinybert.types import NO_TRACE, Batch, Rows, Signal, Trace

_STOPS = (int(SIGTERM), int(SIGINT))


@runtime_checkable
class Observed(Protocol):
    """A teacher, or its stored outputs."""

    @property
    def waited_for(self) -> bool:
        """Whether a program that asks it may wait until a device has done all that it was told before."""

    def observe(self, batch: Batch, needs: frozenset[Signal]) -> Trace:
        """What the teacher shows for a batch."""


def update(learner: Learner, teacher: Observed | None, rows: Rows, indices: Int[np.ndarray, " batch"]) -> None:
    """Make one update, and leave its sums to be read."""
    started = time.monotonic()
    learner.student.train()
    rate = optimise.learning_rate(learner.now.step, learner.steps, learner.stage)
    sums = _replayed(learner, teacher, rows, indices, rate)
    if sums is None:
        optimise.set_learning_rate(learner.optimizer, rate)  # before a selector looks at the optimizer
        sums = _gradients(learner, teacher, rows, indices)
        sums["norm"] = optimise.step(learner.optimizer, sums["kept"], learner.stage.clip)
    learner.optimizer.zero_grad(set_to_none=True)
    learner.now.step += 1
    learner.unread.append(Unread(learner.now.step, rate, indices, sums))
    learner.now.seconds += time.monotonic() - started


def _replayed(
    learner: Learner, teacher: Observed | None, rows: Rows, indices: Int[np.ndarray, " batch"], rate: float
) -> dict[str, Tensor] | None:
    """The whole update as one piece of work for the device, see `graphs`; None where that is not done."""
    if learner.recordings is None or learner.now.splits > 1 or len(indices) < learner.stage.batch_size:
        return None

    def work(batch: Batch) -> dict[str, Tensor]:
        sums = _part(learner, teacher, batch)
        return sums | {"norm": optimise.step(learner.optimizer, sums["kept"], learner.stage.clip)}

    torch.manual_seed(learner.run.seed_for(learner.artifact.name, learner.now.step, 0, 0))
    optimise.set_learning_rate(learner.optimizer, rate)
    return learner.recordings.sums(_batch(learner, rows, indices), work)


def _gradients(
    learner: Learner, teacher: Observed | None, rows: Rows, indices: Int[np.ndarray, " batch"]
) -> dict[str, Tensor]:
    """Sum the gradients of the global batch; where a micro-batch does not fit the GPU, halve them all and redo."""
    while True:
        learner.selector.before_update(learner.optimizer)
        try:
            sums = _forward_backward(learner, teacher, rows, indices)
            break
        except torch.OutOfMemoryError as error:
            if learner.stage.accumulate * learner.now.splits >= len(indices):
                raise ResourceError("not even one example fits the GPU's memory; make rows shorter") from error
            learner.optimizer.zero_grad(set_to_none=True)
            learner.now.splits *= 2
            name = learner.artifact.name
            learner.run.log.say(f"{name}: out of GPU memory; micro-batches are halved, the global batch stays")
    optimise.sum_gradients_over_ranks(learner.trained.values(), learner.run.world)
    return sums


def _forward_backward(
    learner: Learner, teacher: Observed | None, rows: Rows, indices: Int[np.ndarray, " batch"]
) -> dict[str, Tensor]:
    """Forward and backward of this rank's share, micro-batch by micro-batch."""
    run, name = learner.run, learner.artifact.name
    totals: dict[str, Tensor] = {key: torch.zeros((), device=run.device) for key in ("kept", "loss")}
    parts = min(learner.stage.accumulate * learner.now.splits, len(indices))
    for number, part in enumerate(np.array_split(indices, parts)):
        mine = part[run.rank :: run.world]
        if len(mine) == 0:
            continue
        torch.manual_seed(run.seed_for(name, learner.now.step, number, run.rank))
        sums = _part(learner, teacher, _batch(learner, rows, mine))
        totals |= {key: totals.get(key, torch.zeros_like(value)) + value for key, value in sums.items()}
    return _over_ranks(learner, totals)


def _batch(learner: Learner, rows: Rows, indices: Int[np.ndarray, " batch"]) -> Batch:
    """Some rows on the device; where updates are recorded, of one of few lengths."""
    multiple = MULTIPLE if learner.run.settings.graphs else 1
    return rows.batch(indices, multiple).to(learner.run.device)


def _part(learner: Learner, teacher: Observed | None, batch: Batch) -> dict[str, Tensor]:
    """Forward and backward of one micro-batch; its sums over what was kept."""
    weights, terms = _look(learner, teacher, batch)
    loss = (weights * torch.stack(list(terms.values())).sum(dim=0)).sum()
    loss.backward()  # type: ignore[no-untyped-call]
    sums = {"kept": weights.sum(), "loss": loss.detach()}
    return sums | {term: (weights * values.detach()).sum() for term, values in terms.items()}


def _look(
    learner: Learner, teacher: Observed | None, batch: Batch
) -> tuple[Float[Tensor, " batch"], dict[str, Float[Tensor, " batch"]]]:
    """Both networks read the batch; the selector chooses; the objective gives its terms, one value per example."""
    objective, selector, dtype = learner.objective, learner.selector, learner.run.student_dtype
    needs = objective.needs_teacher | selector.needs_teacher
    batch = batch if learner.masker is None else learner.masker(batch)
    shown = NO_TRACE if teacher is None else teacher.observe(batch, needs)
    with update_mode(learner.run.device, dtype):
        answer = learner.student.observe(batch, objective.needs_student | selector.needs_student)
        return selector.choose(answer, shown, batch), objective.terms(answer, shown, batch)


@contextmanager
def update_mode(device: torch.device, dtype: torch.dtype) -> Iterator[None]:
    """Inside, a student reads batches as it does in an update: in a type, and with quick dropout on processors."""
    with torch.autocast(device.type, dtype, enabled=dtype != torch.float32), quick_dropout(device):
        yield


def _over_ranks(learner: Learner, totals: dict[str, Tensor]) -> dict[str, Tensor]:
    """Sums over all ranks; and whether one of them was asked to stop."""
    if learner.run.world == 1:
        return totals
    sums = torch.stack(list(totals.values()))
    stops = torch.tensor([float(learner.run.stop_signal == number) for number in _STOPS], device=sums.device)
    # A rank that had no row in this update does not know the terms' names; the first rank always has one.
    unknown = sums.new_zeros(_number_of_sums(learner, sums) - len(sums))
    joint = torch.cat([stops, sums, unknown])
    torch.distributed.all_reduce(joint)
    learner.stopping = next((n for n, asked in zip(_STOPS, joint.tolist(), strict=False) if asked), 0)
    return dict(zip(totals, joint[len(_STOPS) :], strict=False))


def _number_of_sums(learner: Learner, sums: Tensor) -> int:
    """How many sums the first rank has; asked once a stage."""
    if learner.sums == 0:
        number = torch.tensor(len(sums), device=sums.device)
        torch.distributed.broadcast(number, 0)
        learner.sums = int(number)
    return learner.sums
