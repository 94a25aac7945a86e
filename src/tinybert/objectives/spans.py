"""Learning where an answer begins and ends: each a distribution over the positions of a context, by BERT's span head.

Positions are the pieces of the context, and the first piece for "there is no answer" (Devlin et al. 2019, sections 4.2
and 4.3); the question, other special pieces and padding count nowhere. L_pred of TinyBERT (arXiv:1909.10351, Eq. 10) is
taken of both distributions; as transformers does, their losses are averaged, not added up as in Devlin et al.
"""

from typing import final

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from tinybert.objectives.numerics import at_least_float32, require_same_shape
from tinybert.objectives.pieces import labels_of_pieces
from tinybert.objectives.prediction import SoftTargets, require_usable_temperature
from tinybert.types import PIECE_LOGITS, Batch, Objective, Trace


def span_soft_cross_entropy(
    student_logits: Float[Tensor, "batch piece side"],
    teacher_logits: Float[Tensor, "batch piece teacher_side"],
    labels: Int[Tensor, "batch piece"],
    temperature: float = 1.0,
) -> Float[Tensor, " batch"]:
    """Mean over beginning and end of the cross-entropy of the student's distribution with the teacher's.

    Args:
        student_logits: How well an answer begins, and ends, at each piece; before softmax.
        teacher_logits: The same by the teacher.
        labels: -1 where a piece is no position; what else they are plays no part.
        temperature: Of both distributions; 1 in the paper.

    Returns:
        One value per example, in nats; 0 where there is no position.

    Raises:
        ValueError: If the shapes differ, or the temperature is not positive and finite.

    Example:
        >>> teacher = torch.tensor([[[0.0, 0.0], [0.0, 0.0], [9.0, 9.0]]])
        >>> span_soft_cross_entropy(torch.zeros(1, 3, 2), teacher, torch.tensor([[0, 0, -1]])).exp()
        tensor([2.])
    """
    require_usable_temperature(temperature)
    require_same_shape("the logits", student_logits, teacher_logits)
    counts = labels >= 0
    student, teacher = (_log_distribution(logits, counts, temperature) for logits in (student_logits, teacher_logits))
    return -torch.where(counts[:, :, None], teacher.exp() * student, 0.0).sum(dim=1).mean(dim=1)


def span_cross_entropy(
    logits: Float[Tensor, "batch piece side"], labels: Int[Tensor, "batch piece"]
) -> Float[Tensor, " batch"]:
    """Mean over beginning and end of the negative log-likelihood of the gold position.

    Args:
        logits: How well an answer begins, and ends, at each piece; before softmax.
        labels: 1 where the answer begins, 2 where it ends, 3 where it does both, 0 at other positions; -1 elsewhere.

    Returns:
        One non-negative value per example, in nats; 0 where no position is named.

    Example:
        >>> span_cross_entropy(torch.zeros(1, 3, 2), torch.tensor([[-1, 1, 2]])).exp()
        tensor([2.])
    """
    counts = labels >= 0
    named = torch.stack([counts & (labels & side != 0) for side in (1, 2)], dim=2)
    return -torch.where(named, _log_distribution(logits, counts, 1.0), 0.0).sum(dim=1).mean(dim=1)


@final
class SpanSoftCrossEntropy(SoftTargets):
    """Term `prediction`: the student learns where the teacher sees the answer; see `span_soft_cross_entropy`."""

    signal = PIECE_LOGITS

    def losses(
        self,
        student_logits: Float[Tensor, "batch piece side"],
        teacher_logits: Float[Tensor, "batch piece teacher_side"],
        batch: Batch,
    ) -> Float[Tensor, " batch"]:
        """The soft cross-entropy of each example; a `ValueError` where no labels say which pieces are positions."""
        return span_soft_cross_entropy(student_logits, teacher_logits, labels_of_pieces(batch), self.temperature)


@final
class SpanCrossEntropy(Objective):
    """Term `gold`: the student learns where the answer is; needs no teacher."""

    def __init__(self) -> None:
        super().__init__()
        self.needs_student, self.needs_teacher = frozenset({PIECE_LOGITS}), frozenset()

    def terms(self, student: Trace, teacher: Trace, batch: Batch) -> dict[str, Float[Tensor, " batch"]]:  # noqa: ARG002
        """The cross-entropy of each example; a `ValueError` where the batch has no labels of pieces."""
        return {"gold": span_cross_entropy(student[PIECE_LOGITS], labels_of_pieces(batch))}


def _log_distribution(
    logits: Float[Tensor, "batch piece side"], counts: Bool[Tensor, "batch piece"], temperature: float
) -> Float[Tensor, "batch piece side"]:
    """Over the positions that count; finite elsewhere, where nobody looks, so that no gradient becomes NaN."""
    logits = at_least_float32(logits) / temperature
    lowest = torch.finfo(logits.dtype).min
    return F.log_softmax(torch.where(counts[:, :, None], logits, lowest), dim=1)
