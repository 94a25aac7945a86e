"""What a method is made of, abstract: objective, selector, augmenter."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from tinybert.types.batches import Batch
from tinybert.types.examples import Example
from tinybert.types.traces import Signal, Trace


class Objective(nn.Module, ABC):
    """What a student is trained on: one value per example; only the engine reduces.

    A module because some own a projection, which is trained with the student and never exported. Never holds a model.
    """

    needs_student: frozenset[Signal] = frozenset()
    needs_teacher: frozenset[Signal] = frozenset()

    @abstractmethod
    def terms(self, student: Trace, teacher: Trace, batch: Batch) -> dict[str, Float[Tensor, " batch"]]:
        """The named terms of the objective, each one value per example; their sum is the objective."""

    def forward(self, student: Trace, teacher: Trace, batch: Batch) -> Float[Tensor, " batch"]:
        """The sum of the terms.

        Raises:
            ValueError: If a trace lacks what is needed, or belongs to another batch.
        """
        student.require(self.needs_student, batch)
        teacher.require(self.needs_teacher, batch)
        return torch.stack(list(self.terms(student, teacher, batch).values())).sum(dim=0)


@runtime_checkable
class Selector(Protocol):
    """Chooses which examples of a batch count; the hooks of the loop."""

    needs_student: frozenset[Signal]
    needs_teacher: frozenset[Signal]

    def before_update(self, optimizer: torch.optim.Optimizer) -> None:
        """Called before the first `choose` of an update; again where an update has to be done over.

        Args:
            optimizer: Will make the update; not to be changed.
        """

    def choose(self, student: Trace, teacher: Trace, batch: Batch) -> Float[Tensor, " batch"]:
        """Weights in [0, 1], detached; hard selection gives 0 and 1."""

    def after_update(self) -> None:
        """Called after every update of the student."""

    def after_epoch(self) -> None:
        """Called after the last update of an epoch."""

    def state_dict(self) -> dict[str, Tensor]:
        """What a checkpoint must keep for an exact resume."""

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take back what `state_dict` gave."""


Stream = Callable[[int, int], np.random.Generator]  # from row and copy to the random stream of just that copy


@runtime_checkable
class Augmenter(Protocol):
    """Rewrites examples; given several at once because batching is where its speed comes from."""

    def __call__(self, examples: Sequence[Example], copies: int, stream: Stream) -> Iterator[Example]:
        """Yield copies 1 to `copies` of each example, in order; originals are not among them.

        A copy has its original's `row` and label, and is a function of the example and of `stream(row, copy)` only:
        which examples are given together changes speed, never contents.
        """
