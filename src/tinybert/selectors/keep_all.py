"""The selector of recipes that do not select: every example counts."""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from tinybert.types import Batch, Signal, Trace


@final
class KeepAll:
    """Weight one for every example; looks at nothing, learns nothing, keeps no state."""

    needs_student: frozenset[Signal] = frozenset()
    needs_teacher: frozenset[Signal] = frozenset()

    def before_update(self) -> None:
        """Nothing to prepare."""

    def choose(self, student: Trace, teacher: Trace, batch: Batch) -> Float[Tensor, " batch"]:  # noqa: ARG002
        """Ones, on the device of the batch."""
        return torch.ones(len(batch), device=batch.rows.device)

    def after_update(self) -> None:
        """Nothing to record."""

    def after_epoch(self) -> None:
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
            raise ValueError(f"keep_all has no state, but the checkpoint holds {', '.join(sorted(state))}")
