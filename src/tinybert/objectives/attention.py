"""Learning the attention scores: L_attn of TinyBERT (arXiv:1909.10351, Eq. 7).

The official code sets scores of padding to zero on both sides and keeps those zeros in the mean, so that the same text
weighs less in a longer batch; its padded rows count in full. Here neither counts. Networks with other numbers of heads
can be compared by the means over their heads, which is ours and no paper's.
"""

from typing import Literal, final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from tinybert.layer_maps import LayerMap
from tinybert.objectives.numerics import at_least_float32, compared_pairs, require_same_heads, require_same_shape
from tinybert.types import Batch, Objective, Signal, Trace


def attention_score_mse(
    student: Float[Tensor, "batch head seq seq"],
    teacher: Float[Tensor, "batch teacher_head seq seq"],
    real: Bool[Tensor, "batch seq"],
) -> Float[Tensor, " batch"]:
    """Mean squared difference of attention scores over heads and pairs of real pieces.

    Scores are QKᵀ/√d *before* softmax; head i is compared with head i. Pairs of pieces that one of the two layers never
    compares, whose score there is -inf, do not count either: local attention is learnt inside its window.

    Args:
        student: Scores of one student layer.
        teacher: Scores of the teacher layer it learns from; the same number of heads.
        real: True where a piece is not padding, at least once per example; padded rows and columns do not count.

    Returns:
        One non-negative value per example; 0 when the scores agree on real pieces.

    Raises:
        ValueError: If the numbers of heads, or other sizes, differ.

    Example:
        >>> scores = torch.zeros(2, 3, 5, 5)
        >>> attention_score_mse(scores, scores + 1, torch.ones(2, 5, dtype=torch.bool))
        tensor([1., 1.])
    """
    require_same_heads(student, teacher)
    require_same_shape("the attention scores", student, teacher)
    pair = compared_pairs(student, teacher, real)
    gap = at_least_float32(student) - at_least_float32(teacher)
    # Zeroed before squaring: nothing that does not count, not even an infinity, reaches the value or the gradient.
    # torch.where, because masked_fill with a mask that broadcasts took twice as long forward and backward (CPU).
    total = torch.where(pair, gap, 0.0).square().sum(dim=(1, 2, 3))
    return total / (student.shape[1] * pair.sum(dim=(1, 2, 3)))


@final
class AttentionScoreMSE(Objective):
    """Term `attention`: attention scores of each student layer learn those of its teacher layer, summed over layers."""

    def __init__(self, layer_map: LayerMap, heads: Literal["paired", "means"] = "paired") -> None:
        """Keep the map.

        Args:
            layer_map: Which teacher layer teaches which student layer.
            heads: `paired`: head i learns from head i, and other numbers of heads are an error; `means`: the mean over
                the student's heads learns that over the teacher's, however many there are.
        """
        super().__init__()
        self.layer_map, self._heads = layer_map, heads
        self.needs_student = frozenset(Signal("attention_scores", m) for m, _ in layer_map.pairs)
        self.needs_teacher = frozenset(Signal("attention_scores", g) for _, g in layer_map.pairs)

    def terms(self, student: Trace, teacher: Trace, batch: Batch) -> dict[str, Float[Tensor, " batch"]]:
        """Distance of the scores, summed over the layer map."""

        def shown(trace: Trace, layer: int) -> Float[Tensor, "batch head seq seq"]:
            scores = trace[Signal("attention_scores", layer)]
            return scores if self._heads == "paired" else at_least_float32(scores).mean(dim=1, keepdim=True)

        layers = [
            attention_score_mse(shown(student, m), shown(teacher, g), batch.real) for m, g in self.layer_map.pairs
        ]
        return {"attention": torch.stack(layers).sum(dim=0)}
