"""One score for each text or pair of texts."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
import pyarrow as pa
from jaxtyping import Float
from scipy import stats
from transformers import PretrainedConfig

from tinybert.data.encoded import EncodedRows
from tinybert.data.examples import Examples
from tinybert.data.labels import ScoreMeaning, are_scores, without_gold
from tinybert.data.problems import listed
from tinybert.data.read import DataInput, RawRows
from tinybert.data.resolve import spellings
from tinybert.data.scores import read_scores
from tinybert.data.settings import DataSettings, Scale
from tinybert.errors import UserError
from tinybert.models.heads import SCORE, Head, gives_score
from tinybert.objectives.prediction import GoldMSE, ScoreMSE
from tinybert.statistics import PairedTest, Strength, compare_scores, regressor_strength
from tinybert.tasks.base import LabelReader, Logits
from tinybert.tasks.metrics import check_rows, defined, silent_on_undefined
from tinybert.tasks.tables import TableLabels, TableTask
from tinybert.types import Kind, Objective


@final
@dataclass(frozen=True)
class Regression(TableTask):
    """One score for each text or pair of texts; see `Task`."""

    kind: ClassVar[Kind] = "regression"
    one_label: ClassVar[bool] = True
    can_flip: ClassVar[bool] = False
    figures: ClassVar[tuple[str, ...]] = ("pearson", "spearman")
    pipeline: ClassVar[str] = "text-classification"
    verb: ClassVar[str] = "scoring"
    label_type: ClassVar[pa.DataType] = pa.float64()
    meaningless: ClassVar[tuple[str, ...]] = ("labels", "positive")

    @property
    def head(self) -> Head:
        """One output."""
        return SCORE

    @classmethod
    def fits(cls, labels: Sequence[str]) -> bool:
        """Numbers that are not all whole."""
        return are_scores(labels)

    @classmethod
    def begin(
        cls, train: RawRows, settings: DataSettings, head: tuple[str, ...] | None, *, insisted: bool
    ) -> tuple["Regression", LabelReader]:
        """See `Task`."""
        if not insisted and head is not None and len(head) > 1:
            raise UserError(
                f"{train.name}: the labels are scores, but the teacher's head has classes: {listed(head)}; give a "
                "teacher without a head, or data.label=COLUMN"
            )
        meaning = ScoreMeaning(without_gold(spellings(train).names, settings.label_map))
        return cls(paired=train.paired), TableLabels(meaning)

    @classmethod
    def made_for(cls, config: PretrainedConfig) -> bool:
        """See `Task`."""
        return gives_score(config)

    @classmethod
    def of_model(cls, config: PretrainedConfig, settings: DataSettings) -> "Regression":  # noqa: ARG003
        """See `Task`; whether the model reads pairs is for its data to say."""
        return cls()

    def labels(self, settings: DataSettings) -> LabelReader:
        """See `Task`."""
        return TableLabels(ScoreMeaning(settings.label_map))

    def spelled(self, label: float) -> float:
        """The score itself."""
        return label

    def described(self, examples: Examples) -> str:
        """The range of the scores."""
        scores = examples.needed_labels()
        return f"scores {scores.min():g} to {scores.max():g}"

    def strata(self, examples: Examples) -> None:
        """Scores have no classes."""

    def gold(self) -> Objective:
        """Squared error."""
        return GoldMSE()

    def soft(self, temperature: float, *, scaled: bool = False) -> Objective:  # noqa: ARG002
        """Squared error to the teacher's score, which no temperature softens."""
        return ScoreMSE()

    def metrics(self, logits: Logits, rows: EncodedRows) -> dict[str, float]:
        """See `regression_metrics`."""
        return regression_metrics(rows.needed_labels(), logits[:, 0])

    def details(self, logits: Logits, rows: EncodedRows) -> Mapping[str, Any]:  # noqa: ARG002
        """There are none."""
        return {}

    def strength(self, logits: Logits, rows: EncodedRows, rng: np.random.Generator) -> Strength:
        """Is its correlation with the gold scores above 0?"""
        return regressor_strength(rows.needed_labels(), logits[:, 0], rng)

    def predictions(self, logits: Logits, rows: EncodedRows) -> Iterator[dict[str, Any]]:
        """The score of each row."""
        for row, score in zip(rows.needed_examples().rows, logits[:, 0], strict=True):
            yield {"row": int(row), "score": float(score)}

    def from_scores(self, source: DataInput, scale: Scale) -> Logits:  # noqa: ARG002
        """See `Task`; the score itself, from a column `score`."""
        return read_scores(source, ("score",)).values

    def values(self, logits: Logits, rows: EncodedRows) -> list[float]:  # noqa: ARG002
        """Scores."""
        return [float(score) for score in logits[:, 0]]

    def flipped(self, first: Sequence[Any], second: Sequence[Any]) -> None:
        """Scores differ a little always."""

    def compared(
        self, gold: Sequence[Any], first: Sequence[Any], second: Sequence[Any], rng: np.random.Generator
    ) -> PairedTest:
        """By their correlations with the gold scores; last bits, in which forms of one model differ, count for none."""
        one, other = np.array(first), np.array(second)
        return compare_scores(np.array(gold), one, np.where(np.isclose(one, other), one, other), rng)

    def gold_answers(self, rows: EncodedRows) -> list[float]:
        """Scores."""
        return [float(score) for score in rows.needed_labels()]


def regression_metrics(gold: Float[np.ndarray, " row"], predicted: Float[np.ndarray, " row"]) -> dict[str, float]:
    """Pearson's and Spearman's correlation; 0 where a side is constant.

    Raises:
        ValueError: If there is no row or the lengths differ.
    """
    check_rows(gold, predicted)
    if _constant(gold) or _constant(predicted):
        return {"pearson": 0.0, "spearman": 0.0}
    with silent_on_undefined():
        pearson, spearman = stats.pearsonr(gold, predicted), stats.spearmanr(gold, predicted)
    return {"pearson": defined(pearson.statistic), "spearman": defined(spearman.statistic)}


def _constant(values: np.ndarray) -> bool:
    return bool(np.all(values == values[0]))
