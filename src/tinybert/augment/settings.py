"""What users say about augmentation: one group for all methods, one for each method with settings of its own."""

from dataclasses import dataclass, field, replace
from typing import Literal

from tinybert.augment.bert_glove import BertGloveSettings
from tinybert.augment.cbert import CbertGeneration
from tinybert.augment.eda import EdaSettings
from tinybert.augment.stationary import StationarySettings
from tinybert.augment.tang import TangSettings
from tinybert.data.masking import Masking
from tinybert.types import Stage, subset


@dataclass(frozen=True)
class AugmentSettings(BertGloveSettings):
    """Settings of the group `augment`: those of bert_glove, and those of every method.

    Attributes:
        method: Who rewrites; `none` adds nothing.
        copies: Of each row; None = 20, within `at_most`.
        at_most: Where `copies` is open: so many copies in all are enough, at least one of each row; None = no limit.
        adapt: First train the masked LM on the texts of train and of `--unlabeled`.
        keep_flipped: Keep copies that the teacher takes for another class than their original.
    """

    method: Literal["none", "bert_glove", "eda", "cbert", "tang", "stationary"] = "bert_glove"
    copies: int | None = None
    at_most: int | None = None
    adapt: bool = False
    keep_flipped: bool = True

    def __post_init__(self) -> None:
        """Refuse what would add nothing."""
        super().__post_init__()
        for name in ("copies", "at_most"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")


@dataclass(frozen=True)
class MaskedLMSettings(Stage):
    """Settings of masked-LM training.

    Attributes:
        hiding: Which pieces are to be predicted.
        max_length: Pieces per text or pair.
    """

    max_length: int = 128
    hiding: Masking = field(default_factory=Masking)


@dataclass(frozen=True)
class CbertSettings(MaskedLMSettings):
    """Settings of the group `cbert`: how its masked LM is trained, and how it rewrites.

    Attributes:
        one_in: One piece in so many is hidden in a copy; at least one.
        temperature: Of the distribution that a hidden piece is drawn from.
    """

    epochs: int | None = 10
    schedule: Literal["linear", "constant"] = "constant"
    max_length: int = 64
    hiding: Masking = field(default_factory=lambda: Masking(at_most=20, from_the_same_text=True))
    one_in: int = 7

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        super().__post_init__()
        self.generation()

    def training(self) -> MaskedLMSettings:
        """How its masked LM is trained, for which it does not matter how it rewrites."""
        return replace(subset(MaskedLMSettings, self), temperature=1.0)

    def generation(self) -> CbertGeneration:
        """How it rewrites."""
        return CbertGeneration(self.one_in, self.temperature, self.max_length)


@dataclass(frozen=True, kw_only=True)
class AugmentGroups:
    """The groups of settings that augmentation reads."""

    augment: AugmentSettings = field(default_factory=AugmentSettings)
    masked_lm: MaskedLMSettings = field(default_factory=lambda: MaskedLMSettings(epochs=None))
    cbert: CbertSettings = field(default_factory=CbertSettings)
    eda: EdaSettings = field(default_factory=EdaSettings)
    tang: TangSettings = field(default_factory=TangSettings)
    l2a: StationarySettings = field(default_factory=StationarySettings)
