"""The rows of `predictions.jsonl`, as columns of numbers, and the mistakes worth showing."""

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from tinybert.report.values import mapping, number

SHOWN = 8  # mistakes in a report
_ABSENT = -1


class Mistake(NamedTuple):
    """One row that the student got wrong.

    Attributes:
        row: Number of the row in its file, from 1.
        weight: How sure the student was, 0 to 1; for scores how far off it was.
        gold: The true label or score.
        answers: By system, what each said.
        text: The row's text, where the file has it.
    """

    row: int
    weight: float
    gold: str | float
    answers: Mapping[str, str | float]
    text: str | None


@dataclass(frozen=True)
class Predictions:
    """Labelled rows and what each system said about them.

    Attributes:
        kind: Whether the columns hold class indices or scores.
        classes: Names of the classes; empty for scores.
        gold: True label or score of each row.
        answers: By system; only systems that answered every row.
        mistakes: The student's most confident (or farthest) mistakes, worst first.
    """

    kind: Literal["classification", "regression"]
    classes: tuple[str, ...]
    gold: np.ndarray
    answers: Mapping[str, np.ndarray]
    mistakes: tuple[Mistake, ...]

    def right(self, system: str) -> np.ndarray:
        """For each row, whether a classifier got it right."""
        return np.asarray(self.answers[system] == self.gold)


def read_predictions(records: Iterable[Mapping[str, Any]], classes: Sequence[str]) -> Predictions | None:
    """Turn records into columns, one pass, keeping numbers and the worst mistakes only.

    Args:
        records: Objects of `predictions.jsonl`; those without gold are passed over.
        classes: Names of the classes in order; names that turn up besides are added.

    Returns:
        None where no row is labelled, or the task is neither classification nor regression.
    """
    reader = _Reader(classes)
    for position, record in enumerate(records, start=1):
        reader.take(position, record)
    return reader.result()


class _Reader:
    """Collects columns; its memory is 8 bytes per row and system."""

    def __init__(self, classes: Sequence[str]) -> None:
        self.index = {name: position for position, name in enumerate(classes)}
        self.regression: bool | None = None
        self.columns: dict[str, list[float]] = {"gold": [], "student": [], "teacher": [], "student_int8": []}
        self.worst: list[tuple[float, int, Mistake]] = []

    def take(self, position: int, record: Mapping[str, Any]) -> None:
        """Add one row, if it says what was right and what the student said."""
        said = record.get("label", record.get("score"))
        if said is None or record.get("gold") is None:
            return
        if self.regression is None:
            self.regression = "label" not in record
        others = {system: record.get(system) for system in ("teacher", "student_int8")}
        raw = {"gold": record["gold"], "student": said, **others}
        for name, value in raw.items():
            self.columns[name].append(self._value(value))
        self._consider(position, record, raw)

    def result(self) -> Predictions | None:
        """The columns as arrays."""
        if self.regression is None:
            return None
        arrays = {name: np.array(values) for name, values in self.columns.items()}
        absent = np.isnan if self.regression else (lambda values: values == _ABSENT)
        if not self.regression:
            arrays = {name: values.astype(np.int64) for name, values in arrays.items()}
        if absent(arrays["gold"]).any() or absent(arrays["student"]).any():
            return None
        gold = arrays.pop("gold")
        answers = {name: values for name, values in arrays.items() if not absent(values).any()}
        mistakes = tuple(item[-1] for item in sorted(self.worst, reverse=True))
        kind: Literal["classification", "regression"] = "regression" if self.regression else "classification"
        return Predictions(kind, () if self.regression else tuple(self.index), gold, answers, mistakes)

    def _value(self, value: Any) -> float:
        if self.regression:
            known = number(value)
            return float("nan") if known is None else known
        return float(_ABSENT if value is None else self.index.setdefault(str(value), len(self.index)))

    def _consider(self, position: int, record: Mapping[str, Any], raw: Mapping[str, Any]) -> None:
        if (weight := self._weight(record, raw)) is None:
            return
        row = int(number(record.get("row")) or position)
        if len(self.worst) < SHOWN or (weight, -position) > self.worst[0][:2]:
            answers = {s: _shown(raw[s]) for s in ("teacher", "student", "student_int8") if raw[s] is not None}
            text = record.get("text")
            mistake = Mistake(row, weight, _shown(raw["gold"]), answers, None if text is None else str(text))
            push = heapq.heappush if len(self.worst) < SHOWN else heapq.heapreplace
            push(self.worst, (weight, -position, mistake))

    def _weight(self, record: Mapping[str, Any], raw: Mapping[str, Any]) -> float | None:
        """How bad a mistake is; None where there is none."""
        gold, said = self.columns["gold"][-1], self.columns["student"][-1]
        if self.regression:
            distance = abs(gold - said)
            return distance if distance > 0 else None
        if gold == said:
            return None
        return number(mapping(record.get("scores")).get(str(raw["student"]))) or 0.0


def _shown(value: Any) -> str | float:
    return value if isinstance(value, float) else str(value)
