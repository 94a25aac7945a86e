"""Selectors whose weights are known before anything is learnt: every example counts, or as much as it was said to."""

from abc import ABC, abstractmethod
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from tinybert.types import Batch, Signal, Trace


class Stateless(ABC):
    """A selector whose weights are known before anything is learnt; see `types.Selector`."""

    needs_student: frozenset[Signal] = frozenset()
    needs_teacher: frozenset[Signal] = frozenset()

    @abstractmethod
    def choose(self, student: Trace, teacher: Trace, batch: Batch) -> Float[Tensor, " batch"]:
        """Weights of the examples, on the device of the batch."""

    def before_update(self) -> None:  # noqa: B027  # nothing is what it does
        """Nothing to prepare."""

    def after_update(self) -> None:  # noqa: B027
        """Nothing to record."""

    def after_epoch(self) -> None:  # noqa: B027
        """Nothing to improve."""

    def state_dict(self) -> dict[str, Tensor]:
        """Nothing to keep."""
        return {}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take back nothing.

        Raises:
            ValueError: If there is something, which then belongs to another selector.
        """
        if state:
            raise ValueError(f"this selector has no state, but the checkpoint holds {', '.join(sorted(state))}")


@final
class KeepAll(Stateless):
    """The selector of recipes that do not select: weight one for every example."""

    def choose(self, student: Trace, teacher: Trace, batch: Batch) -> Float[Tensor, " batch"]:  # noqa: ARG002
        """Ones, on the device of the batch."""
        return torch.ones(len(batch), device=batch.rows.device)


@final
class Weighted(Stateless):
    """Fixed weights; the loop divides by their sum in a batch, so that only their ratios there matter."""

    def __init__(self, weights: Float[Tensor, " row"]) -> None:
        """Keep the weights.

        Args:
            weights: Of every row, not negative.
        """
        self._weights = weights

    def choose(self, student: Trace, teacher: Trace, batch: Batch) -> Float[Tensor, " batch"]:  # noqa: ARG002
        """The weights of the batch's rows."""
        return self._weights.to(batch.rows.device)[batch.rows]
