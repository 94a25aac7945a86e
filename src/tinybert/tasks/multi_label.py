"""Several labels for each text or pair of texts, or none: every label holds or does not."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, final

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Float, Int, UInt8
from scipy.special import expit
from sklearn import metrics as sk
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
from tinybert.data.read import STDIN, DataInput, Rows, path_of
from tinybert.data.settings import DataSettings
from tinybert.data.source_domain import SourceDomain
from tinybert.errors import UserError
from tinybert.models.heads import SEVERAL, Head, gives_several, head_classes, noted_thresholds
from tinybert.objectives.binary import GoldBinaryCrossEntropy, SoftBinaryCrossEntropy
from tinybert.tasks.base import LabelReader, Logits
from tinybert.tasks.metrics import check_rows
from tinybert.tasks.statistics import Strength, ranking_strength
from tinybert.tasks.tables import TableTask
from tinybert.types import Kind, Objective

_LIST_ENDINGS = (".jsonl", ".parquet")
USUAL = 0.5  # the threshold of a label for which none was fitted

Holds = Bool[np.ndarray, "row label"]


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
    figure: ClassVar[str] = "micro_f1"
    pipeline: ClassVar[str] = "text-classification"
    verb: ClassVar[str] = "labelling"
    pipeline_options: ClassVar[str] = "truncation=True, top_k=None"
    label_type: ClassVar[pa.DataType] = pa.large_list(pa.large_string())

    thresholds: tuple[float, ...] = ()

    @property
    def head(self) -> Head:
        """An output for each label, each with a sigmoid of its own."""
        return Head(self.classes, SEVERAL)

    @classmethod
    def recognises(cls, source: DataInput, settings: DataSettings) -> bool:
        """By `data.labels`, or by labels that are lists."""
        if settings.labels:
            return True
        path = path_of(source)
        if str(source) == STDIN or (path is not None and path.suffix.lower() not in _LIST_ENDINGS):
            return False
        return has_lists(source, settings)

    @classmethod
    def fits(cls, labels: Sequence[str]) -> bool:  # noqa: ARG003
        """One label is no list."""
        return False

    @classmethod
    def read(cls, source: DataInput, settings: DataSettings, *, labels: Labels, name: str) -> Rows:
        """See `TaskData`."""
        return read_label_lists(source, settings, labels=labels, name=name)

    @classmethod
    def begin(
        cls,
        train: Rows,
        settings: DataSettings,
        head: tuple[str, ...] | None,
        *,
        insisted: bool,  # noqa: ARG003
    ) -> tuple["MultiLabel", LabelReader]:
        """The labels of the lists or of `data.labels`, or those of the teacher's head; see `TaskData`."""
        if settings.positive is not None:
            raise UserError(f"data.positive={settings.positive}: only of two classes one is positive; leave it out")
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
        classes = head_classes(config) or tuple(str(config.id2label[number]) for number in range(config.num_labels))
        return cls(classes, noted_thresholds(config, classes))

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

    def fitted(self, logits: Logits, rows: EncodedRows) -> "MultiLabel":
        """With the threshold of each label that gives it the best F1 on some rows."""
        gold = rows.needed_labels()
        columns = zip(gold.T.astype(bool), expit(logits).T, strict=True)
        return replace(self, thresholds=tuple(best_threshold(holds, scores) for holds, scores in columns))

    def note_in(self, config: PretrainedConfig) -> None:
        """The thresholds, by label."""
        if self.thresholds:
            config.thresholds = dict(zip(self.classes, self.thresholds, strict=True))

    def metrics(self, logits: Logits, rows: EncodedRows) -> dict[str, float]:
        """See `multi_label_metrics`."""
        return multi_label_metrics(rows.needed_labels(), expit(logits), self._said(logits))

    def details(self, logits: Logits, rows: EncodedRows) -> Mapping[str, Any]:
        """Precision, recall, F1, average precision, rows and threshold of each label."""
        gold, scores, said = rows.needed_labels(), expit(logits), self._said(logits)
        columns = zip(self.classes, gold.T, scores.T, said.T, self._limits, strict=True)
        return {"per_label": {label: {**_figures(*column), "threshold": limit} for label, *column, limit in columns}}

    def strength(self, logits: Logits, rows: EncodedRows, rng: np.random.Generator) -> Strength:
        """Does it put texts that have a label before those that have not, more often than a coin?"""
        return ranking_strength(rows.needed_labels(), logits, rng)

    def predictions(self, logits: Logits, rows: EncodedRows) -> Iterator[dict[str, Any]]:
        """The labels that hold of each row, and the probability of every label."""
        said = self._said(logits)
        for row, holds, scores in zip(rows.needed_examples().rows, said, expit(logits), strict=True):
            by_label = {name: float(score) for name, score in zip(self.classes, scores, strict=True)}
            yield {"row": int(row), "labels": self.spelled(holds), "scores": by_label}

    def answers(self, logits: Logits, rows: EncodedRows) -> list[list[str]]:  # noqa: ARG002
        """Names of labels."""
        return [self.spelled(holds) for holds in self._said(logits)]

    def gold_answers(self, rows: EncodedRows) -> list[list[str]]:
        """Names of labels."""
        return [self.spelled(holds) for holds in rows.needed_labels()]

    @property
    def _limits(self) -> tuple[float, ...]:
        return self.thresholds or (USUAL,) * len(self.classes)

    def _said(self, logits: Logits) -> Holds:
        return np.asarray(expit(logits) >= np.array(self._limits, logits.dtype))


