"""What users say about augmentation: the settings of the method they name, and how its masked LM is trained."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from tinybert.augment.bert_glove import BertGloveSettings
from tinybert.augment.method import AugmentContext, AugmentSettings, MaskedLMSettings
from tinybert.augment.methods import METHODS
from tinybert.config import Choice
from tinybert.data.masking import Masking


@dataclass(frozen=True, kw_only=True)
class NoAugmentation(AugmentSettings):
    """Settings where nobody rewrites."""

    method: Literal["none"] = "none"

    def unread(self) -> Iterator[tuple[str, str]]:
        """There are no copies."""
        for name in ("copies", "at_most", "keep_flipped"):
            yield name, "method none does not read it"


SETTINGS = {"none": NoAugmentation, **{name: method.settings for name, method in METHODS.items()}}


def _conditional() -> MaskedLMSettings:
    """As in the code of Wu et al. 2019."""
    masking = Masking(at_most=20, from_the_same_text=True)
    return MaskedLMSettings(epochs=10, schedule="constant", max_length=64, masking=masking)


@dataclass(frozen=True, kw_only=True)
class AugmentGroups:
    """The groups of settings that augmentation reads."""

    augment: Annotated[AugmentSettings, Choice("method", SETTINGS)] = field(default_factory=BertGloveSettings)
    masked_lm: MaskedLMSettings = field(default_factory=lambda: MaskedLMSettings(epochs=None))
    cbert: MaskedLMSettings = field(default_factory=_conditional)

    @property
    def conditional(self) -> bool:
        """Whether a masked LM learns to read classes."""
        return self.augment.method in METHODS and METHODS[self.augment.method].conditional is not None

    def context(self, *about: Any) -> AugmentContext[Any]:
        """What the method's augmenter is made from; `about` is the rest of it, in order."""
        return AugmentContext(self.augment, self.masked_lm, self.cbert, *about)

    def unread(self) -> Iterator[tuple[str, str]]:
        """Groups of stages that are not there, and what no training of a masked LM reads: it is not evaluated."""
        if not self.augment.adapts:
            yield "masked_lm", "augment.adapt=false does not read it"
        if not self.conditional:
            yield "cbert", f"method {self.augment.method} does not read it; cbert does"
        for name in ("temperature", "evaluate_every", "patience"):
            yield f"masked_lm.{name}", "training a masked LM does not read it"
            yield f"cbert.{name}", "training a masked LM does not read it"
