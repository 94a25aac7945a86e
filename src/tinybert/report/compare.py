"""Several runs beside each other; those that differ only in their seed are one group, with deviation and interval."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from tinybert.report import figures, judge, words
from tinybert.report.charts import Tick, round_values
from tinybert.report.read import RunFiles
from tinybert.report.statistics import Interval, over_seeds
from tinybert.report.table import Block, Cell, Row

_OF_LOSSES = (
    "For a held-out loss, lower is better; losses compare only where the teacher, what is learnt from it and the "
    "held-out text are the same."
)
_OF_ONE_RUN = ("seed:", "seeds:", "output:")  # settings in which runs of one group may differ


class Dot(NamedTuple):
    """One run's figure, its place and its interval's in per cent of the axis."""

    system: str
    run: str
    text: str
    place: float
    span: tuple[float, float] | None


class Group(NamedTuple):
    """Runs of the same settings.

    Attributes:
        title: Recipe and preset.
        differs: The settings that other groups have not.
        cells: By system: mean and deviation of the main metric, interval over seeds.
        costs: Bytes and latency of the smallest student.
        dots: Every run's main metric.
    """

    title: str
    differs: Sequence[str]
    runs: int
    metric: str
    cells: Mapping[str, Cell]
    costs: Cell
    dots: Sequence[Dot]


class Line(NamedTuple):
    """One run in the list of runs."""

    name: str
    seed: str
    cells: Mapping[str, Cell]
    against_first: str


class Comparison(NamedTuple):
    """What a report of several runs opens with.

    Attributes:
        title: The headline.
        systems: That any run has.
        groups: Runs by settings.
        lines: Every run.
        blocks: Every metric over the runs of the only group; empty where there are several.
        axis: Ticks of the axis of the dots; empty where the runs cannot share one.
        note: What makes the groups comparable, where that is not plain.
    """

    title: str
    systems: Sequence[str]
    groups: Sequence[Group]
    blocks: Sequence[Block]
    lines: Sequence[Line]
    axis: Sequence[Tick]
    note: str


def compare(runs: Sequence[RunFiles], bounds: Sequence[Mapping[str, Interval]]) -> Comparison:
    """Put runs side by side, in the order given.

    Args:
        runs: Two or more.
        bounds: The intervals of each, see `judge.intervals`.
    """
    systems = [s for s in words.SYSTEM_NAMES if any(run.entry(s) for run in runs)]
    grouped = _grouped(runs)
    ends = _axis(runs, bounds)
    common = set.intersection(*(set(key) for key in grouped))
    groups = [
        _group(
            [runs[i] for i in members], [bounds[i] for i in members], systems, ends, [x for x in key if x not in common]
        )
        for key, members in grouped.items()
    ]
    metric = figures.main_metric(runs[0])
    axis = _axis_ticks(metric, ends) if metric and ends else []
    lines = [_line(run, runs[0], systems, several=len(groups) > 1) for run in runs]
    blocks = _blocks(runs, systems) if len(groups) == 1 else []
    note = _OF_LOSSES if len(groups) > 1 and any(figures.main_metric(run) == "loss" for run in runs) else ""
    return Comparison(_title(groups, len(runs)), systems, groups, blocks, lines, axis, note)


def spread(metric: str, values: Sequence[float]) -> Cell:
    """Mean and deviation of a metric over runs, its interval in small print."""
    if not values:
        return Cell("")
    interval = over_seeds(values)
    if interval is None:
        return Cell(words.quality(metric, values[0]))
    deviation = words.gap(metric, float(np.std(values, ddof=1)), signed=False)
    ends = words.span(metric, interval.low, interval.high)
    return Cell(words.quality(metric, interval.estimate), [f"± {deviation}", ends])


def _grouped(runs: Sequence[RunFiles]) -> dict[tuple[str, ...], list[int]]:
    grouped: dict[tuple[str, ...], list[int]] = {}
    for position, run in enumerate(runs):
        settings = [line for line in run.config.splitlines() if line.strip() and not line.startswith(_OF_ONE_RUN)]
        named = [f"{key}: {run.metrics[key]}" for key in ("recipe", "preset") if key in run.metrics]
        key = (*named, *settings, f"measured by {figures.main_metric(run)}")
        grouped.setdefault(key, []).append(position)
    return grouped


def _group(
    runs: Sequence[RunFiles],
    bounds: Sequence[Mapping[str, Interval]],
    systems: Sequence[str],
    ends: tuple[float, float] | None,
    differs: Sequence[str],
) -> Group:
    metric = figures.main_metric(runs[0]) or ""
    cells = {system: spread(metric, _values(runs, system)) for system in systems}
    dots = [dot for run, bound in zip(runs, bounds, strict=True) for dot in _dots(run, bound, metric, ends)]
    title = " · ".join(str(runs[0].metrics[key]) for key in ("recipe", "preset") if key in runs[0].metrics)
    name = words.METRIC_NAMES.get(metric, "")
    told = [line.strip() for line in differs if not line.startswith(("recipe:", "preset:", "measured by"))]
    return Group(title or runs[0].name, told, len(runs), name, cells, _costs(runs), dots)


def _blocks(runs: Sequence[RunFiles], systems: Sequence[str]) -> list[Block]:
    data = dict.fromkeys((runs[0].evaluated_on, "dev"))
    blocks = [Block(f"Quality on {words.data(name)}", _rows(runs, systems, name)) for name in data]
    return [block for block in blocks if block.rows]


def _rows(runs: Sequence[RunFiles], systems: Sequence[str], data: str) -> list[Row]:
    found = {system: [figures.quality(run, system, data) for run in runs] for system in systems}
    metrics = dict.fromkeys(metric for known in found.values() for one in known for metric in one)
    return [
        Row(
            words.METRIC_NAMES.get(metric, words.readable(metric)),
            words.better(metric),
            [spread(metric, [one[metric] for one in found[system] if metric in one]) for system in systems],
        )
        for metric in metrics
    ]


def _values(runs: Sequence[RunFiles], system: str) -> list[float]:
    return [value for run in runs if (value := figures.main_value(run, system)) is not None]


def _costs(runs: Sequence[RunFiles]) -> Cell:
    """Size and latency of the smallest student, the mean over runs."""
    system = next((s for s in figures.STUDENTS if any(run.entry(s) for run in runs)), "teacher")
    sizes = [size for run in runs if (size := figures.cost(run, system, "bytes")) is not None]
    length = figures.quoted_length(runs[0]) or ""
    times = [taken for run in runs if (taken := figures.latency(run, system, length)) is not None]
    return Cell(
        words.size(float(np.mean(sizes))) if sizes else "",
        [words.milliseconds(float(np.mean(times)))] if times else [],
    )


def _axis(runs: Sequence[RunFiles], bounds: Sequence[Mapping[str, Interval]]) -> tuple[float, float] | None:
    """Ends of a common axis; None where the runs have different main metrics."""
    if len({figures.main_metric(run) for run in runs}) != 1:
        return None
    values = [value for run in runs for s in words.SYSTEM_NAMES if (value := figures.main_value(run, s)) is not None]
    values += [end for bound in bounds for interval in bound.values() for end in interval[1:]]
    if not values:
        return None
    margin = 0.05 * (max(values) - min(values)) or 0.01
    return min(values) - margin, max(values) + margin


def _axis_ticks(metric: str, ends: tuple[float, float]) -> list[Tick]:
    low, high = ends
    return [Tick(100 * (v - low) / (high - low), words.quality(metric, v)) for v in round_values(low, high, 6)]


def _dots(run: RunFiles, bounds: Mapping[str, Interval], metric: str, ends: tuple[float, float] | None) -> list[Dot]:
    if ends is None:
        return []

    def place(value: float) -> float:
        return 100 * (value - ends[0]) / (ends[1] - ends[0])

    dots = []
    for system in figures.systems(run):
        value, bound = figures.main_value(run, system), bounds.get(system)
        if value is not None:
            span = None if bound is None else (place(bound.low), place(bound.high))
            dots.append(Dot(system, run.name, words.quality(metric, value), place(value), span))
    return dots


def _line(run: RunFiles, first: RunFiles, systems: Sequence[str], *, several: bool) -> Line:
    metric = figures.main_metric(run) or ""
    values = {system: figures.main_value(run, system) for system in systems}
    cells = {s: Cell("" if value is None else words.quality(metric, value)) for s, value in values.items()}
    against = _against(run, first) if several and run is not first else ""
    return Line(run.name, str(run.metrics.get("seed", "")), cells, against)


def _against(run: RunFiles, first: RunFiles) -> str:
    """The student against the first run's, where both answered the same rows."""
    ours, theirs = run.predictions, first.predictions
    if ours is None or theirs is None or ours.kind != theirs.kind or not _same_rows(ours.gold, theirs.gold):
        return ""
    if ours.classes != theirs.classes:
        return ""
    outcome = judge.compare(ours, theirs.answers["student"], ours.answers["student"])
    metric = "accuracy" if ours.kind == "classification" else "pearson"
    gap = words.gap(metric, outcome.difference.estimate)
    return f"{gap}{words.points(metric)}, {words.probability(outcome.p_value)}"


def _same_rows(ours: np.ndarray, theirs: np.ndarray) -> bool:
    return len(ours) == len(theirs) and bool(np.array_equal(ours, theirs))


def _title(groups: Sequence[Group], runs: int) -> str:
    if len(groups) > 1:
        return f"{words.plural(runs, 'run')} of {len(groups)} settings compared"
    cells = groups[0].cells
    best = next((cells[s] for s in figures.STUDENTS if s in cells and cells[s].text), None)
    if best is None or not best.details:
        return words.plural(runs, "run")
    metric = groups[0].metric[0].lower() + groups[0].metric[1:]
    return f"{words.plural(runs, 'run')}: {metric} {best.text} {best.details[0]}"
