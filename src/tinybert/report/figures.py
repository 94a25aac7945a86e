"""What was measured, beside each other: costs and scores of the systems of a run, or of several runs."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from tinybert.report import words
from tinybert.report.predictions import SYSTEMS
from tinybert.report.read import RunFiles
from tinybert.statistics import over_seeds


class Cell(NamedTuple):
    """A value and what stands below it in small print."""

    text: str
    details: Sequence[str] = ()


class Measure(NamedTuple):
    """A measure, with one cell a system."""

    name: str
    unit: str
    cells: Sequence[Cell]


class Block(NamedTuple):
    """Rows under one heading."""

    title: str
    rows: Sequence[Measure]


class Cost(NamedTuple):
    """Something of which less is better.

    Attributes:
        name: What it is.
        unit: Small print below the name.
        values: By system; None where it was not measured.
        text: A value in words.
        gained: What having less of it is called, having more, and having as much.
    """

    name: str
    unit: str
    values: Mapping[str, float | None]
    text: Callable[[float], str]
    gained: tuple[str, str, str]

    def gain(self, system: str) -> str:
        """What a student gains against the teacher: 51× smaller; empty where there is nothing to compare."""
        teacher, student = self.values.get("teacher"), self.values.get(system)
        if not teacher or not student or system == "teacher":
            return ""
        return words.ratio(teacher / student, *self.gained)


def model_file(run: RunFiles) -> Cost:
    """Bytes of the model file."""
    return Cost("Model file", "", _by_system(run, "bytes"), words.size, ("smaller", "larger", "as large"))


def latency_cost(run: RunFiles, length: str | None, quantile: str = "p50") -> Cost:
    """Time of one text of so many pieces."""
    times = {system: run.latency(system, length, quantile) for system in run.systems}
    return Cost("Latency", f"{length} pieces", times, words.milliseconds, ("faster", "slower", "as fast"))


def share_kept(run: RunFiles) -> float | None:
    """How much of the teacher's main metric the smallest student keeps; None where that means nothing."""
    teacher, student = run.main_score("teacher"), run.main_score(run.smallest)
    if run.smallest == "teacher" or teacher is None or student is None or teacher <= 0 or student < 0:
        return None
    return student / teacher


def table(run: RunFiles) -> list[Block]:
    """All figures of a run."""
    blocks = [*score_blocks([run]), Block("Cost", _cost_rows(run))]
    filled = [Block(title, [row for row in rows if any(cell.text for cell in row.cells)]) for title, rows in blocks]
    return [block for block in filled if block.rows]


def score_blocks(runs: Sequence[RunFiles]) -> list[Block]:
    """Every metric on the data that the first run is about, and on dev; of several runs the mean over them."""
    data = dict.fromkeys((runs[0].evaluated_on, "dev"))
    blocks = [Block(f"Quality on {words.data(name)}", _score_rows(runs, name)) for name in data]
    return [block for block in blocks if block.rows]


def all_systems(runs: Sequence[RunFiles]) -> list[str]:
    """The systems that any of the runs has, the teacher first."""
    return [system for system in SYSTEMS if any(run.part(system) for run in runs)]


def spread(metric: str, values: Sequence[float]) -> Cell:
    """Mean and deviation of a metric over runs, its interval in small print."""
    if len(values) < 2:
        return Cell(words.score(metric, values[0]) if values else "")
    mean, low, high = over_seeds(values)
    deviation = words.gap(metric, float(np.std(values, ddof=1)), signed=False)
    return Cell(words.score(metric, mean), [f"± {deviation}", words.span(metric, low, high)])


def _score_rows(runs: Sequence[RunFiles], data: str) -> list[Measure]:
    found = {system: [run.scores(system, data) for run in runs] for system in all_systems(runs)}
    metrics = dict.fromkeys(metric for known in found.values() for scores in known for metric in scores)

    def cell(metric: str, system: str) -> Cell:
        values = [scores[metric] for scores in found[system] if metric in scores]
        bounds = runs[0].intervals.get(system) if len(runs) == 1 and values else None
        if bounds is None or (metric, data) != (runs[0].main_metric, runs[0].evaluated_on):
            return spread(metric, values)
        return Cell(words.score(metric, values[0]), [words.span(metric, bounds.low, bounds.high)])

    def unit(metric: str) -> str:
        return "lower is better" if metric == "loss" else ""

    return [Measure(words.metric_name(m), unit(m), [cell(m, system) for system in found]) for m in metrics]


def _cost_rows(run: RunFiles) -> list[Measure]:
    fewer = ("fewer", "more", "as many")
    rows = [
        _cost_row(Cost("Parameters", "", _by_system(run, "parameters"), words.millions, fewer)),
        _cost_row(model_file(run)),
    ]
    for length in run.lengths:
        counts = {system: run.number("flops", system, length) for system in run.systems}
        rows.append(_cost_row(Cost("Operations", f"{length} pieces", counts, words.operations, fewer)))
    return rows + [
        _cost_row(latency_cost(run, length), latency_cost(run, length, "p95").values) for length in run.lengths
    ]


def _cost_row(cost: Cost, p95: Mapping[str, float | None] | None = None) -> Measure:
    def cell(system: str, value: float | None) -> Cell:
        slow = None if p95 is None else p95[system]
        details = [cost.gain(system), "" if slow is None else f"p95 {words.digits(slow)}"]
        return Cell("" if value is None else cost.text(value), [detail for detail in details if detail])

    return Measure(cost.name, cost.unit, [cell(system, value) for system, value in cost.values.items()])


def _by_system(run: RunFiles, name: str) -> dict[str, float | None]:
    return {system: run.number(system, name) for system in run.systems}
