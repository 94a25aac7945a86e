"""One class for each text or pair of texts."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, final

import numpy as np
import pyarrow as pa
from jaxtyping import Float, Int
from scipy.special import softmax
from sklearn import metrics as sk
from transformers import PretrainedConfig

from tinybert.data.doubtful import check_columns_not_swapped, check_plausible
from tinybert.data.encoded import EncodedRows
from tinybert.data.examples import Examples
from tinybert.data.labels import (
    ClassMeaning,
    are_scores,
    classes_of,
    meaning_by_head,
    positive_class,
    without_gold,
)
from tinybert.data.problems import listed
from tinybert.data.read import DataInput, RawRows
from tinybert.data.resolve import Spellings, line_of, spellings
from tinybert.data.scores import logits_of_classes, read_scores
from tinybert.data.settings import DataSettings, Scale
from tinybert.data.spelling import renamed
from tinybert.errors import UserError
from tinybert.models.heads import Head, gives_score, gives_several, names_of, noted_thresholds
from tinybert.objectives.prediction import GoldCrossEntropy, SoftCrossEntropy
from tinybert.statistics import Strength, classifier_strength
from tinybert.tasks.base import LabelReader, Logits
from tinybert.tasks.calibration import Decisions
from tinybert.tasks.label_metrics import label_figures
from tinybert.tasks.metrics import check_rows, defined, silent_on_undefined
from tinybert.tasks.tables import TableLabels, TableTask
from tinybert.tasks.thresholds import Wanted, fitted_threshold
from tinybert.types import Kind, Objective


@final
@dataclass(frozen=True)
class Classification(TableTask):
    """One class for each text or pair of texts; see `Task`.

    Attributes:
        positive: The class that F1 calls positive; None unless there are two.
        weights: What each class counts in losses; none = all the same.
        threshold: The probability from which on the positive class is said; None = where it is the likelier one.
    """

    kind: ClassVar[Kind] = "classification"
    one_label: ClassVar[bool] = True
    can_flip: ClassVar[bool] = True
    figures: ClassVar[tuple[str, ...]] = ("accuracy", "f1", "macro_f1", "mcc")
    pipeline: ClassVar[str] = "text-classification"
    verb: ClassVar[str] = "classifying"
    label_type: ClassVar[pa.DataType] = pa.string()
    meaningless: ClassVar[tuple[str, ...]] = ("labels",)

    positive: int | None = None
    weights: tuple[float, ...] = ()
    threshold: float | None = None

    @property
    def head(self) -> Head:
        """An output for each class."""
        return Head(self.classes)

    @classmethod
    def fits(cls, labels: Sequence[str]) -> bool:
        """Whatever is not scores."""
        return not are_scores(labels)

    @classmethod
    def begin(
        cls, train: RawRows, settings: DataSettings, head: tuple[str, ...] | None, *, insisted: bool
    ) -> tuple["Classification", LabelReader]:
        """The classes that the labels name, or those of the teacher's head; see `Task`."""
        found = spellings(train)
        label_map = without_gold(found.names, settings.label_map)
        if not insisted:
            check_columns_not_swapped(train, found)
        if head is not None:
            meaning = meaning_by_head(found.names, head, label_map)
            _check_names(train, found, settings, meaning, head)
        else:
            called = {spelling: name for spelling in found.names if (name := renamed(spelling, label_map)) is not None}
            check_plausible(train, found, called, insisted=insisted)
            meaning = ClassMeaning(classes_of(list(called.values())), label_map)
        positive = positive_class(meaning.classes, settings.positive)
        return cls(meaning.classes, positive, paired=train.paired), TableLabels(meaning)

    @classmethod
    def made_for(cls, config: PretrainedConfig) -> bool:
        """See `Task`."""
        return not gives_score(config) and not gives_several(config)

    @classmethod
    def of_model(cls, config: PretrainedConfig, settings: DataSettings) -> "Classification":
        """See `Task`; whether the model reads pairs is for its data to say."""
        classes = names_of(config)
        noted = noted_thresholds(config, 1 if len(classes) == 2 else 0)
        chosen = getattr(config, "positive", None)
        chosen = settings.positive or (chosen if chosen in classes else None)
        positive = positive_class(classes, next(iter(noted), chosen))
        return cls(classes, positive, threshold=next(iter(noted.values()), None))

    def labels(self, settings: DataSettings) -> LabelReader:
        """See `Task`."""
        return TableLabels(
            ClassMeaning(self.classes, without_gold(self.classes, settings.label_map), any_capitals=True)
        )

    def spelled(self, label: int) -> str:
        """The name of a class."""
        return self.classes[label]

    def described(self, examples: Examples) -> str:
        """How many rows each class has."""
        counts = np.bincount(examples.needed_labels(), minlength=len(self.classes))
        return listed(f"{name} {count:,}" for name, count in zip(self.classes, counts, strict=True))

    def strata(self, examples: Examples) -> Int[np.ndarray, " rows"]:
        """The class of each row."""
        return examples.needed_labels()

    def balanced(self, train: Examples) -> "Classification":
        """Weights n / (k n_c), for n rows, k classes that occur and n_c rows of a class (King and Zeng 2001)."""
        counts = np.bincount(train.needed_labels(), minlength=len(self.classes))
        weights = len(train) / (np.count_nonzero(counts) * np.maximum(counts, 1))
        return replace(self, weights=tuple(float(weight) for weight in np.where(counts > 0, weights, 1.0)))

    def gold(self) -> Objective:
        """Cross-entropy."""
        return GoldCrossEntropy(self.weights)

    def soft(self, temperature: float, *, scaled: bool = False) -> Objective:
        """Cross-entropy of the two distributions, both softened."""
        return SoftCrossEntropy(temperature, scaled=scaled, weights=self.weights)

    @property
    def has_thresholds(self) -> bool:
        """With two classes."""
        return self.positive is not None

    def fitted(self, logits: Logits, rows: EncodedRows, wanted: Wanted | None = None) -> "Classification":
        """With the threshold of the positive class where one is wanted, see `fitted_threshold`."""
        if wanted is None:
            return self
        holds = rows.needed_labels() == self.positive
        return replace(self, threshold=fitted_threshold(holds, self._share(logits), wanted))

    def note_in(self, config: PretrainedConfig) -> None:
        """The positive class where it was chosen, the threshold by it; a student does not keep those of its teacher."""
        for name in ("positive", "thresholds"):
            config.__dict__.pop(name, None)
        if self.positive != positive_class(self.classes, None):
            config.positive = self.classes[self._positive]
        if self.threshold is not None:
            config.thresholds = {self.classes[self._positive]: self.threshold}

    def decisions(self, logits: Logits, rows: EncodedRows) -> Decisions:
        """The class of each row."""
        return Decisions(logits, rows.needed_labels())

    def metrics(self, logits: Logits, rows: EncodedRows) -> dict[str, float]:
        """See `classification_metrics`."""
        return classification_metrics(rows.needed_labels(), self._said(logits), self.classes, self.positive)

    def details(self, logits: Logits, rows: EncodedRows) -> Mapping[str, Any]:
        """The confusion matrix; with a threshold also what it reaches."""
        gold, said = rows.needed_labels(), self._said(logits)
        found: dict[str, Any] = {"confusion": confusion_counts(gold, said, len(self.classes))}
        if self.threshold is not None:
            holds, told = gold == self.positive, said == self.positive
            reached = label_figures(holds.astype(np.uint8), self._share(logits), told)
            found["per_label"] = {self.classes[self._positive]: {**reached, "threshold": self.threshold}}
        return found

    def strength(self, logits: Logits, rows: EncodedRows, rng: np.random.Generator) -> Strength:
        """Is it better than always giving the majority class?"""
        return classifier_strength(rows.needed_labels(), logits.argmax(axis=1), rng)

    def predictions(self, logits: Logits, rows: EncodedRows) -> Iterator[dict[str, Any]]:
        """Label and scores of each row."""
        told = zip(rows.needed_examples().rows, self._said(logits), softmax(logits, axis=1), strict=True)
        for row, said, scores in told:
            by_class = {name: float(score) for name, score in zip(self.classes, scores, strict=True)}
            yield {"row": int(row), "label": self.classes[int(said)], "scores": by_class}

    def from_scores(self, source: DataInput, scale: Scale) -> Logits:
        """See `Task`; a number for each class."""
        return logits_of_classes(read_scores(source, self.classes), scale)

    def values(self, logits: Logits, rows: EncodedRows) -> list[int]:  # noqa: ARG002
        """The likeliest class of each row, or what the threshold says."""
        return [int(index) for index in self._said(logits)]

    def gold_answers(self, rows: EncodedRows) -> list[str]:
        """Names of classes."""
        return [self.classes[index] for index in rows.needed_labels()]

    @property
    def _positive(self) -> int:
        assert self.positive is not None  # of two classes one is
        return self.positive

    def _share(self, logits: Logits) -> Float[np.ndarray, " row"]:
        """The probability of the positive class."""
        return np.asarray(softmax(logits, axis=1)[:, self._positive])

    def _said(self, logits: Logits) -> Int[np.ndarray, " row"]:
        if self.threshold is None:
            return np.asarray(logits.argmax(axis=1))
        return np.where(self._share(logits) >= self.threshold, self._positive, 1 - self._positive)


