"""The rows of `predictions.jsonl`, as columns of numbers, and the mistakes worth showing."""

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool

from tinybert import statistics
from tinybert.report.values import mapping, number
from tinybert.statistics import Interval, PairedTest

SHOWN = 8  # mistakes in a report
SYSTEMS = ("teacher", "student", "student_int8")
_SEED = 0  # a report made twice from the same run is the same
_Numbered = tuple[int, Mapping[str, Any]]


class Mistake(NamedTuple):
    """One row that the student got wrong.

    Attributes:
        row: Number of the row in its file, from 1.
        weight: How sure the student was, 0 to 1; for scores how far off it was.
        gold: The true label or score.
        predicted: By system.
        text: The row's text or pair of texts; empty where the file has none.
    """

    row: int
    weight: float
    gold: str | float
    predicted: Mapping[str, str | float]
    text: str


class Predictions(NamedTuple):
    """Labelled rows and what each system predicted for them.

    Attributes:
        classes: Names of the classes; None where the columns hold scores, not indices of classes.
        gold: True label or score of each row.
        predicted: By system; only systems that predicted every row.
        rows: Number of each row in its file, from 1.
        mistakes: The student's most confident (or farthest) mistakes, worst first.
    """

    classes: tuple[str, ...] | None
    gold: np.ndarray
    predicted: Mapping[str, np.ndarray]
    rows: np.ndarray
    mistakes: Sequence[Mistake]

    @property
    def metric(self) -> str:
        """The metric whose intervals and differences rows can tell."""
        return "pearson" if self.classes is None else "accuracy"

    def interval(self, system: str) -> Interval:
        """95 % bootstrap interval of a system's metric over the rows."""
        predicted = self.predicted[system]
        if self.classes is None:
            return statistics.correlation_interval(self.gold, predicted, np.random.default_rng(_SEED))
        return statistics.accuracy_interval(predicted == self.gold)

    def where(self, chosen: Bool[np.ndarray, " row"]) -> "Predictions":
        """Some of the rows, without a look at mistakes."""
        predicted = {system: values[chosen] for system, values in self.predicted.items()}
        return self._replace(gold=self.gold[chosen], predicted=predicted, rows=self.rows[chosen], mistakes=())

    def compare(self, first: np.ndarray, second: np.ndarray) -> PairedTest:
        """The paired test, of the kind of the rows, of two systems' predictions for them."""
        if self.classes is None:
            return statistics.compare_scores(self.gold, first, second, np.random.default_rng(_SEED))
        return statistics.compare_classes(first == self.gold, second == self.gold)


def read_predictions(records: Iterable[Mapping[str, Any]], classes: Sequence[str]) -> Predictions | None:
    """Turn records into columns in one pass, with 8 bytes per row and system and the worst mistakes in memory.

    Args:
        records: Objects of `predictions.jsonl`; those without gold are passed over.
        classes: Names of the classes in order; names that turn up besides are added.

    Returns:
        None where no row is labelled, or the task is neither classification nor regression.
    """
    numbered = ((n, record) for n, record in enumerate(map(_renamed, records), start=1) if _labelled(record))
    if (first := next(numbered, None)) is None:
        return None
    scored, index = "label" not in first[1], {name: n for n, name in enumerate(classes)}

    def value(said: Any) -> float:
        if said is None:
            return float("nan")
        known = number(said) if scored else index.setdefault(str(said), len(index))
        return float("nan" if known is None else known)

    columns: dict[str, list[float]] = {name: [] for name in ("gold", *SYSTEMS)}
    rows: list[int] = []
    mistakes = _mistakes(chain([first], numbered), columns, rows, value, scored)
    worst = heapq.nlargest(SHOWN, mistakes, key=lambda mistake: mistake.weight)
    arrays = {name: np.array(column) for name, column in columns.items() if not np.isnan(column).any()}
    if not {"gold", "student"} <= set(arrays):
        return None
    arrays = arrays if scored else {name: array.astype(np.int64) for name, array in arrays.items()}
    return Predictions(None if scored else tuple(index), arrays.pop("gold"), arrays, np.array(rows), worst)


def _renamed(record: Mapping[str, Any]) -> Mapping[str, Any]:
    scored = None if "answer" in record else record.get("score")  # an answer's score says how sure it is
    return {**record, "student": record.get("label", scored)}


def _labelled(record: Mapping[str, Any]) -> bool:
    return record["student"] is not None and record.get("gold") is not None


def _mistakes(
    numbered: Iterable[_Numbered],
    columns: Mapping[str, list[float]],
    rows: list[int],
    value: Callable[[Any], float],
    scored: bool,
) -> Iterator[Mistake]:
    """All mistakes of the student; on the way, every row's values are added to the columns, its number to the rows."""
    for n, record in numbered:
        rows.append(int(number(record.get("row")) or n))
        for name, column in columns.items():
            column.append(value(record.get(name)))
        gold, student = columns["gold"][-1], columns["student"][-1]
        if gold != student:
            sure = number(mapping(record.get("scores")).get(str(record["student"])))
            predicted = {name: _shown(record[name]) for name in SYSTEMS if record.get(name) is not None}
            texts = [record.get("text"), record.get("pair")]
            text = " / ".join(str(text) for text in texts if text is not None)
            yield Mistake(
                rows[-1], abs(gold - student) if scored else sure or 0.0, _shown(record["gold"]), predicted, text
            )


def _shown(value: Any) -> str | float:
    return value if isinstance(value, float) else str(value)
