"""Learning the last layer's relations: L_AT and L_VR of MiniLM (Wang et al. 2020, arXiv:2002.10957, Eq. 4 to 8).

Which piece attends to which, and which values are alike: both are distributions over pieces, so that the widths of the
two networks may differ and no projection is learnt. The authors published no training code. Here padding is not among
the pieces: it gets no share of a distribution, and none of its own counts.
"""

import math
from typing import final

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from tinybert.objectives.numerics import at_least_float32, require_same_heads, require_same_shape
from tinybert.types import Batch, Objective, Signal, Trace


def attention_relation(
    student: Float[Tensor, "batch head seq seq"],
    teacher: Float[Tensor, "batch teacher_head seq seq"],
    real: Bool[Tensor, "batch seq"],
) -> Float[Tensor, " batch"]:
    """KL divergence of the student's attention from the teacher's, averaged over heads and real pieces.

    mean_{a, t} KL(softmax(teacher)_{a, t} || softmax(student)_{a, t}) over the real pieces that piece t attends to.

    Args:
        student: Attention scores of one student layer, before softmax.
        teacher: Those of the teacher layer it learns from; the same number of heads.
        real: True where a piece is not padding, at least once per example; padded rows and columns do not count.

    Returns:
        One non-negative value per example in nats; 0 when the distributions agree.

    Raises:
        ValueError: If the numbers of heads, or other sizes, differ.

    Example:
        >>> even, sure = torch.zeros(1, 3, 2, 2), torch.tensor([0.0, 99.0]).expand(1, 3, 2, 2)
        >>> attention_relation(even, sure, torch.ones(1, 2, dtype=torch.bool)).exp()
        tensor([2.])
    """
    require_same_heads(student, teacher)
    require_same_shape("the attention scores", student, teacher)
    pair = real[:, None, :, None] & real[:, None, None, :]
    ours, theirs = _log_shares(student, pair), _log_shares(teacher, pair)
    gaps = F.kl_div(ours, theirs, reduction="none", log_target=True)
    # Rows of padding do not count, whatever their shares; columns of padding have none.
    total = torch.where(pair, gaps, 0.0).sum(dim=(1, 2, 3))
    return total / (student.shape[1] * real.sum(dim=1))


def value_relation(
    student: Float[Tensor, "batch seq width"],
    teacher: Float[Tensor, "batch seq teacher_width"],
    real: Bool[Tensor, "batch seq"],
    heads: int,
) -> Float[Tensor, " batch"]:
    """The same divergence of value relations, softmax(VVᵀ/√d) of each head with d = width / heads.

    Args:
        student: Values of one student layer, before the heads are split.
        teacher: Those of the teacher layer it learns from; they may have another width.
        real: True where a piece is not padding, at least once per example; padding does not count, whatever is in it.
        heads: Of both networks.

    Returns:
        One non-negative value per example in nats; 0 when the relations agree.

    Raises:
        ValueError: If the heads do not divide a width, or other sizes differ.

    Example:
        >>> alike, apart = torch.zeros(1, 2, 4), 30 * torch.eye(2, 6)[None]
        >>> value_relation(alike, apart, torch.ones(1, 2, dtype=torch.bool), heads=1).exp()
        tensor([2.])
    """
    return attention_relation(_alikeness(student, real, heads), _alikeness(teacher, real, heads), real)


@final
class RelationKL(Objective):
    """Terms `attention_relation` and `value_relation`: a student layer relates pieces as a teacher layer does."""

    def __init__(self, student_layer: int, teacher_layer: int, heads: int) -> None:
        """Keep the layers.

        Args:
            student_layer: The layer that learns; MiniLM takes the last.
            teacher_layer: The layer it learns from; MiniLM takes the last.
            heads: Attention heads of both networks.

        Raises:
            ValueError: If there is no such layer or no head.
        """
        super().__init__()
        for name, number in (("student_layer", student_layer), ("teacher_layer", teacher_layer), ("heads", heads)):
            if number < 1:
                raise ValueError(f"{name} must be at least 1, got {number}")
        self.student_layer, self.teacher_layer, self.heads = student_layer, teacher_layer, heads
        self.needs_student = frozenset({Signal("attention_scores", student_layer), Signal("values", student_layer)})
        self.needs_teacher = frozenset({Signal("attention_scores", teacher_layer), Signal("values", teacher_layer)})

    def terms(self, student: Trace, teacher: Trace, batch: Batch) -> dict[str, Float[Tensor, " batch"]]:
        """Both divergences; a `ValueError` where the networks have not the heads that were named."""

        def shown(kind: str) -> tuple[Tensor, Tensor]:
            return student[Signal(kind, self.student_layer)], teacher[Signal(kind, self.teacher_layer)]

        ours, theirs = shown("attention_scores")
        attention = attention_relation(ours, theirs, batch.real)
        if ours.shape[1] != self.heads:
            raise ValueError(f"both networks have {ours.shape[1]} heads, this objective was made for {self.heads}")
        values = value_relation(*shown("values"), batch.real, self.heads)
        return {"attention_relation": attention, "value_relation": values}


def _log_shares(
    scores: Float[Tensor, "batch head seq seq"], pair: Bool[Tensor, "batch 1 seq seq"]
) -> Float[Tensor, "batch head seq seq"]:
    """Log-softmax over the real pieces; finite in the padding too, so that no NaN comes into its gradient."""
    scores = at_least_float32(scores)
    return F.log_softmax(torch.where(pair, scores, torch.finfo(scores.dtype).min), dim=-1)


def _alikeness(
    values: Float[Tensor, "batch seq width"], real: Bool[Tensor, "batch seq"], heads: int
) -> Float[Tensor, "batch {heads} seq seq"]:
    """VVᵀ/√d of each head, float32 at least."""
    if values.shape[2] % heads:
        raise ValueError(f"{heads} heads do not divide values of width {values.shape[2]}")
    # Padding is zeroed before the product, whose own gradient would meet it otherwise.
    shown = torch.where(real[:, :, None], at_least_float32(values), 0.0)
    by_head = shown.reshape(*shown.shape[:2], heads, -1).transpose(1, 2)
    with torch.autocast(values.device.type, enabled=False):  # bfloat16 would round long sums to 8 bits
        return by_head @ by_head.mT / math.sqrt(by_head.shape[3])