def _check_names(
    train: RawRows, found: Spellings, settings: DataSettings, meaning: ClassMeaning, head: tuple[str, ...]
) -> None:
    if strange := meaning.strange(found.names, settings.skip_bad):
        raise UserError(
            f"{train.name}:{line_of(train, found, strange[0])}: the labels do not match the teacher's classes; labels: "
            f"{listed(found.names)}; classes: {listed(head)}; rename labels with data.label_map={{label: class}}"
        )


def classification_metrics(
    gold: Int[np.ndarray, " row"],
    predicted: Int[np.ndarray, " row"],
    classes: Sequence[str],
    positive: int | None,
) -> dict[str, float]:
    """Accuracy, F1, macro-F1 and Matthews' correlation of predicted classes.

    Args:
        gold: Index of the true class of each row.
        predicted: Index of the predicted class of each row.
        classes: Names of the classes, in the order of their indices.
        positive: Index of the class whose F1 is `f1` when there are two classes; with more, `f1` is the macro-F1.

    Returns:
        `accuracy`, `f1`, `macro_f1` (the mean over all classes, also those that do not occur), `mcc`.

    Raises:
        ValueError: If there is no row, the lengths differ, or two classes come without a positive one.
    """
    check_rows(gold, predicted)
    labels = np.arange(len(classes))
    with silent_on_undefined():
        per_class = sk.f1_score(gold, predicted, labels=labels, average=None, zero_division=0.0)
        mcc = sk.matthews_corrcoef(gold, predicted)
    macro = float(np.mean(per_class))
    if len(classes) == 2 and positive is None:
        raise ValueError("two classes need to know which one F1 calls positive")
    return {
        "accuracy": float(np.mean(gold == predicted)),
        "f1": float(per_class[positive]) if len(classes) == 2 else macro,
        "macro_f1": macro,
        "mcc": defined(mcc),
    }


def confusion_counts(gold: Int[np.ndarray, " row"], predicted: Int[np.ndarray, " row"], n: int) -> list[list[int]]:
    """Counts of rows by gold class (first index) and predicted class (second), for `n` classes."""
    counts = np.bincount(gold.astype(np.int64) * n + predicted.astype(np.int64), minlength=n * n)
    return [[int(count) for count in row] for row in counts.reshape(n, n)]
