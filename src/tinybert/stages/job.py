"""What a recipe is given to work on, and what it gives back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar, runtime_checkable

from transformers import PretrainedConfig, PreTrainedTokenizerFast

from tinybert.artifacts import digest_of_input
from tinybert.data.corpus.blocks import Blocks
from tinybert.data.encode import Encoder
from tinybert.data.encoded import EncodedRows
from tinybert.data.examples import Examples
from tinybert.data.source_domain import SourceDomain
from tinybert.families.network import Network
from tinybert.models.heads import Head
from tinybert.tasks.base import Task
from tinybert.tasks.load import Splits

Config = TypeVar("Config", bound=PretrainedConfig)


@dataclass(frozen=True)
class PlainText:
    """Plain text as it is learnt from.

    Attributes:
        train: Blocks to learn from.
        held_out: Blocks that decide which weights are kept.
        tokenizer: Of teacher and student, who share a vocabulary.
        name: What messages call the text.
        apart: Whether the blocks held out are from a text of their own.
    """

    train: Blocks
    held_out: Blocks
    tokenizer: PreTrainedTokenizerFast
    name: str = "train"
    apart: bool = False

    @property
    def head(self) -> None:
        """Plain text asks for none."""

    @property
    def one_vocabulary(self) -> bool:
        """See `Job`."""
        return True

    def contents(self) -> dict[str, str]:
        """Digests of everything that was read; a stage that learns from it depends on all."""
        return {self.name: self.train.digest} | ({"dev": self.held_out.digest} if self.apart else {})


@dataclass(frozen=True)
class Job:
    """A task with its data, read, checked and encoded.

    Attributes:
        splits: The texts.
        train: Encoded training rows.
        dev: Encoded rows that decide which weights are kept.
        test: Encoded rows for the final figures; None where there are none.
        encoder: Makes rows of texts, as the student reads them.
        unlabeled: Further texts of the domain; None = there are none.
        source: Texts of another domain, as many of them as are used; None = there are none.
        plain_text: Text for general distillation before the task; None = there is no such stage.
        of_teacher: The same in the teacher's pieces; None = the student's are the same.
    """

    splits: Splits
    train: EncodedRows
    dev: EncodedRows
    test: EncodedRows | None
    encoder: Encoder
    unlabeled: Examples | None = None
    source: SourceDomain | None = None
    plain_text: PlainText | None = None
    of_teacher: "Job | None" = None

    @property
    def as_teacher_reads(self) -> "Job":
        """The job of the teacher's own stages."""
        return self.of_teacher or self

    @property
    def teacher_rows(self) -> EncodedRows | None:
        """The training rows as only the teacher reads them; None where the student does too."""
        return None if self.of_teacher is None else self.of_teacher.train

    @property
    def one_vocabulary(self) -> bool:
        """Whether teacher and student read the same pieces."""
        return self.of_teacher is None

    @property
    def tokenizer(self) -> PreTrainedTokenizerFast:
        """Of the student."""
        return self.encoder.tokenizer

    @property
    def max_length(self) -> int:
        """Pieces per row."""
        return self.encoder.max_length

    @property
    def task(self) -> Task:
        """What is to be learnt."""
        return self.splits.task

    @property
    def head(self) -> Head:
        """What the task asks of a network."""
        return self.task.head

    @property
    def learnt(self) -> dict[str, Any]:
        """What a step that learns the labels depends on."""
        return {"train": self.train, "dev": self.dev, "head": self.head}

    def config_of(self, kind: type[Config], **sizes: Any) -> Config:
        """The configuration of a network of a family of ours: pieces, pairs and outputs of the task, and its sizes."""
        config: Config = kind(
            vocab_size=max(self.tokenizer.get_vocab().values()) + 1,
            separator=self.tokenizer.sep_token_id if self.task.paired else None,
            pad_token_id=self.tokenizer.pad_token_id,
            **sizes,
        )
        self.head.describe_in(config)
        return config

    def contents(self) -> dict[str, Any]:
        """Digests of everything that was read."""
        others = {
            "test": None if self.test is None else self.test.digest,
            "source": None if self.source is None else self.source.digest(),
            "unlabeled": None if self.unlabeled is None else self.unlabeled.digest(),
            "teacher_scores": self.splits.scores,
            "plain text": None if self.plain_text is None else self.plain_text.train.digest,
        }
        return {name: digest_of_input(known) for name, known in {**self.learnt, **others}.items()}


@runtime_checkable
class Read(Protocol):
    """What a run has read: a `Job`, or plain text."""

    def contents(self) -> Mapping[str, Any]:
        """Digests of everything that was read."""


@dataclass(frozen=True)
class Outcome:
    """What a recipe ends with.

    Attributes:
        student: The network that learnt.
        teacher: What it learnt from; None for plain fine-tuning.
        figures: What `metrics.json` says of this recipe's own stages, by name.
        learnt: What the student learnt from, as it reads it; None = the training rows.
    """

    student: Network
    teacher: Network | None
    figures: Mapping[str, Any] = field(default_factory=dict)
    learnt: EncodedRows | None = None

    def rows(self, job: Job) -> EncodedRows:
        """What the student learnt from."""
        return job.train if self.learnt is None else self.learnt
