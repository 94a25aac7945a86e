"""Selectors whose weights are known before anything is learnt: every example counts, or as much as it was said to."""

from abc import ABC, abstractmethod
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from tinybert.selectors.features import Facts, agreement
from tinybert.types import LOGITS, Batch, Signal, Trace


class Stateless(ABC):
    """A selector whose weights are known before anything is learnt; see `types.Selector`."""

    needs_student: frozenset[Signal] = frozenset()
    needs_teacher: frozenset[Signal] = frozenset()

    @abstractmethod
    def choose(self, student: Trace, teacher: Trace, batch: Batch) -> Float[Tensor, " batch"]:
        """Weights of the examples, on the device of the batch."""

    def before_update(self, optimizer: torch.optim.Optimizer) -> None:  # noqa: B027  # nothing is what it does
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
class Agreement(Stateless):
    """Keeps what the teacher says as the gold label does, and whatever has none: the rule that a policy has to beat."""

    needs_teacher = frozenset({LOGITS})

    def __init__(self, facts: Facts) -> None:
        """Keep the labels.

        Args:
            facts: Of all rows. The teacher of scores agrees where it errs by no more than a deviation of the gold
                scores, the error of one that always says their mean.
        """
        self._gold = facts.gold
        known = facts.gold[~facts.gold.isnan()]
        self._tolerance = float(known.std(correction=0)) if len(known) else 0.0

    def choose(self, student: Trace, teacher: Trace, batch: Batch) -> Float[Tensor, " batch"]:  # noqa: ARG002
        """Ones and zeros, on the device of the batch."""
        logits = teacher[LOGITS]
        found = agreement(logits, self._gold[batch.rows])
        return (found >= (-self._tolerance if logits.shape[1] == 1 else 0.0)).float()


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
