"""Learning the direction of hidden states: the cosine term of DistilBERT (Sanh et al. 2019, arXiv:1910.01108).

The authors' code takes the mean over all real pieces of a batch together, so that long texts weigh more. Here each
example has its own mean.
"""

from typing import final

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from tinybert.objectives.numerics import at_least_float32, require_same_shape
from tinybert.types import Batch, Objective, Signal, Trace


def cosine_distance(
    student: Float[Tensor, "batch seq width"],
    teacher: Float[Tensor, "batch seq teacher_width"],
    real: Bool[Tensor, "batch seq"],
) -> Float[Tensor, " batch"]:
    """1 - cos(student, teacher), averaged over real pieces.

    Args:
        student: Hidden states of one student layer.
        teacher: Those of the teacher layer it learns from; the same width, since no projection is learnt.
        real: True where a piece is not padding, at least once per example; padding does not count, whatever is in it.

    Returns:
        One value per example, from 0, when all directions agree, to 2.

    Raises:
        ValueError: If the shapes differ.

    Example:
        >>> states = torch.ones(2, 5, 4)
        >>> cosine_distance(states, torch.stack([7 * states[0], -states[1]]), torch.ones(2, 5, dtype=torch.bool))
        tensor([0., 2.])
    """
    require_same_shape("the hidden states", student, teacher)
    # Padding is set to ones before anything is divided, so that no NaN comes into the gradient.
    ours, theirs = (torch.where(real[:, :, None], at_least_float32(states), 1.0) for states in (student, teacher))
    gap = 1 - F.cosine_similarity(ours, theirs, dim=2)
    return torch.where(real, gap, 0.0).sum(dim=1) / real.sum(dim=1)


@final
class CosineDistance(Objective):
    """Term `cosine`: hidden states of a student layer point where those of a teacher layer do."""

    def __init__(self, student_layer: int, teacher_layer: int) -> None:
        """Keep the layers.

        Args:
            student_layer: The layer that learns; DistilBERT takes the last.
            teacher_layer: The layer it learns from; DistilBERT takes the last.

        Raises:
            ValueError: If there is no such layer.
        """
        super().__init__()
        self._ours, self._theirs = Signal("hidden_states", student_layer), Signal("hidden_states", teacher_layer)
        self.needs_student, self.needs_teacher = frozenset({self._ours}), frozenset({self._theirs})

    def terms(self, student: Trace, teacher: Trace, batch: Batch) -> dict[str, Float[Tensor, " batch"]]:
        """The mean cosine distance of each example."""
        return {"cosine": cosine_distance(student[self._ours], teacher[self._theirs], batch.real)}
