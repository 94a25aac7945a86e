"""Learning the first states of several layers: L_PT of patient distillation, PKD (Sun et al. 2019, arXiv:1908.09355).

The first piece is BERT's [CLS], whose state the classifier reads. Eq. 7 is a sum over layers and dimensions, and so is
this; the authors' code takes the mean over both, and β of 10 to 1000 belongs to that mean: `averaged`.
"""

from typing import final

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from tinybert.layer_maps import LayerMap
from tinybert.objectives.numerics import at_least_float32, require_same_shape
from tinybert.types import Batch, Objective, Signal, Trace


def patience_distance(
    student: Float[Tensor, "batch width"], teacher: Float[Tensor, "batch teacher_width"], *, normalised: bool = True
) -> Float[Tensor, " batch"]:
    """Squared Euclidean distance of two states, each divided by its length where wanted.

    Args:
        student: First states after one student layer.
        teacher: Those after the teacher layer it learns from; the same width, since PKD learns no projection.
        normalised: Whether only directions count; then a value is at most 4.

    Returns:
        One non-negative value per example; 0 when the states, or their directions, agree.

    Raises:
        ValueError: If the shapes differ.

    Example:
        >>> patience_distance(torch.tensor([[3.0, 0.0], [0.0, 5.0]]), torch.tensor([[9.0, 0.0], [0.0, -1.0]]))
        tensor([0., 4.])
    """
    require_same_shape("the first states", student, teacher)
    ours, theirs = at_least_float32(student), at_least_float32(teacher)
    if normalised:
        ours, theirs = F.normalize(ours, dim=1), F.normalize(theirs, dim=1)
    return (ours - theirs).square().sum(dim=1)


@final
class PatienceMSE(Objective):
    """Term `patience`: the first state after each student layer learns that after its teacher layer, summed."""

    def __init__(self, layer_map: LayerMap, *, normalised: bool = True, averaged: bool = False) -> None:
        """Keep the map.

        Args:
            layer_map: Which teacher layer teaches which student layer; PKD's are `layer_maps.patience_map`.
            normalised: Whether only directions count; the authors search both.
            averaged: Divide by the number of layers and the width, as the authors' code does.

        Raises:
            ValueError: If no layer learns.
        """
        super().__init__()
        if not layer_map.pairs:
            raise ValueError("patience needs at least one layer that learns; an empty layer map trains nothing")
        self.layer_map, self._normalised, self._averaged = layer_map, normalised, averaged
        self.needs_student = frozenset(Signal("first_state", m) for m, _ in layer_map.pairs)
        self.needs_teacher = frozenset(Signal("first_state", g) for _, g in layer_map.pairs)

    def terms(self, student: Trace, teacher: Trace, batch: Batch) -> dict[str, Float[Tensor, " batch"]]:  # noqa: ARG002
        """Distance of the first states, summed over the layer map, or averaged over it and the width."""
        pairs = [
            (student[Signal("first_state", m)], teacher[Signal("first_state", g)]) for m, g in self.layer_map.pairs
        ]
        layers = [patience_distance(ours, theirs, normalised=self._normalised) for ours, theirs in pairs]
        total = torch.stack(layers).sum(dim=0)
        return {"patience": total / (len(pairs) * pairs[0][0].shape[1]) if self._averaged else total}
