"""What a recipe is given to work on, and what it gives back."""

from dataclasses import dataclass

from transformers import PreTrainedModel, PreTrainedTokenizerFast

from tinybert.data.encoded import EncodedRows
from tinybert.data.examples import Examples
from tinybert.data.source_domain import SourceDomain
from tinybert.data.task import Splits, Task
from tinybert.models.student import Student


@dataclass(frozen=True)
class Job:
    """A task with its data, read, checked and encoded.

    Attributes:
        splits: The texts.
        train: Encoded training rows.
        dev: Encoded rows that decide which weights are kept.
        test: Encoded rows for the final figures; None where there are none.
        tokenizer: Of teacher and student, who share a vocabulary.
        max_length: Pieces per row.
        unlabeled: Further texts of the domain; None = there are none.
        source: Texts of another domain, as many of them as are used; None = there are none.
    """

    splits: Splits
    train: EncodedRows
    dev: EncodedRows
    test: EncodedRows | None
    tokenizer: PreTrainedTokenizerFast
    max_length: int
    unlabeled: Examples | None = None
    source: SourceDomain | None = None

    @property
    def task(self) -> Task:
        """What is to be learnt."""
        return self.splits.task

    def digests(self) -> dict[str, str]:
        """What a stage that learns the labels depends on."""
        return {"train": self.train.digest, "dev": self.dev.digest, "classes": ", ".join(self.task.classes)}


@dataclass(frozen=True)
class Outcome:
    """What a recipe ends with: the student, and the teacher it learnt from (None for plain fine-tuning)."""

    student: Student
    teacher: PreTrainedModel | None
