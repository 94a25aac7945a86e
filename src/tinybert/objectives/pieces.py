"""Learning tags: the logits of pieces, from the teacher's or from gold labels, averaged over the pieces that have one.

L_pred of TinyBERT (arXiv:1909.10351, Eq. 10) for each labelled piece. Of a word only the first piece has a label
(Devlin et al. 2019, section 5.3); all others count nowhere, as padding does.
"""

from typing import final

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from tinybert.objectives.numerics import at_least_float32, require_same_shape
from tinybert.objectives.prediction import SoftTargets, require_usable_temperature
from tinybert.types import PIECE_LOGITS, Batch, Objective, Trace, waits


def piece_soft_cross_entropy(
    student_logits: Float[Tensor, "batch piece label"],
    teacher_logits: Float[Tensor, "batch piece teacher_label"],
    labels: Int[Tensor, "batch piece"],
    temperature: float = 1.0,
) -> Float[Tensor, " batch"]:
    """Mean over an example's labelled pieces of `prediction.soft_cross_entropy`.

    Args:
        student_logits: Scores of the student's tags, before softmax.
        teacher_logits: Scores of the same tags by the teacher.
        labels: -1 where a piece has none; which label it is plays no part.
        temperature: Of both distributions; 1 in the paper.

    Returns:
        One value per example, in nats; 0 where no piece is labelled.

    Raises:
        ValueError: If the tags differ, or the temperature is not positive and finite.

    Example:
        >>> teacher = torch.tensor([[[0.0, 5.0, 0.0, 0.0], [9.0, 0.0, 0.0, 0.0]]])
        >>> piece_soft_cross_entropy(torch.zeros(1, 2, 4), teacher, torch.tensor([[1, -1]])).exp()
        tensor([4.0000])
    """
    require_usable_temperature(temperature)
    require_same_shape("the logits", student_logits, teacher_logits)
    counts = labels >= 0
    student, teacher = (_counted(logits, counts) / temperature for logits in (student_logits, teacher_logits))
    return _mean(-(F.softmax(teacher, dim=2) * F.log_softmax(student, dim=2)).sum(dim=2), counts)


def piece_cross_entropy(
    logits: Float[Tensor, "batch piece label"], labels: Int[Tensor, "batch piece"]
) -> Float[Tensor, " batch"]:
    """Mean over an example's labelled pieces of the negative log-likelihood of their gold tags.

    Args:
        logits: Scores of the tags, before softmax.
        labels: The right tag of each piece, from 0; -1 where it has none.

    Returns:
        One non-negative value per example, in nats; 0 where no piece is labelled.

    Example:
        >>> piece_cross_entropy(torch.zeros(1, 3, 4), torch.tensor([[-1, 0, 3]])).exp()
        tensor([4.])
    """
    counts = labels >= 0
    log_probabilities = F.log_softmax(_counted(logits, counts), dim=2)
    return _mean(-log_probabilities.gather(2, labels.clamp(min=0)[:, :, None]).squeeze(2), counts)


@final
class PieceSoftCrossEntropy(SoftTargets):
    """Term `prediction`: the student's tags learn the teacher's distributions; see `piece_soft_cross_entropy`."""

    signal = PIECE_LOGITS

    def losses(
        self,
        student_logits: Float[Tensor, "batch piece label"],
        teacher_logits: Float[Tensor, "batch piece teacher_label"],
        batch: Batch,
    ) -> Float[Tensor, " batch"]:
        """The mean soft cross-entropy of each example; a `ValueError` where no labels say which pieces count."""
        return piece_soft_cross_entropy(student_logits, teacher_logits, labels_of_pieces(batch), self.temperature)


@final
class PieceCrossEntropy(Objective):
    """Term `gold`: tags learn from gold labels; needs no teacher."""

    def __init__(self) -> None:
        super().__init__()
        self.needs_student, self.needs_teacher = frozenset({PIECE_LOGITS}), frozenset()

    def terms(self, student: Trace, teacher: Trace, batch: Batch) -> dict[str, Float[Tensor, " batch"]]:  # noqa: ARG002
        """The mean cross-entropy of each example; a `ValueError` where the batch has no labels of pieces."""
        labels, logits = labels_of_pieces(batch), student[PIECE_LOGITS]
        if not waits(labels.device) and int(labels.max()) >= logits.shape[2]:
            raise ValueError(f"labels run to {int(labels.max())}, and the head has {logits.shape[2]} tags, from 0")
        return {"gold": piece_cross_entropy(logits, labels)}


def _counted(logits: Float[Tensor, "batch piece label"], counts: Tensor) -> Float[Tensor, "batch piece label"]:
    """Zero where nothing counts: padding may hold anything, and a NaN times zero is still one."""
    logits = at_least_float32(logits)
    return torch.where(counts[:, :, None], logits, torch.zeros_like(logits))


def _mean(losses: Float[Tensor, "batch piece"], counts: Tensor) -> Float[Tensor, " batch"]:
    return (losses * counts).sum(dim=1) / counts.sum(dim=1).clamp(min=1)


def labels_of_pieces(batch: Batch) -> Int[Tensor, "batch piece"]:
    """The labels of a batch where they are of pieces.

    Raises:
        ValueError: If they are not.
    """
    if batch.labels is None or batch.labels.ndim != 2:
        raise ValueError("these examples have no labels of pieces; -1 says that a piece counts nowhere")
    return batch.labels
