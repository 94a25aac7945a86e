"""What a recipe with L2A's loss, or with all of L2A, is told: its groups, and what follows from them for every run."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from tinybert.augment.settings import AugmentGroups
from tinybert.data.source_domain import SourceDomain, TeacherData, limited
from tinybert.errors import UserError
from tinybert.families.network import Shape
from tinybert.stages.common_settings import CommonSettings
from tinybert.stages.l2a.settings import L2ASettings


@dataclass(frozen=True)
class LastLayerSettings:
    """Settings of the group `objective`: what the student learns; the paper's ablation leaves out one at a time.

    Attributes:
        attention: The teacher's attention scores of the last layer.
        hidden: Its last hidden state, which the student's is projected to.
        prediction: Its soft targets, of a regression its score.
        attention_heads: `paired`: head i learns from head i; `means`: the mean over the student's heads learns that
            over the teacher's, however many each has.
    """

    attention: bool = True
    hidden: bool = True
    prediction: bool = True
    attention_heads: Literal["paired", "means"] = "paired"

    @property
    def layers(self) -> bool:
        """Whether anything is learnt from layers."""
        return self.attention or self.hidden

    def __post_init__(self) -> None:
        """Refuse to learn nothing."""
        if not (self.layers or self.prediction):
            raise ValueError("attention, hidden and prediction are all off; nothing would be learnt")

    def unread(self) -> Iterator[tuple[str, str]]:
        """Heads are compared in the attention term only."""
        if not self.attention:
            yield "attention_heads", "attention=false does not read it"


@dataclass(frozen=True, kw_only=True)
class LastLayerGroups(CommonSettings):
    """Of a recipe whose student learns the last layer and the prediction at once."""

    objective: LastLayerSettings = field(default_factory=LastLayerSettings)

    def unfit(self, student: Shape, teacher: Shape, /) -> Iterator[str]:
        """Numbers of heads may differ where attention scores are not among what is learnt."""
        if self.objective.attention and self.objective.attention_heads == "paired":
            other = "objective.attention_heads=means compares means over heads"
            yield from (f"{problem}; {other}" for problem in super().unfit(student, teacher))


@dataclass(frozen=True, kw_only=True)
class L2AGroups(LastLayerGroups):
    """Of a recipe that samples from two domains."""

    l2a: L2ASettings = field(default_factory=L2ASettings)

    def domains(self, source: SourceDomain | None, /) -> TeacherData:
        """What a teacher without a head is fine-tuned on."""
        if self.l2a.teacher_data is not None:
            return self.l2a.teacher_data
        return "target" if source is None or source.labelled is None else "source_then_target"

    def used_source(self, source: SourceDomain | None, rng: np.random.Generator, /) -> SourceDomain | None:
        """At most so many rows as `l2a.source_limit` says.

        Raises:
            UserError: If there are none, and nothing else is to be learnt from.
        """
        if source is None and self.l2a.learn_from == "source":
            raise UserError("--source is missing: l2a.learn_from=source learns from its texts")
        if self.l2a.selector == "agreement" and (source is None or source.labelled is None):
            raise UserError("l2a.selector=agreement: needs --source with gold labels; take l2a.selector=keep_all")
        return None if source is None else limited(source, self.l2a.source_limit, rng)

    def unread(self) -> Iterator[tuple[str, str]]:
        """Besides, how long texts are read: a sample is drawn of what a network reads at once."""
        yield from super().unread()
        yield from ((name, "samples are drawn of what is read at once") for name in ("data.windows", "data.stride"))

    def augmenting(self) -> AugmentGroups | None:
        """The samples of the target; None where nothing is drawn by a masked LM."""
        if self.l2a.learn_from == "source":
            return self.l2a.augmenting(source=True) if self.l2a.samples_source else None
        return self.l2a.augmenting()
