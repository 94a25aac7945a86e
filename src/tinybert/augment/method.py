"""What a module of a method declares: settings of a method, what its copies depend on, how its augmenter is made."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
import torch
from jaxtyping import Int

from tinybert import files
from tinybert.data.examples import Examples
from tinybert.data.masking import Masking
from tinybert.models.embedded import EMBEDDED
from tinybert.models.loading import load_masked_lm, load_tokenizer
from tinybert.models.masked_lm import MaskedLM
from tinybert.run import Run
from tinybert.tasks.base import Task
from tinybert.types import Augmenter, Stage

USUAL_COPIES = 20  # of TinyBERT's paper; the same for all methods, so that they can be compared


@dataclass(frozen=True, kw_only=True)
class AugmentSettings:
    """Settings of the group `augment` that every method has.

    Attributes:
        method: Who rewrites; `none` adds nothing.
        copies: Of each row; None = 20, within `at_most`.
        at_most: Where `copies` is open: so many copies in all are enough, at least one of each row; None = no limit.
        keep_flipped: Keep copies that the teacher takes for another class than their original.
    """

    method: str
    copies: int | None = None
    at_most: int | None = None
    keep_flipped: bool = True

    def __post_init__(self) -> None:
        """Refuse what would add nothing."""
        for name in ("copies", "at_most"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")

    @property
    def adapts(self) -> bool:
        """Whether the masked LM learns the domain's texts first."""
        return False

    def copies_of(self, rows: int) -> int:
        """How many copies of each of so many rows are made.

        Example:
            >>> few, many = AugmentSettings(method="eda", at_most=16_000), AugmentSettings(method="eda")
            >>> few.copies_of(80), few.copies_of(8635), many.copies_of(8635)
            (20, 2, 20)
        """
        if self.copies is not None:
            return self.copies
        return USUAL_COPIES if self.at_most is None else min(USUAL_COPIES, -(-self.at_most // rows))


@dataclass(frozen=True, kw_only=True)
class MaskedLMAugmentSettings(AugmentSettings):
    """Settings that every method with a masked LM has.

    Attributes:
        adapt: First train the masked LM on the texts of train and of `--unlabeled`.
    """

    adapt: bool = False

    @property
    def adapts(self) -> bool:
        """Whether the masked LM learns the domain's texts first."""
        return self.adapt


@dataclass(frozen=True)
class MaskedLMSettings(Stage):
    """Settings of masked-LM training.

    Attributes:
        masking: Which pieces are to be predicted.
        max_length: Pieces per text or pair.
    """

    max_length: int = 128
    masking: Masking = field(default_factory=Masking)


S = TypeVar("S", bound=AugmentSettings)


@dataclass(frozen=True)
class AugmentContext(Generic[S]):
    """What an augmenter is made from.

    Attributes:
        settings: Of the method.
        adaptation: How a masked LM is adapted.
        conditional: How a masked LM learns to read classes.
        task: What the labels mean.
        originals: The rows to rewrite.
        unlabeled: Further texts of the domain; None = there are none.
        mlm: The masked LM that was named; None = none was.
        vectors: The file of word vectors; None = there is none.
        mask: The mask as it stands in a text.
        max_length: Pieces of a text that a model reads.
    """

    settings: S
    adaptation: MaskedLMSettings
    conditional: MaskedLMSettings
    task: Task
    originals: Examples
    unlabeled: Examples | None
    mlm: str | None
    vectors: str | None
    mask: str
    max_length: int

    @property
    def needed_mlm(self) -> str:
        """The masked LM that was named, else the embedded one."""
        return self.mlm or EMBEDDED

    def digest_of_mlm(self) -> str:
        """Sha256 over the masked LM's weights, configuration and vocabulary."""
        vocabulary = files.sha256_json(load_tokenizer(self.needed_mlm).get_vocab())
        network = load_masked_lm(self.needed_mlm, new_head=0 if self.settings.adapts else None)
        return files.sha256_json([network.digest(), vocabulary])


MakeAugmenter = Callable[[], Augmenter]  # called once in each process that makes copies


@dataclass(frozen=True)
class AugmenterFactory:
    """Makes an augmenter.

    Attributes:
        make: Makes it; can be sent to other processes.
        before: What has to be done once before, if any copy is to be made at all.
    """

    make: MakeAugmenter
    before: Callable[[], object] = lambda: None


class ConditionalTraining(NamedTuple):
    """Training of a masked LM that reads the class of a text in its token types.

    Attributes:
        classes: Of each original, from 0.
        settings: How it is trained.
    """

    classes: Int[np.ndarray, " row"]
    settings: MaskedLMSettings


@dataclass(frozen=True, kw_only=True)
class Method:
    """A method of augmentation.

    Attributes:
        summary: What it does, in a line.
        citation: Its paper.
        settings: Its settings.
        factory: From the context, the masked LM (trained, where the method or the user asks for that; the embedded
            one where nothing reads it) and a run: what makes the augmenter.
        inputs: What its copies depend on besides rows, settings and masked LM, by the names that users know.
        uses: Optional flags it looks at.
        conditional: What its masked LM has to learn first; None = nothing.
        refuses: Why it cannot rewrite the texts of a task, a line per reason.
        for_english: Whether it knows English only, with these settings.
        pieces_read: How many pieces its masked LM reads, by settings, lengths of the rows and copies.
    """

    summary: str
    citation: str
    settings: type[AugmentSettings]
    factory: Callable[[AugmentContext[Any], str, Run], AugmenterFactory]
    inputs: Callable[[AugmentContext[Any]], Mapping[str, Any]] = lambda _: {}
    uses: frozenset[str] = frozenset()
    conditional: Callable[[AugmentContext[Any]], ConditionalTraining] | None = None
    refuses: Callable[[Task], Iterator[str]] = lambda _: iter(())
    for_english: Callable[[Any], bool] = lambda _: False
    pieces_read: Callable[[Any, np.ndarray, int], float] = lambda _, lengths, copies: float(lengths.sum()) * copies


def open_masked_lm(source: str, device: str) -> MaskedLM:
    """A masked LM that fills positions, on a device."""
    return MaskedLM(load_masked_lm(source), load_tokenizer(source), torch.device(device))
