"""Several labels for each text or pair of texts, or none: every label holds or does not."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, final

import numpy as np
import pyarrow as pa
from jaxtyping import Int
from scipy.special import expit
from transformers import PretrainedConfig

from tinybert.data.columns import Labels
from tinybert.data.encoded import EncodedRows
from tinybert.data.examples import Examples
from tinybert.data.label_lists import (
    called,
    has_lists,
    line_of_label,
    read_label_lists,
    resolve_label_lists,
    spellings_in,
)
from tinybert.data.labels import ClassMeaning, classes_of, meaning_by_head
from tinybert.data.problems import listed
from tinybert.data.read import DataInput, RawRows
from tinybert.data.readers import RowReader
from tinybert.data.scores import logits_of_labels, read_scores
from tinybert.data.settings import DataSettings, Scale
from tinybert.errors import UserError
from tinybert.models.heads import SEVERAL, Head, gives_several, names_of, noted_thresholds
from tinybert.objectives.binary import GoldBinaryCrossEntropy, SoftBinaryCrossEntropy
from tinybert.statistics import Strength, ranking_strength
from tinybert.tasks.base import LabelReader, Logits, OneDomain
from tinybert.tasks.calibration import Decisions
from tinybert.tasks.label_metrics import Holds, label_figures, multi_label_metrics
from tinybert.tasks.tables import TableTask
from tinybert.tasks.thresholds import USUAL, Wanted, fitted_threshold
from tinybert.types import Kind, Objective


@final
@dataclass(frozen=True)
class MultiLabel(TableTask):
    """Several labels for each text or pair of texts, or none; see `Task`.

    Attributes:
        thresholds: Of each label, the probability from which on it is said to hold; none = one half for all.
    """

    kind: ClassVar[Kind] = "multi-label"
    one_label: ClassVar[bool] = False
    can_flip: ClassVar[bool] = False
    has_thresholds: ClassVar[bool] = True
    figures: ClassVar[tuple[str, ...]] = ("micro_f1", "macro_f1", "sample_f1", "map")
    pipeline: ClassVar[str] = "text-classification"
    verb: ClassVar[str] = "labelling"
    pipeline_options: ClassVar[str] = "truncation=True, top_k=None"
    label_type: ClassVar[pa.DataType] = pa.large_list(pa.large_string())
    meaningless: ClassVar[tuple[str, ...]] = ("positive",)

    thresholds: tuple[float, ...] = ()

    @property
    def head(self) -> Head:
        """An output for each label, each with a sigmoid of its own."""
        return Head(self.classes, SEVERAL)

    @classmethod
    def recognises(cls, ending: str, reader: RowReader | None, settings: DataSettings) -> bool:  # noqa: ARG003
        """By `data.labels`, or by labels that are lists."""
        return bool(settings.labels) or (reader is not None and has_lists(reader, settings))

    @classmethod
    def fits(cls, labels: Sequence[str]) -> bool:  # noqa: ARG003
        """One label is no list."""
        return False

    @classmethod
    def read(cls, source: DataInput, settings: DataSettings, *, labels: Labels, name: str) -> RawRows:
        """See `Task`."""
        return read_label_lists(source, settings, labels=labels, name=name)

    @classmethod
    def begin(
        cls,
        train: RawRows,
        settings: DataSettings,
        head: tuple[str, ...] | None,
        *,
        insisted: bool,  # noqa: ARG003
    ) -> tuple["MultiLabel", LabelReader]:
        """The labels of the lists or of `data.labels`, or those of the teacher's head; see `Task`."""
        found = spellings_in(train)
        if head is not None:
            meaning = meaning_by_head(found, head, settings.label_map)
            _check_names(train, found, settings, meaning, head)
        else:
            names = called(settings.labels or found, settings.label_map)
            classes = tuple(dict.fromkeys(names)) if settings.labels else classes_of(names)
            meaning = ClassMeaning(classes, settings.label_map)
        if not called(found, settings.label_map):
            raise UserError(f"{train.name}: no row has a label; there is nothing to learn")
        return cls(meaning.classes, paired=train.paired), _Lists(meaning)

    @classmethod
    def made_for(cls, config: PretrainedConfig) -> bool:
        """See `Task`."""
        return gives_several(config)

    @classmethod
    def of_model(cls, config: PretrainedConfig, settings: DataSettings) -> "MultiLabel":  # noqa: ARG003
        """See `Task`; whether the model reads pairs is for its data to say."""
        classes = names_of(config)
        noted = noted_thresholds(config, len(classes))
        return cls(classes, tuple(noted[name] for name in classes if noted))

    def labels(self, settings: DataSettings) -> LabelReader:
        """See `Task`."""
        return _Lists(ClassMeaning(self.classes, settings.label_map, any_capitals=True))

    def spelled(self, label: Any) -> list[str]:
        """The names of the labels that hold."""
        return [name for name, holds in zip(self.classes, label, strict=True) if holds]

    def described(self, examples: Examples) -> str:
        """How many rows each label holds of, and how many have none."""
        labels = examples.needed_labels()
        counts = listed(f"{name} {count:,}" for name, count in zip(self.classes, labels.sum(axis=0), strict=True))
        return f"{counts}; without a label {int((labels.sum(axis=1) == 0).sum()):,}"

    def strata(self, examples: Examples) -> Int[np.ndarray, " rows"]:
        """The rarest label of each row; rows without any are a stratum of their own.

        So a rare label gets its share of dev; iterative stratification (Sechidis et al. 2011) would be closer for all.
        """
        labels = examples.needed_labels().astype(np.int64)
        rarity = np.where(labels == 1, labels.sum(axis=0), len(labels) + 1)
        return np.where(labels.any(axis=1), rarity.argmin(axis=1), len(self.classes))

    def gold(self) -> Objective:
        """Binary cross-entropy, the mean over the labels."""
        return GoldBinaryCrossEntropy()

    def soft(self, temperature: float, *, scaled: bool = False) -> Objective:
        """The same with the teacher's probabilities, both softened."""
        return SoftBinaryCrossEntropy(temperature, scaled=scaled)

    def fitted(self, logits: Logits, rows: EncodedRows, wanted: Wanted | None = None) -> "MultiLabel":
        """With the threshold of each label that suits some rows best, see `fitted_threshold`."""
        gold = rows.needed_labels()
        columns = zip(gold.T.astype(bool), expit(logits).T, strict=True)
        return replace(self, thresholds=tuple(fitted_threshold(*column, wanted) for column in columns))

    def note_in(self, config: PretrainedConfig) -> None:
        """The thresholds, by label."""
        if self.thresholds:
            config.thresholds = dict(zip(self.classes, self.thresholds, strict=True))

    def decisions(self, logits: Logits, rows: EncodedRows) -> Decisions:
        """Whether each label holds of each row: a sigmoid is a softmax beside a logit of 0."""
        flat, holds = logits.reshape(-1), rows.needed_labels().reshape(-1)
        return Decisions(np.stack([np.zeros_like(flat), flat], axis=1), holds.astype(np.int64))

    def metrics(self, logits: Logits, rows: EncodedRows) -> dict[str, float]:
        """See `multi_label_metrics`."""
        return multi_label_metrics(rows.needed_labels(), expit(logits), self._said(logits))

    def details(self, logits: Logits, rows: EncodedRows) -> Mapping[str, Any]:
        """Precision, recall, F1, average precision, rows and threshold of each label."""
        gold, scores, said = rows.needed_labels(), expit(logits), self._said(logits)
        columns = zip(self.classes, gold.T, scores.T, said.T, self._limits, strict=True)
        found = {name: {**label_figures(*column), "threshold": limit} for name, *column, limit in columns}
        return {"per_label": found}

    def strength(self, logits: Logits, rows: EncodedRows, rng: np.random.Generator) -> Strength:
        """Does it put texts that have a label before those that have not, more often than a coin?"""
        return ranking_strength(rows.needed_labels(), logits, rng)

    def predictions(self, logits: Logits, rows: EncodedRows) -> Iterator[dict[str, Any]]:
        """The labels that hold of each row, and the probability of every label."""
        said = self._said(logits)
        for row, holds, scores in zip(rows.needed_examples().rows, said, expit(logits), strict=True):
            by_label = {name: float(score) for name, score in zip(self.classes, scores, strict=True)}
            yield {"row": int(row), "labels": self.spelled(holds), "scores": by_label}

    def from_scores(self, source: DataInput, scale: Scale) -> Logits:
        """See `Task`; a number for each label."""
        return logits_of_labels(read_scores(source, self.classes), scale)

    def values(self, logits: Logits, rows: EncodedRows) -> list[tuple[int, ...]]:  # noqa: ARG002
        """0 or 1 for each label, by its threshold."""
        return [tuple(map(int, holds)) for holds in self._said(logits)]

    def gold_answers(self, rows: EncodedRows) -> list[list[str]]:
        """Names of labels."""
        return [self.spelled(holds) for holds in rows.needed_labels()]

    @property
    def _limits(self) -> tuple[float, ...]:
        return self.thresholds or (USUAL,) * len(self.classes)

    def _said(self, logits: Logits) -> Holds:
        return np.asarray(expit(logits) >= np.array(self._limits, logits.dtype))


@dataclass(frozen=True)
class _Lists(OneDomain):
    """A `LabelReader` of lists."""

    meaning: ClassMeaning

    def examples(self, rows: RawRows, *, needed: bool = True) -> Examples:
        return resolve_label_lists(rows, self.meaning, needed=needed)


def _check_names(
    train: RawRows, found: Sequence[str], settings: DataSettings, meaning: ClassMeaning, head: Sequence[str]
) -> None:
    if strange := meaning.strange(found, settings.skip_bad):
        raise UserError(
            f"{train.name}:{line_of_label(train, strange[0])}: the labels do not match the teacher's; labels: "
            f"{listed(found)}; the teacher's: {listed(head)}; rename labels with data.label_map={{label: other}}"
        )