@dataclass(frozen=True)
class _Lists:
    """A `LabelReader` of lists."""

    meaning: ClassMeaning

    def examples(self, rows: Rows, *, needed: bool = True) -> Examples:
        return resolve_label_lists(rows, self.meaning, needed=needed)

    def source_domain(self, rows: Rows) -> SourceDomain:
        raise UserError(f"{rows.name}: only texts with a class or a score each are learnt from a second domain")


def _check_names(
    train: Rows, found: Sequence[str], settings: DataSettings, meaning: ClassMeaning, head: Sequence[str]
) -> None:
    strange = [name for name in found if meaning.value(name) is None and not meaning.leaves_out(name)]
    if strange and (not settings.skip_bad or len(strange) == len(found)):
        raise UserError(
            f"{train.name}:{line_of_label(train, strange[0])}: the labels do not match the teacher's; labels: "
            f"{listed(found)}; the teacher's: {listed(head)}; rename labels with data.label_map={{label: other}}"
        )


def best_threshold(holds: Bool[np.ndarray, " row"], scores: Float[np.ndarray, " row"]) -> float:
    """The threshold of one label with the best F1 on some rows, halfway between two scores.

    Of several that are as good the one nearest one half; one half where the label holds of no row, or of all.

    Args:
        holds: Whether the label does.
        scores: Its probabilities.

    Example:
        >>> best_threshold(np.array([False, True, True]), np.array([0.25, 0.375, 0.5]))
        0.3125
    """
    if not holds.any() or holds.all():
        return USUAL
    order = np.argsort(-scores, kind="stable")
    scores, right = scores[order].astype(np.float64), np.cumsum(holds[order])
    f1 = 2 * right / (np.arange(1, len(right) + 1) + holds.sum())
    ends = np.flatnonzero(np.append(scores[:-1] > scores[1:], True))  # equal scores are said together
    below = np.append(scores[1:], 0.0)[ends]
    limits = (scores[ends] + below) / 2
    best = f1[ends] >= f1[ends].max() - 1e-12
    return float(limits[best][np.abs(limits[best] - USUAL).argmin()])


def multi_label_metrics(
    gold: UInt8[np.ndarray, "row label"], scores: Float[np.ndarray, "row label"], said: Holds
) -> dict[str, float]:
    """F1 over all decisions, over labels and over texts, and the mean average precision.

    Args:
        gold: 1 where a label holds.
        scores: The probability of each.
        said: Which labels are said to hold.

    Returns:
        `micro_f1`; `macro_f1`, the mean over all labels, 0 for one that is neither there nor said; `sample_f1`, the
        mean over texts, 1 for one that rightly gets no label; `map`, the mean over the labels that hold of some text.

    Raises:
        ValueError: If there is no row or the numbers differ.
    """
    check_rows(gold, said)
    right, total = gold.astype(bool) & said, gold.astype(np.int64) + said
    return {
        "micro_f1": float(_f1(right.sum(), total.sum(), 0.0)),
        "macro_f1": float(_f1(right.sum(axis=0), total.sum(axis=0), 0.0).mean()),
        "sample_f1": float(_f1(right.sum(axis=1), total.sum(axis=1), 1.0).mean()),
        "map": _mean_of_there(gold, scores),
    }


def _f1(right: Any, total: Any, undefined: float) -> Any:
    """F1 of what is right out of all that is there plus all that is said."""
    return np.where(total > 0, 2 * right / np.maximum(total, 1), undefined)


def _mean_of_there(gold: UInt8[np.ndarray, "row label"], scores: Float[np.ndarray, "row label"]) -> float:
    found = [average_precision(holds, column) for holds, column in zip(gold.T, scores.T, strict=True) if holds.any()]
    return float(np.mean(found)) if found else 0.0


def _figures(
    gold: UInt8[np.ndarray, " row"], scores: Float[np.ndarray, " row"], said: Bool[np.ndarray, " row"]
) -> dict[str, float | int]:
    right, there, told = (int(part.sum()) for part in (gold.astype(bool) & said, gold, said))
    return {
        "rows": there,
        "precision": right / max(told, 1),
        "recall": right / max(there, 1),
        "f1": float(_f1(right, there + told, 0.0)),
        "average_precision": average_precision(gold, scores),
    }


def average_precision(gold: UInt8[np.ndarray, " row"], scores: Float[np.ndarray, " row"]) -> float:
    """Average precision of one label; 0 where it holds of no row."""
    return float(sk.average_precision_score(gold, scores)) if gold.any() else 0.0
