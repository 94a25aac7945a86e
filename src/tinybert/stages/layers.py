"""What users say about learning layer by layer: the ablations of TinyBERT (Jiao et al. 2020, section 4.4)."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from tinybert.families.network import Shape
from tinybert.stages.general.settings import GeneralGroup


@dataclass(frozen=True)
class LayerObjectives:
    """Settings of the group `objective`: what is learnt on the task; plain text always teaches all layers.

    Attributes:
        embedding: The output of the embedding, Eq. 9.
        hidden: The hidden states of the layers, Eq. 8.
        attention: Their attention scores, Eq. 7.
        prediction: The teacher's distribution, Eq. 10; false: gold labels instead, since a head learns from something.
    """

    embedding: bool = True
    hidden: bool = True
    attention: bool = True
    prediction: bool = True

    @property
    def layers(self) -> bool:
        """Whether anything is learnt from layers; if not, and no prediction, that is no task distillation."""
        return self.embedding or self.hidden or self.attention


@dataclass(frozen=True, kw_only=True)
class LayerObjectivesGroup(GeneralGroup):
    """Of a recipe whose student learns layers on plain text, and then, each if it is wanted, on a task."""

    objective: LayerObjectives = field(default_factory=LayerObjectives)

    def unfit(self, student: Shape, teacher: Shape, /) -> Iterator[str]:
        """Numbers of heads may differ where attention is not learnt."""
        if self.objective.attention or self.general.tokens is not None:
            yield from super().unfit(student, teacher)

    def needs_pieces(self) -> str | None:
        """Predictions are of whole texts."""
        return super().needs_pieces() if self.objective.layers or self.general.tokens is not None else None

    def needs_labels(self) -> str | None:
        """Gold labels take the place of predictions that are not learnt."""
        return super().needs_labels() if self.objective.prediction else "objective.prediction=false learns gold labels"

    def unread(self) -> Iterator[tuple[str, str]]:
        """Besides, what only terms read that are left out."""
        yield from super().unread()
        learnt, text = self.objective, self.general.tokens is not None
        if not learnt.prediction:
            yield "prediction.temperature", "objective.prediction=false does not read it"
        if not learnt.layers:
            yield "intermediate", "no objective of layers is on"
        if not (learnt.attention or text):
            for name in ("attention_weight", "attention_heads"):
                yield f"student.{name}", "objective.attention=false does not read it"
        if not (learnt.embedding or learnt.hidden or text):
            yield "student.projection", "objective.embedding and objective.hidden are off"
