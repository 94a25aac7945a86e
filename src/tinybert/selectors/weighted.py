"""Weights that are known before anything is learnt: each row counts as much as it was said to."""

from typing import final

from jaxtyping import Float
from torch import Tensor

from tinybert.selectors.stateless import Stateless
from tinybert.types import Batch, Trace


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
