"""Learning one layer's relations: L_AT and L_VR of MiniLM (Wang et al. 2020, arXiv:2002.10957, Eq. 4 to 8), and v2.

Which piece attends to which, and which values are alike: both are distributions over pieces, so that the widths of the
two networks may differ and no projection is learnt. MiniLM v2 (Wang et al. 2021, arXiv:2012.15828) takes queries, keys
and values, each related to itself, and splits them anew into as many heads as one likes: numbers of attention heads may
differ as well. The authors published no training code. Here padding is not among the pieces: it gets no share of a
distribution, and none of its own counts.
"""

from math import gcd, sqrt
from typing import Final, final

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from tinybert.objectives.numerics import at_least_float32, compared_pairs, require_same_heads, require_same_shape
from tinybert.types import Batch, Objective, Signal, Trace


def attention_relation(
    student: Float[Tensor, "batch head seq seq"],
    teacher: Float[Tensor, "batch teacher_head seq seq"],
    real: Bool[Tensor, "batch seq"],
) -> Float[Tensor, " batch"]:
    """KL divergence of the student's attention from the teacher's, averaged over heads and real pieces.

    mean_{a, t} KL(softmax(teacher)_{a, t} || softmax(student)_{a, t}) over the real pieces that piece t attends to, in
    both layers: where one is local, both distributions are over its window.

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
    pair = compared_pairs(student, teacher, real)
    ours, theirs = _log_shares(student, pair), _log_shares(teacher, pair)
    gaps = F.kl_div(ours, theirs, reduction="none", log_target=True)
    # Rows of padding do not count, whatever their shares; columns of padding have none.
    total = torch.where(pair, gaps, 0.0).sum(dim=(1, 2, 3))
    return total / (student.shape[1] * real.sum(dim=1))


def self_relation(
    student: Float[Tensor, "batch seq width"],
    teacher: Float[Tensor, "batch seq teacher_width"],
    real: Bool[Tensor, "batch seq"],
    heads: int,
) -> Float[Tensor, " batch"]:
    """The same divergence of values related to each other, softmax(VVᵀ/√d) with d = width / heads; or queries, or keys.

    Args:
        student: Values of one student layer, before the heads are split.
        teacher: Those of the teacher layer it learns from; they may have another width.
        real: True where a piece is not padding, at least once per example; padding does not count, whatever is in it.
        heads: How many parts both widths are split into: those of both networks, or relation heads of any number.

    Returns:
        One non-negative value per example in nats; 0 when the relations agree.

    Raises:
        ValueError: If the heads do not divide a width, or other sizes differ.

    Example:
        >>> alike, apart = torch.zeros(1, 2, 4), 30 * torch.eye(2, 6)[None]
        >>> self_relation(alike, apart, torch.ones(1, 2, dtype=torch.bool), heads=1).exp()
        tensor([2.])
    """
    widths = student.shape[2], teacher.shape[2]
    if any(width % heads for width in widths):
        common = gcd(*widths)
        fitting = ", ".join(str(number) for number in range(1, common + 1) if not common % number)
        raise ValueError(f"{heads} heads do not divide widths {widths[0]} and {widths[1]}; these do: {fitting}")
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
        _require_positive(student_layer=student_layer, teacher_layer=teacher_layer, heads=heads)
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
        values = self_relation(*shown("values"), batch.real, self.heads)
        return {"attention_relation": attention, "value_relation": values}


@final
class SelfRelationKL(Objective):
    """Terms `query_relation`, `key_relation`, `value_relation`: MiniLM v2's Q-Q, K-K and V-V, a plain sum."""

    def __init__(self, student_layer: int, teacher_layer: int, relation_heads: int) -> None:
        """Keep the layers.

        Args:
            student_layer: The layer that learns; MiniLM v2 takes the last.
            teacher_layer: The layer it learns from; MiniLM v2 takes the last of 12, an upper middle one of 24.
            relation_heads: Parts into which both networks' vectors are split; it must divide both widths, and need not
                be the number of heads of either. More of them show finer relations: 48 in the paper for width 768.

        Raises:
            ValueError: If there is no such layer or no head.
        """
        super().__init__()
        _require_positive(student_layer=student_layer, teacher_layer=teacher_layer, relation_heads=relation_heads)
        self.student_layer, self.teacher_layer, self.relation_heads = student_layer, teacher_layer, relation_heads
        self.needs_student = frozenset(Signal(kind, student_layer) for kind in _RELATED.values())
        self.needs_teacher = frozenset(Signal(kind, teacher_layer) for kind in _RELATED.values())

    def terms(self, student: Trace, teacher: Trace, batch: Batch) -> dict[str, Float[Tensor, " batch"]]:
        """All three divergences; a `ValueError` where the relation heads do not divide both widths."""
        return {
            term: self_relation(
                student[Signal(kind, self.student_layer)],
                teacher[Signal(kind, self.teacher_layer)],
                batch.real,
                self.relation_heads,
            )
            for term, kind in _RELATED.items()
        }


_RELATED: Final = {"query_relation": "queries", "key_relation": "keys", "value_relation": "values"}


def _require_positive(**numbers: int) -> None:
    for name, number in numbers.items():
        if number < 1:
            raise ValueError(f"{name} must be at least 1, got {number}")


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
    # Padding is zeroed before the product, whose own gradient would meet it otherwise.
    shown = torch.where(real[:, :, None], at_least_float32(values), 0.0)
    by_head = shown.reshape(*shown.shape[:2], heads, -1).transpose(1, 2)
    with torch.autocast(values.device.type, enabled=False):  # bfloat16 would round long sums to 8 bits
        return by_head @ by_head.mT / sqrt(by_head.shape[3])
