"""Learning the hidden states: L_embd and L_hidn of TinyBERT (arXiv:1909.10351, Eq. 8 and 9).

The formulas name two matrices, W_e for the embedding and one W_h for all layers: `embedding_and_hidden`. The official
code has one for everything (`shared`), with a bias; ours are matrices without a bias, as the formulas are written.
"""

import math
from typing import Literal, final

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from tinybert.layer_maps import LayerMap
from tinybert.objectives.numerics import at_least_float32, require_same_shape
from tinybert.types import Batch, Objective, Signal, Trace

Sharing = Literal["embedding_and_hidden", "shared", "per_layer"]


def hidden_mse(
    student: Float[Tensor, "batch seq width"],
    teacher: Float[Tensor, "batch seq teacher_width"],
    real: Bool[Tensor, "batch seq"],
) -> Float[Tensor, " batch"]:
    """Mean squared difference of hidden states over real pieces and width.

    Args:
        student: Hidden states of one student layer, already projected to the teacher's width.
        teacher: Hidden states of the teacher layer it learns from.
        real: True where a piece is not padding, at least once per example; padding does not count, whatever is in it.

    Returns:
        One non-negative value per example; 0 when the states agree on real pieces.

    Raises:
        ValueError: If the shapes differ.

    Example:
        >>> states = torch.zeros(2, 5, 3)
        >>> hidden_mse(states, states + 2, torch.ones(2, 5, dtype=torch.bool))
        tensor([4., 4.])
    """
    require_same_shape("the hidden states", student, teacher)
    gap = at_least_float32(student) - at_least_float32(teacher)
    # Zeroed before squaring: nothing in the padding, not even a NaN, reaches the value or the gradient.
    total = torch.where(real[:, :, None], gap, 0.0).square().sum(dim=(1, 2))
    return total / (real.sum(dim=1) * student.shape[2])


@final
class HiddenMSE(Objective):
    """Terms `embedding` and `hidden`, where wanted: projected student states learn the teacher's, layer by layer.

    Both terms are sums over layers, as the paper sums. There is a projection at equal widths too, as in the official
    code: student and teacher need not agree on what each dimension means.
    """

    def __init__(
        self,
        layer_map: LayerMap,
        student_width: int,
        teacher_width: int,
        projection: Sharing = "embedding_and_hidden",
        initial: Float[Tensor, "rows columns"] | None = None,
        *,
        embedding: bool = True,
        hidden: bool = True,
        seed: int = 0,
    ) -> None:
        """Build the projections; the global random state is not touched.

        Args:
            layer_map: Which teacher layer teaches which student layer.
            student_width: Size of the student's hidden states.
            teacher_width: Size of the teacher's.
            projection: `embedding_and_hidden`: one for the embedding and one for all layers; `shared`: one for
                everything; `per_layer`: one for the embedding and one for each layer.
            initial: Start of each projection's weight, (teacher_width, student_width). A student made by `project`
                lives in directions P of the teacher's space, so its states times Pᵀ are close to the teacher's. None
                draws the weights as `nn.Linear` does.
            embedding: Whether the embedding learns from the embedding, as in TinyBERT; L2A teaches layers only.
            hidden: Whether the layers learn.
            seed: Of that draw; not used with `initial`.

        Raises:
            ValueError: If `initial` has another shape, or nothing learns.
        """
        super().__init__()
        expected = (teacher_width, student_width)
        if initial is not None and initial.shape != expected:
            raise ValueError(f"initial must be (teacher width, student width) = {expected}, got {tuple(initial.shape)}")
        if not (embedding or hidden):
            raise ValueError("embedding and hidden are both off; nothing would be learnt")
        self._embedding = ((0, 0),) if embedding else ()
        self._hidden = layer_map.pairs if hidden else ()
        pairs = (*self._embedding, *self._hidden)
        names = _projection_of_layer(projection, layer_map.student_layers)
        self._names = {m: names[m] for m, _ in pairs}
        generator = torch.Generator().manual_seed(seed)
        self.projections = nn.ParameterDict(
            {
                name: _drawn(*expected, generator) if initial is None else initial.detach().float().clone()
                for name in dict.fromkeys(self._names.values())
            }
        )
        self.needs_student = frozenset(Signal("hidden_states", m) for m, _ in pairs)
        self.needs_teacher = frozenset(Signal("hidden_states", g) for _, g in pairs)

    def terms(self, student: Trace, teacher: Trace, batch: Batch) -> dict[str, Float[Tensor, " batch"]]:
        """Distance of the embedding outputs, and of the layers' outputs summed over the layer map."""

        def distance(m: int, g: int) -> Float[Tensor, " batch"]:
            shown = student[Signal("hidden_states", m)]
            if (width := self.projections[self._names[m]].shape[1]) != shown.shape[2]:
                raise ValueError(f"the student's states are {shown.shape[2]} wide, this objective was made for {width}")
            # Padding is zeroed before the projection, whose own gradient would meet it otherwise.
            states = torch.where(batch.real[:, :, None], at_least_float32(shown), 0.0)
            projected = F.linear(states, self.projections[self._names[m]])
            return hidden_mse(projected, teacher[Signal("hidden_states", g)], batch.real)

        learnt = {"embedding": self._embedding, "hidden": self._hidden}
        return {
            name: torch.stack([distance(m, g) for m, g in pairs]).sum(dim=0) for name, pairs in learnt.items() if pairs
        }


def _projection_of_layer(sharing: Sharing, layers: tuple[int, ...]) -> dict[int, str]:
    """Which projection each student layer goes through; 0 is the embedding."""
    if sharing == "shared":
        return dict.fromkeys((0, *layers), "shared")
    return {0: "embedding"} | {m: "hidden" if sharing == "embedding_and_hidden" else f"layer_{m}" for m in layers}


def _drawn(rows: int, columns: int, generator: torch.Generator) -> Float[Tensor, "{rows} {columns}"]:
    """What the weight of an `nn.Linear` starts as, without touching the global state: uniform within 1/√columns."""
    bound = 1 / math.sqrt(columns)
    return torch.empty(rows, columns).uniform_(-bound, bound, generator=generator)
