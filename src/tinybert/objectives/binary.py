"""Learning an output layer whose labels are decided one by one: several of them, or none, may hold of one text.

Each label is a yes-or-no question of its own, so the loss of an example is the mean over its labels, as
BCEWithLogitsLoss, which transformers trains `multi_label_classification` with, has it.
"""

from typing import final

import torch
import torch.nn.functional as F
from jaxtyping import Float, Shaped
from torch import Tensor

from tinybert.objectives.numerics import at_least_float32, require_same_shape
from tinybert.objectives.prediction import SoftTargets, require_usable_temperature
from tinybert.types import LOGITS, Batch, Objective, Trace


def binary_cross_entropy(
    logits: Float[Tensor, "batch label"], targets: Shaped[Tensor, "batch target"]
) -> Float[Tensor, " batch"]:
    """Mean over the labels of -t log σ(z) - (1 - t) log(1 - σ(z)).

    Args:
        logits: Scores of the labels, before the sigmoid.
        targets: How true each label is, 0 to 1; whole numbers are taken too.

    Returns:
        One non-negative value per example, in nats per label.

    Raises:
        ValueError: If there is not one target per logit.

    Example:
        >>> binary_cross_entropy(torch.zeros(1, 3), torch.tensor([[1, 0, 1]])).exp()
        tensor([2.])
    """
    require_same_shape("the logits", logits, targets)
    logits = at_least_float32(logits)
    return F.binary_cross_entropy_with_logits(logits, targets.to(logits.dtype), reduction="none").mean(dim=1)


def soft_binary_cross_entropy(
    student_logits: Float[Tensor, "batch label"],
    teacher_logits: Float[Tensor, "batch teacher_label"],
    temperature: float = 1.0,
) -> Float[Tensor, " batch"]:
    """The same with the teacher's probabilities for targets, both sides softened by the temperature.

    Hinton et al. 2015 (arXiv:1503.02531) for two classes, label by label. Not multiplied by t².

    Args:
        student_logits: Scores of the student's labels, before the sigmoid.
        teacher_logits: Scores of the same labels by the teacher.
        temperature: Above 1 draws all probabilities towards one half, below 1 away from it.

    Returns:
        One value per example, in nats per label; the teacher's mean entropy where the two agree, never less.

    Raises:
        ValueError: If the labels differ, or the temperature is not positive and finite.

    Example:
        >>> soft_binary_cross_entropy(torch.zeros(1, 2), torch.tensor([[5.0, -5.0]])).exp()
        tensor([2.])
    """
    require_usable_temperature(temperature)
    require_same_shape("the logits", student_logits, teacher_logits)
    targets = torch.sigmoid(at_least_float32(teacher_logits) / temperature)
    return binary_cross_entropy(at_least_float32(student_logits) / temperature, targets)


@final
class GoldBinaryCrossEntropy(Objective):
    """Term `gold`: every label learns whether it holds; needs no teacher."""

    def __init__(self) -> None:
        super().__init__()
        self.needs_student, self.needs_teacher = frozenset({LOGITS}), frozenset()

    def terms(self, student: Trace, teacher: Trace, batch: Batch) -> dict[str, Float[Tensor, " batch"]]:  # noqa: ARG002
        """The binary cross-entropy of each example; a `ValueError` where the batch has no such labels."""
        if batch.labels is None or batch.labels.ndim != 2:
            raise ValueError("these examples do not say of every label whether it holds; see GoldCrossEntropy")
        return {"gold": binary_cross_entropy(student[LOGITS], batch.labels)}


@final
class SoftBinaryCrossEntropy(SoftTargets):
    """Term `prediction`: every label learns the teacher's probability; see `soft_binary_cross_entropy`."""

    def losses(
        self,
        student_logits: Float[Tensor, "batch label"],
        teacher_logits: Float[Tensor, "batch teacher_label"],
        batch: Batch,  # noqa: ARG002
    ) -> Float[Tensor, " batch"]:
        """The soft binary cross-entropy of each example."""
        return soft_binary_cross_entropy(student_logits, teacher_logits, self.temperature)
