"""What a method of augmentation is, and what its augmenter is made from."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int

from tinybert import files
from tinybert.augment.settings import AugmentGroups, MaskedLMSettings
from tinybert.data.examples import Examples
from tinybert.models.embedded import EMBEDDED
from tinybert.models.loading import digest_of, load_masked_lm, load_tokenizer
from tinybert.run import Run
from tinybert.tasks.base import TaskData
from tinybert.types import Augmenter

Make = Callable[[], Augmenter]  # called once in each process that makes copies


@dataclass(frozen=True)
class AugmentContext:
    """What an augmenter is made from.

    Attributes:
        groups: All settings of augmentation.
        task: What the labels mean.
        originals: The rows to rewrite.
        unlabeled: Further texts of the domain; None = there are none.
        mlm: The masked LM that was named; None = none was.
        vectors: The file of word vectors; None = there is none.
        mask: The mask as it stands in a text.
        max_length: Pieces of a text that a model reads.
    """

    groups: AugmentGroups
    task: TaskData
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
        network = load_masked_lm(self.needed_mlm, new_head=0 if self.groups.augment.adapt else None)
        return files.sha256_json([digest_of(network), vocabulary])


@dataclass(frozen=True)
class AugmenterFactory:
    """Makes an augmenter.

    Attributes:
        make: Makes it; can be sent to other processes.
        before: What has to be done once before, if any copy is to be made at all.
    """

    make: Make
    before: Callable[[], object] = lambda: None


class ConditionalTraining(NamedTuple):
    """Training of a masked LM that reads the class of a text in its token types.

    Attributes:
        classes: Of each original, from 0.
        settings: How it is trained.
    """

    classes: Int[np.ndarray, " row"]
    settings: MaskedLMSettings


@dataclass(frozen=True)
class Method:
    """A method of augmentation.

    Attributes:
        summary: What it does, in a line.
        citation: Its paper.
        inputs: What its copies depend on, by the names that users know, without the rows and the number of copies.
        factory: From the context, the masked LM (trained, where the method or the user asks for that; the embedded
            one where nothing reads it) and a run: what makes the augmenter.
        uses: Optional flags it looks at.
        conditional: What its masked LM has to learn first; None = nothing.
    """

    summary: str
    citation: str
    inputs: Callable[[AugmentContext], Mapping[str, Any]]
    factory: Callable[[AugmentContext, str, Run], AugmenterFactory]
    uses: frozenset[str] = frozenset()
    conditional: Callable[[AugmentContext], ConditionalTraining] | None = None
