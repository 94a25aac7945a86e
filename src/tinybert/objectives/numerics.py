"""What every objective does to its tensors before it compares them: same shape, enough precision."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def at_least_float32(values: Float[Tensor, "*axes"]) -> Float[Tensor, "*axes"]:
    """Half precision as float32, so that differences and sums keep their digits; float32 and float64 as they are."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def compared_pairs(
    student: Float[Tensor, "batch head seq seq"],
    teacher: Float[Tensor, "batch teacher_head seq seq"],
    real: Bool[Tensor, "batch seq"],
) -> Bool[Tensor, "batch 1 seq seq"]:
    """Pairs of real pieces that both layers compare: scores outside the window of local attention are -inf."""
    outside = student[:, :1].isneginf() | teacher[:, :1].isneginf()
    return real[:, None, :, None] & real[:, None, None, :] & ~outside


def require_same_heads(student: Float[Tensor, "batch head ..."], teacher: Float[Tensor, "batch other ..."]) -> None:
    """Refuse networks whose heads cannot be paired.

    Raises:
        ValueError: If the numbers of heads differ.
    """
    if student.shape[1] != teacher.shape[1]:
        ours, theirs = student.shape[1], teacher.shape[1]
        raise ValueError(
            f"the student has {ours} heads, the teacher {theirs}; head i learns from head i: compare means over heads "
            "instead (AttentionScoreMSE), or relation heads (SelfRelationKL)"
        )


def require_same_shape(what: str, student: Tensor, teacher: Tensor) -> None:
    """Refuse tensors that would broadcast against each other, or fail with a message that names neither side.

    Raises:
        ValueError: If the shapes differ.
    """
    if student.shape != teacher.shape:
        raise ValueError(f"{what} differ in shape: student {tuple(student.shape)}, teacher {tuple(teacher.shape)}")
