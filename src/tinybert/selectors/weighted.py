"""Weights that are known before anything is learnt: each row counts as much as it was said to."""

from typing import final

from jaxtyping import Float
from torch import Tensor

from tinybert.types import Batch, Signal, Trace


@final
class Weighted:
    """Fixed weights; looks at nothing, learns nothing, keeps no state.

    The loop divides by the sum of the weights of a batch, so that only their ratios within it matter.
    """

    needs_student: frozenset[Signal] = frozenset()
    needs_teacher: frozenset[Signal] = frozenset()

    def __init__(self, weights: Float[Tensor, " row"]) -> None:
        """Keep the weights.

        Args:
            weights: Of every row, not negative.
        """
        self._weights = weights

    def before_update(self) -> None:
        """Nothing to prepare."""

    def choose(self, student: Trace, teacher: Trace, batch: Batch) -> Float[Tensor, " batch"]:  # noqa: ARG002
        """The weights of the batch's rows."""
        return self._weights.to(batch.rows.device)[batch.rows]

    def after_update(self) -> None:
        """Nothing to record."""

    def after_epoch(self) -> None:
        """Nothing to improve."""

    def state_dict(self) -> dict[str, Tensor]:
        """Nothing to keep."""
        return {}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take back nothing."""
