"""What the rest of the program asks of a kind of task; nobody else asks which kind it is."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
import pyarrow as pa
from jaxtyping import Float, Int
from transformers import PretrainedConfig

from tinybert.data.columns import Labels
from tinybert.data.encoded import EncodedRows
from tinybert.data.examples import Examples
from tinybert.data.read import DataInput, RawRows
from tinybert.data.readers import RowReader
from tinybert.data.rewrite_table import RowFilter
from tinybert.data.settings import DataSettings, Scale
from tinybert.data.source_domain import SourceDomain
from tinybert.errors import UserError
from tinybert.models.heads import Head
from tinybert.statistics import PairedTest, Strength, compare_classes
from tinybert.tasks.calibration import Decisions
from tinybert.tasks.thresholds import Wanted
from tinybert.types import Example, Kind, Objective

Logits = Float[np.ndarray, "answer label"]  # of each example, or of each word of all examples


@runtime_checkable
class LabelReader(Protocol):
    """Gives labels as they are spelled the values they have in a task."""

    def examples(self, rows: RawRows, *, needed: bool = True) -> Examples:
        """Rows with values for labels; where no row has one and none is `needed`, without.

        Raises:
            UserError: If labels are missing or strange in more rows than are tolerated; the line names file and row.
        """

    def source_domain(self, rows: RawRows) -> SourceDomain:
        """The rows of a second domain, whose labels may be others.

        Raises:
            UserError: If no row is left.
        """


class OneDomain:
    """A `LabelReader` of labels that are learnt from one domain only."""

    def source_domain(self, rows: RawRows) -> SourceDomain:
        """See `LabelReader`."""
        raise UserError(f"{rows.name}: only texts with a class or a score each are learnt from a second domain")


@dataclass(frozen=True)
class Task(ABC):
    """A kind of task: how its data are read and written, what networks learn of it, and how good they are.

    Attributes:
        kind: Its name.
        one_label: Whether every text has one class or score; some augmenters need that.
        can_flip: Whether a copy can turn into another class than its original's.
        figures: Names of the metrics; the first one is that by which weights are chosen where no other is named.
        pipeline: What the hub calls the use of such a model.
        verb: What the model does with its input, as in "classifying texts".
        pipeline_options: What a call of transformers' `pipeline` needs besides the text, as Python writes it.
        pipeline_note: What to know of such a call; `{max_length}` is the number of pieces that are read.
        usage: Python that uses a model (`MODEL`) with transformers where it has no pipeline for it; None = it has one.
        meaningless: Settings of the group `data` that say nothing about it.
        own_windows: Whether long texts are read in windows whatever `data.windows` says, since answers are of parts.
        classes: Names of the outputs, of tags too, in order; none where they are scores or positions.
        paired: Whether an example is a pair of texts.
        metric: The one that was named; None = none was.
    """

    kind: ClassVar[Kind]
    one_label: ClassVar[bool]
    can_flip: ClassVar[bool]
    figures: ClassVar[tuple[str, ...]]
    pipeline: ClassVar[str]
    verb: ClassVar[str]
    pipeline_options: ClassVar[str] = "truncation=True"
    pipeline_note: ClassVar[str] = (
        "`truncation=True` cuts after {max_length} pieces, as in training. Without it a longer input is read whole, "
        "although the model has learnt none so long; only one beyond the model's positions is an error."
    )
    usage: ClassVar[str | None] = None
    meaningless: ClassVar[tuple[str, ...]] = ()
    own_windows: ClassVar[bool] = False

    classes: tuple[str, ...] = ()
    paired: bool = field(default=False, kw_only=True)
    metric: str | None = field(default=None, kw_only=True)

    @property
    def outside(self) -> int | None:
        """The tag of words that belong to no entity; None where the task has none."""
        return None

    @classmethod
    @abstractmethod
    def recognises(cls, ending: str, reader: RowReader | None, settings: DataSettings) -> bool:
        """Whether a source has a form that only this kind has.

        Args:
            ending: Of its name, in small letters; "" = it is no file.
            reader: Of a source whose values have types, to be read once; None = it has not.
            settings: Of the group `data`.

        Raises:
            UserError: If its rows have to be read for that, and cannot be.
        """

    @classmethod
    @abstractmethod
    def fits(cls, labels: Sequence[str]) -> bool:
        """Whether the labels of a table, as they are spelled, are those of this kind."""

    @classmethod
    @abstractmethod
    def read(cls, source: DataInput, settings: DataSettings, *, labels: Labels, name: str) -> RawRows:
        """Read and check the rows of a source.

        Raises:
            UserError: If it is of no form that the kind is read from, or a row cannot be used.
        """

    @classmethod
    @abstractmethod
    def begin(
        cls, train: RawRows, settings: DataSettings, head: tuple[str, ...] | None, *, insisted: bool
    ) -> tuple["Task", LabelReader]:
        """The task that the labels of train make.

        Args:
            train: As read.
            settings: Of the group `data`.
            head: Names of the classes of the teacher's head; None = it has none, or no teacher has a say.
            insisted: Whether the user named the kind, so that odd labels are meant.

        Raises:
            UserError: If the labels cannot be what is meant.
        """

    @classmethod
    @abstractmethod
    def check_target(cls, source: DataInput, settings: DataSettings, target: Path) -> None:
        """Refuse what the source's copies could not be written to, and a source that has been augmented.

        Raises:
            UserError: If so.
        """

    @classmethod
    @abstractmethod
    def write_back(
        cls,
        source: DataInput,
        settings: DataSettings,
        chosen: RowFilter,
        copies: Iterable[Example],
        target: Path,
        ending: str,
    ) -> int:
        """Write originals and copies in the form that was read; how many rows were written.

        Args:
            source: What was augmented.
            settings: Of the group `data`.
            chosen: Says which of its rows to write.
            copies: Of these, in order.
            target: The file.
            ending: Which form it gets.
        """

    @property
    def figure(self) -> str:
        """The metric by which the best weights are chosen, and which reports put first."""
        return self.metric or self.figures[0]

    def chosen_by(self, metric: str | None) -> "Task":
        """The task with another metric to choose by.

        Raises:
            UserError: If it has no such metric.
        """
        if metric is not None and metric not in self.figures:
            raise UserError(f"data.metric: {self.kind} has no {metric}; it has {', '.join(self.figures)}")
        return replace(self, metric=metric)

    @property
    @abstractmethod
    def head(self) -> Head:
        """What the task asks of the head of a network."""

    @classmethod
    @abstractmethod
    def made_for(cls, config: PretrainedConfig) -> bool:
        """Whether a model with a task head was made for this kind."""

    @classmethod
    @abstractmethod
    def of_model(cls, config: PretrainedConfig, settings: DataSettings) -> "Task":
        """The task of a model that exists.

        Raises:
            UserError: If settings and model do not go together.
        """

    @abstractmethod
    def labels(self, settings: DataSettings) -> LabelReader:
        """Reads data for a model that exists; labels are matched to its classes whatever their capitals."""

    @abstractmethod
    def spelled(self, label: Any) -> Any:
        """A value of `Example.label` as people read it."""

    @property
    @abstractmethod
    def columns(self) -> pa.Schema:
        """Of a table of examples that reads as `--train` again."""

    @abstractmethod
    def cells(self, example: Example) -> tuple[Any, ...]:
        """A row of such a table."""

    @abstractmethod
    def described(self, examples: Examples) -> str:
        """What the log says of labels: how often each occurs, or their range."""

    @abstractmethod
    def strata(self, examples: Examples) -> Int[np.ndarray, " rows"] | None:
        """The class of each row, of which dev and few rows get their share; None where there are no classes."""

    def groups(self, examples: Examples) -> Int[np.ndarray, " rows"] | None:  # noqa: ARG002
        """Numbers of rows that stay together when dev is split off train, from 0; None = each goes by itself."""
        return None

    @abstractmethod
    def gold(self) -> Objective:
        """Learning from gold labels."""

    @abstractmethod
    def soft(self, temperature: float, *, scaled: bool = False) -> Objective:
        """Learning from what the teacher gives, softened by a temperature, `scaled` by its square, where possible."""

    def balanced(self, train: Examples) -> "Task":  # noqa: ARG002
        """The task with losses in which rare classes count more, by how often each occurs in train.

        Raises:
            UserError: If it has no classes.
        """
        raise UserError(
            f"data.class_weights=balanced: weighs the classes of classification, not {self.kind}; leave it out"
        )

    @property
    def has_thresholds(self) -> bool:
        """Whether a probability can decide what is said, so that precision is traded for recall."""
        return False

    def fitted(self, logits: Logits, rows: EncodedRows, wanted: Wanted | None = None) -> "Task":  # noqa: ARG002
        """The task as one model is used with it, with whatever is fitted on dev, such as thresholds; itself if nothing.

        Args:
            logits: The model's, of dev.
            rows: Dev.
            wanted: What thresholds have to reach; only of a task that has some.
        """
        return self

    def note_in(self, config: PretrainedConfig) -> None:  # noqa: B027  most kinds note nothing
        """Note in a model's configuration what `fitted` found, for `of_model` and for other programs."""

    def decisions(self, logits: Logits, rows: EncodedRows) -> Decisions | None:  # noqa: ARG002
        """What a model chooses between, of rows with labels; None where answers have no probability of their own."""
        return None

    @abstractmethod
    def metrics(self, logits: Logits, rows: EncodedRows) -> dict[str, float]:
        """The figures of `metrics.json` by name; whatever is undefined is 0, never NaN.

        Raises:
            ValueError: If there is no row, or the rows have no labels.
        """

    @abstractmethod
    def details(self, logits: Logits, rows: EncodedRows) -> Mapping[str, Any]:
        """Further figures, which `metrics.json` lists by name and then by system."""

    @abstractmethod
    def strength(self, logits: Logits, rows: EncodedRows, rng: np.random.Generator) -> Strength:
        """Whether a teacher knows more than one that always says the same."""

    @abstractmethod
    def predictions(self, logits: Logits, rows: EncodedRows) -> Iterator[dict[str, Any]]:
        """One JSON object per example, as in `predictions.jsonl` and from `tinybert predict`."""

    def from_scores(self, source: DataInput, scale: Scale) -> Logits:  # noqa: ARG002
        """The logits that a teacher's scores in a file stand for, one row for each of its rows.

        Raises:
            UserError: If a row is not what it should be, or the kind is not learnt from such files.
        """
        raise UserError(f"--teacher-scores: a row has the scores of a whole text; this is {self.kind}")

    @abstractmethod
    def values(self, logits: Logits, rows: EncodedRows) -> list[Any]:
        """The prediction for each example as a value of `Example.label`."""

    def restored(self, value: Any) -> Any:
        """One of `values` that was kept as JSON."""
        return tuple(value) if isinstance(value, list) else value

    def answers(self, logits: Logits, rows: EncodedRows) -> list[Any]:
        """The bare prediction for each example, as people read it."""
        return [self.spelled(value) for value in self.values(logits, rows)]

    def flipped(self, first: Sequence[Any], second: Sequence[Any]) -> list[int] | None:
        """Which of the `answers` of two systems differ; None where they are scores, which always do."""
        return [number for number, (one, other) in enumerate(zip(first, second, strict=True)) if one != other]

    def agreement(self, first: Logits, second: Logits, rows: EncodedRows) -> float | None:
        """The share of answers that two systems have in common; None where answers are scores."""
        said = self.answers(first, rows)
        flips = self.flipped(said, self.answers(second, rows))
        return None if flips is None else 1 - len(flips) / len(said)

    def compared(
        self,
        gold: Sequence[Any],
        first: Sequence[Any],
        second: Sequence[Any],
        rng: np.random.Generator,  # noqa: ARG002
    ) -> PairedTest:
        """Whether one of two systems is better, by their `answers` and the gold ones: how many are wholly right."""
        one, other = (
            np.array([self.is_right(*pair) for pair in zip(said, gold, strict=True)]) for said in (first, second)
        )
        return compare_classes(one, other)

    def is_right(self, answer: Any, gold: Any) -> bool:
        """Whether one of `answers` is right; `gold` is one of `gold_answers`."""
        return bool(answer == gold)

    @abstractmethod
    def gold_answers(self, rows: EncodedRows) -> list[Any]:
        """Gold labels in the form of `answers`."""
