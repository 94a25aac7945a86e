"""TinyBERT's Transformer distillation: the embedding, all mapped layers and their attention, in one sum."""

from typing import Any

from tinybert.layer_maps import layer_map
from tinybert.models.teacher import Teacher
from tinybert.objectives.attention import AttentionScoreMSE
from tinybert.objectives.hidden import HiddenMSE
from tinybert.objectives.sum import Sum
from tinybert.stages.initialisation import InitialStudent, StudentSettings
from tinybert.types import Objective


def transformer_objective(initial: InitialStudent, teacher: Teacher, settings: StudentSettings, seed: int) -> Objective:
    """Eq. 7 to 9 of TinyBERT: the sum of the embedding, hidden and attention terms.

    Args:
        initial: The student, and the directions it was initialised from, which its projections start with.
        teacher: What it learns from.
        settings: The layer map, how many projections there are, and the weight of the attention term.
        seed: Of the projections, where the student was initialised without directions.
    """
    sizes = initial.student.shape
    g = layer_map(settings.layer_map, sizes.layers, teacher.shape.layers)
    hidden = HiddenMSE(g, sizes.width, teacher.shape.width, settings.projection, initial.directions, seed=seed)
    return Sum(hidden, (settings.attention_weight, AttentionScoreMSE(g)))


def mapping_of(settings: StudentSettings) -> dict[str, Any]:
    """The settings of the student that `transformer_objective` reads, by their dotted name."""
    return {f"student.{key}": getattr(settings, key) for key in ("projection", "layer_map", "attention_weight")}
