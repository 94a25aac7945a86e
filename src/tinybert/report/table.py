"""The table of a report: measures down, systems across, the ratio to the teacher in small print."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from tinybert.report import figures, words
from tinybert.report.read import RunFiles
from tinybert.report.statistics import Interval


class Cell(NamedTuple):
    """A value and what stands below it in small print."""

    text: str
    details: Sequence[str] = ()


class Row(NamedTuple):
    """A measure, with one cell a system."""

    name: str
    unit: str
    cells: Sequence[Cell]


class Block(NamedTuple):
    """Rows under one heading."""

    title: str
    rows: Sequence[Row]


def table(run: RunFiles, bounds: Mapping[str, Interval]) -> list[Block]:
    """All figures of a run; `bounds` are the intervals of the main metric on the report's own data."""
    blocks = [Block(f"Quality on {words.data(run.evaluated_on)}", _quality(run, run.evaluated_on, bounds))]
    if run.evaluated_on != "dev":
        blocks.append(Block("Quality on dev", _quality(run, "dev", {})))
    blocks.append(Block("Cost", _costs(run)))
    filled = [
        Block(block.title, [row for row in block.rows if any(cell.text for cell in row.cells)]) for block in blocks
    ]
    return [block for block in filled if block.rows]


def _quality(run: RunFiles, data: str, bounds: Mapping[str, Interval]) -> list[Row]:
    values = {system: figures.quality(run, system, data) for system in figures.systems(run)}
    names = dict.fromkeys(metric for known in values.values() for metric in known)
    main = figures.main_metric(run)
    return [
        Row(
            words.METRIC_NAMES.get(metric, words.readable(metric)),
            words.better(metric),
            [
                _quality_cell(metric, known.get(metric), bounds.get(s) if metric == main else None)
                for s, known in values.items()
            ],
        )
        for metric in names
    ]


def _quality_cell(metric: str, value: float | None, bound: Interval | None) -> Cell:
    if value is None:
        return Cell("")
    return Cell(words.quality(metric, value), [] if bound is None else [words.span(metric, bound.low, bound.high)])


def _costs(run: RunFiles) -> list[Row]:
    smaller, fewer, faster = ("smaller", "larger", ""), ("fewer", "more", ""), ("faster", "slower", "as fast")
    names = figures.systems(run)
    rows = [
        _row("Parameters", "", {s: figures.cost(run, s, "parameters") for s in names}, words.millions, fewer),
        _row("Model file", "", {s: figures.cost(run, s, "bytes") for s in names}, words.size, smaller),
    ]
    for length in figures.lengths(run):
        counts = {s: figures.flops(run, s, length) for s in names}
        rows.append(_row("Operations", f"{length} pieces", counts, words.operations, fewer))
    for length in figures.lengths(run):
        times = {s: figures.latency(run, s, length) for s in names}
        row = _row("Latency", f"{length} pieces", times, words.milliseconds, faster)
        rows.append(row._replace(cells=_with_p95(run, length, row.cells)))
    return rows


def _row(
    name: str, unit: str, costs: Mapping[str, float | None], text: Callable[[float], str], ratio: tuple[str, str, str]
) -> Row:
    teacher = costs.get("teacher")
    cells = []
    for system, cost in costs.items():
        gained = words.ratio(teacher / cost, *ratio) if teacher and cost and system != "teacher" else ""
        cells.append(Cell("" if cost is None else text(cost), [gained] if gained else []))
    return Row(name, unit, cells)


def _with_p95(run: RunFiles, length: str, cells: Sequence[Cell]) -> list[Cell]:
    slow = [figures.latency(run, system, length, "p95") for system in figures.systems(run)]
    return [
        cell if p95 is None else Cell(cell.text, [*cell.details, f"p95 {words.digits(p95)}"])
        for cell, p95 in zip(cells, slow, strict=True)
    ]
