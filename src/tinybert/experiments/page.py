"""One HTML page of experiments: tables, figures with intervals, quality against cost; a link to every run's report."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from tinybert.experiments.results import Column, Outcome
from tinybert.experiments.spec import Experiment
from tinybert.experiments.wording import EXPLAINED, Figure, figure, how_to_run, minus_the_best, paper_figures
from tinybert.files import write_text
from tinybert.report import words
from tinybert.report.charts import Chart, Frame, line_chart, log_ticks, round_values
from tinybert.report.compare import Scale, scale_of
from tinybert.report.render import environment
from tinybert.statistics import Interval

_COSTS: Final[Mapping[str, tuple[str, Callable[[float], str]]]] = {
    "milliseconds": ("Latency of one text", words.milliseconds),
    "bytes": ("Model file", words.size),
}
_MARGIN = 4.0  # per cent of a plot that is left free at each side


class Bar(NamedTuple):
    """A row's mean, its interval and its seeds on the axis of its data set."""

    label: str
    text: str
    mean: float
    interval: Interval | None
    seeds: Sequence[float]


class Bars(NamedTuple):
    """All rows of a data set on one axis."""

    metric: str
    axis: Scale
    rows: Sequence[Bar]


class Point(NamedTuple):
    """A system between cost and quality, in per cent of the plot; `front`: none is cheaper and as good."""

    number: int
    label: str
    left: float
    top: float
    front: bool
    text: str


class Pareto(NamedTuple):
    """Quality upwards against a cost to the right, on a logarithmic axis."""

    title: str
    x: Mapping[str, float]
    y: Mapping[str, float]
    points: Sequence[Point]


class Line(NamedTuple):
    """A row of a table.

    Attributes:
        label: Of the row.
        parameters: In words; empty where nothing was measured.
        figures: By metric.
        minus_best: The difference to the best.
        reports: By seed, where the run's report lies.
        failed: What its failed runs said.
        size: In the paper.
        printed: The paper's figures.
        commands: That make its cells.
    """

    label: str
    parameters: str
    figures: Sequence[Figure]
    minus_best: str
    reports: Mapping[int, str]
    failed: Sequence[str]
    size: str
    printed: str
    commands: Sequence[str]


def write_page(found: Sequence[tuple[Experiment, Mapping[str, Column]]], root: Path, name: str) -> None:
    """Write the page of all tables beside the runs."""
    views = [(one, {data: _view(one, data, column, root) for data, column in columns.items()}, _lines(one, columns))
             for one, columns in found]  # fmt: skip
    template = environment("tinybert.experiments").get_template("experiments.html.j2")
    write_text(root / name, template.render(experiments=views, explained=EXPLAINED))


def _view(experiment: Experiment, data: str, column: Column, root: Path) -> dict[str, Any]:
    """What the template shows of a data set."""
    rows = [label for label, row in experiment.rows.items() if data not in row.without]
    lines = [_line(experiment, data, column, label, root) for label in rows]
    bars = _bars(column) if experiment.layout.chart == "bars" else None
    return {"title": experiment.title_of(data), "metrics": column.metrics, "lines": lines, "bars": bars,
            "printed": any(line.printed for line in lines), "paretos": [*_paretos(column)]}  # fmt: skip


def _line(experiment: Experiment, data: str, column: Column, label: str, root: Path) -> Line:
    row, outcome = experiment.rows[label], column.outcomes.get(label)
    paper = row.size or "", paper_figures(experiment, label, data)
    if outcome is None:
        return Line(label, "", [], "", {}, [], *paper, [how_to_run(experiment, data)])
    shown = [figure(column, label, metric) for metric in column.metrics] if outcome.runs else []
    parameters = words.millions(outcome.costs["parameters"]) if "parameters" in outcome.costs else ""
    reports = {seed: f"{run.folder.relative_to(root).as_posix()}/report.html" for seed, run in outcome.runs.items()}
    return Line(label, parameters, shown, minus_the_best(column, label), reports, outcome.failed, *paper,
                outcome.commands)  # fmt: skip


def _bars(column: Column) -> Bars | None:
    metric = column.metrics[0]
    rows = [bar for label, outcome in column.outcomes.items() if (bar := _bar(label, outcome, metric))]
    if not rows:
        return None
    ends = [end for bar in rows for end in (*bar.seeds, *(bar.interval or ()))]
    return Bars(metric, scale_of(metric, ends), rows)


def _bar(label: str, outcome: Outcome, metric: str) -> Bar | None:
    if (mean := outcome.mean(metric)) is None:
        return None
    seeds = [*outcome.figures[metric].values()]
    return Bar(label, words.score(metric, mean), mean, outcome.interval(metric), seeds)


def _lines(experiment: Experiment, columns: Mapping[str, Column]) -> Chart | None:
    """The means of each row over data sets that have a place on the axis."""
    places = {data: x for data in columns if (x := experiment.data[data].x) is not None}
    if experiment.layout.chart != "lines" or len(places) < 2:
        return None
    metric = next(iter(columns.values())).metrics[0]
    by_row = {
        label: sorted((x, mean) for data, x in places.items() if (mean := _mean(columns[data], label)) is not None)
        for label in experiment.rows
    }
    drawn = {label: points for label, points in by_row.items() if points}
    if not any(len(points) > 1 for points in drawn.values()):
        return None
    title = words.metric_name(metric)
    ends = f"from {min(places.values()):g} to {max(places.values()):g}"
    summary = f"{title} of {words.plural(len(drawn), 'system')} {ends}."
    frame = Frame(across="", start=min(places.values()))
    return line_chart(title, summary, drawn, lambda value: words.score(metric, value), frame)


def _mean(column: Column, label: str) -> float | None:
    outcome = column.outcomes.get(label)
    return None if outcome is None else outcome.mean(column.metrics[0])


def _paretos(column: Column) -> Iterator[Pareto]:
    """Quality against each cost, where there is something to choose from."""
    metric = column.metrics[0]
    means = {label: mean for label, one in column.outcomes.items() if (mean := one.mean(metric)) is not None}
    for cost, (title, text) in _COSTS.items():
        known = {label: costs[cost] for label in means if cost in (costs := column.outcomes[label].costs)}
        if len(set(known.values())) > 1:
            yield _pareto(title, metric, {label: (x, means[label]) for label, x in known.items()}, text)


def _pareto(title: str, metric: str, known: Mapping[str, tuple[float, float]], text: Callable[[float], str]) -> Pareto:
    across, up = _axis([math.log(x) for x, _ in known.values()]), _axis([y for _, y in known.values()])
    points = [
        Point(number, label, across(math.log(x)), 100 - up(y), _on_front((x, y), known.values()),
              f"{words.score(metric, y)}, {text(x)}")
        for number, (label, (x, y)) in enumerate(known.items(), start=1)
    ]  # fmt: skip
    costs, figures = [x for x, _ in known.values()], [y for _, y in known.values()]
    x = {text(tick): across(math.log(tick)) for tick in log_ticks(min(costs), max(costs))}
    y = {words.score(metric, tick): 100 - up(tick) for tick in round_values(min(figures), max(figures), 5)}
    return Pareto(title, x, y, points)


def _axis(values: Sequence[float]) -> Callable[[float], float]:
    low, high = min(values), max(values)
    return lambda value: 50.0 if high == low else _MARGIN + (100 - 2 * _MARGIN) * (value - low) / (high - low)


def _on_front(point: tuple[float, float], others: Iterable[tuple[float, float]]) -> bool:
    """Whether no other costs as little and is as good, and is better in one of the two."""
    return not any(x <= point[0] and y >= point[1] and (x, y) != point for x, y in others)
