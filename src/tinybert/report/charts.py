"""Curves as numbers a template can draw: positions are in per cent of the plot, so labels are text of one size."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from tinybert.report import words
from tinybert.report.predictions import SYSTEMS, Predictions
from tinybert.report.read import Line, StageLog

_POINTS = 160  # of a curve; more cannot be told apart on a screen
_LOG_FROM = 8.0  # ratio of largest to smallest value from which the axis is logarithmic
_TICKS = 5
_DOTS = 500  # of a scatter plot
_BY_LOSS = "general"  # the stage that learns no task: its `dev` is minus its loss on held-out text


class Series(NamedTuple):
    """One curve: `points` as SVG wants them, the last value as text."""

    name: str
    points: str
    last: str


class Chart(NamedTuple):
    """A line chart.

    Attributes:
        title: What is drawn.
        summary: The same in a sentence, for those who cannot see it.
        series: The curves, the most important first.
        x: Position of each tick of the steps, by label.
        y: Position of each tick of the values, by label.
        logarithmic: Whether values are on a logarithmic axis.
        mark: Position (x, y) and label of the best point, where one is marked.
        across: What the ticks of x count.
        note: How to read it, where that is not plain.
    """

    title: str
    summary: str
    series: Sequence[Series]
    x: Mapping[str, float]
    y: Mapping[str, float]
    logarithmic: bool
    mark: tuple[float, float, str] | None = None
    across: str = "step"
    note: str = ""


class Frame(NamedTuple):
    """Axes of a line chart.

    Attributes:
        across: What x counts.
        start: Least x.
        corners: Points that lie within the plot, drawn or not.
        steep: Whether values may be on a logarithmic axis.
    """

    across: str = "step"
    start: float = 0.0
    corners: Sequence[tuple[float, float]] = ()
    steep: bool = False


def loss_chart(stage: StageLog) -> Chart | None:
    """Loss and terms of a stage; a single term that is the loss itself is not drawn twice."""
    lines = {name: thin(sorted(points.items())) for name, points in stage.lines.items()}
    if len(lines) == 2 and "loss" in lines:
        lines = {"loss": lines["loss"]}
    loss = lines.get("loss") or next(iter(lines.values()), [])
    if len(loss) < 2:
        return None
    summary = (
        f"Loss of stage {words.readable(stage.name)} over {loss[-1][0]:,.0f} steps: "
        f"from {words.digits(loss[0][1])} to {words.digits(loss[-1][1])}."
    )
    return line_chart("Loss", summary, lines, words.digits, Frame(steep=True))


def dev_chart(stage: StageLog, metric: str) -> Chart | None:
    """The main metric on dev, or the loss on held-out text, with its best point marked."""
    if len(stage.dev) < 2:
        return None
    step, highest = max(stage.dev.items(), key=lambda point: (point[1], -point[0]))
    by_loss = stage.name == _BY_LOSS
    metric, sign = ("loss", -1) if by_loss else (metric, 1)
    best, line = sign * highest, sorted((step, sign * value) for step, value in stage.dev.items())
    title = words.metric_name(metric) + ("" if by_loss else " on dev")
    summary = f"{title} over stage {words.readable(stage.name)}: best {words.score(metric, best)} at step {step:,.0f}."
    chart = line_chart(title, summary, {"dev": line}, lambda value: words.score(metric, value), Frame(steep=by_loss))
    position = _placer(line, logarithmic=chart.logarithmic)(step, best)
    return chart._replace(mark=(position[0], position[1], f"best {words.score(metric, best)}"))


def line_chart(
    title: str, summary: str, lines: Mapping[str, Line], text: Callable[[float], str], frame: Frame
) -> Chart:
    """Curves in one plot.

    Args:
        title: See `Chart`.
        summary: See `Chart`.
        lines: Points (x, value) by name, ascending in x; no line is empty.
        text: A value in words.
        frame: The axes.
    """
    drawn = [*frame.corners, *(point for line in lines.values() for point in line)]
    steps, values = [step for step, _ in drawn], [value for _, value in drawn]
    logarithmic = frame.steep and min(values) > 0 and max(values) / min(values) >= _LOG_FROM
    position = _placer(drawn, frame.start, logarithmic)
    series = [Series(words.readable(name), _path(line, position), text(line[-1][1])) for name, line in lines.items()]
    heights = log_ticks(min(values), max(values)) if logarithmic else round_values(min(values), max(values), _TICKS)
    # Ticks closer than their labels can tell apart keep one of each.
    y = {_plain(text(value)): position(steps[0], value)[1] for value in heights}
    x = {f"{step:,.0f}": position(step, values[0])[0] for step in _whole_values(frame.start, max(steps), 4)}
    return Chart(title, summary, series, x, y, logarithmic, across=frame.across)


def _path(line: Line, position: Callable[[float, float], tuple[float, float]]) -> str:
    return " ".join(f"{x:.2f},{y:.2f}" for x, y in (position(*point) for point in line))


class Scatters(NamedTuple):
    """Gold scores across, those of a system up, on one scale for all.

    Attributes:
        ticks: Position of each, by label.
        dots: By system, an SVG path.
    """

    ticks: Mapping[str, float]
    dots: Mapping[str, str]


def scatters(rows: Predictions) -> Scatters:
    """One plot a system for a regression task, of at most some hundred evenly chosen rows."""
    chosen = slice(None, None, math.ceil(len(rows.gold) / _DOTS))
    columns = {"gold": rows.gold, **rows.predicted}
    drawn = {name: columns[name][chosen] for name in ("gold", *SYSTEMS) if name in columns}
    low, high = float(np.min([*drawn.values()])), float(np.max([*drawn.values()]))
    reach = (high - low) or 1.0
    ticks = {_plain(words.digits(tick)): 100 * (tick - low) / reach for tick in round_values(low, high, _TICKS)}
    positions = {name: 100 * (scores - low) / reach for name, scores in drawn.items()}
    across = positions.pop("gold")
    return Scatters(ticks, {system: _dots(across, 100 - up) for system, up in positions.items()})


def _dots(across: np.ndarray, down: np.ndarray) -> str:
    return "".join(f"M{x:.1f} {y:.1f}h0" for x, y in zip(across, down, strict=True))


def thin(line: Line) -> Line:
    """Means of equal stretches of a curve; the noise of single batches would hide its course."""
    stretch = math.ceil(len(line) / _POINTS)
    cuts = [line[start : start + stretch] for start in range(0, len(line), stretch)]
    return [(sum(step for step, _ in cut) / len(cut), sum(value for _, value in cut) / len(cut)) for cut in cuts]


def _placer(
    points: Line, start: float = 0.0, logarithmic: bool = False
) -> Callable[[float, float], tuple[float, float]]:
    """Maps a point to per cent of the plot, y downwards; a flat curve runs through the middle."""
    scale = math.log if logarithmic else float
    steps, values = [step for step, _ in points], [scale(value) for _, value in points]

    def share(value: float, everything: Sequence[float], margin: float) -> float:
        low, high = min(everything), max(everything)
        return 50.0 if high == low else margin + (100 - 2 * margin) * (value - low) / (high - low)

    return lambda step, value: (share(step, [start, *steps], 0.0), 100 - share(scale(value), values, 6.0))


def round_values(low: float, high: float, most: int) -> list[float]:
    """Round numbers within the range."""
    if high == low:
        return [low]
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    first = math.ceil(low / step - 1e-9)
    return [index * step for index in range(first, math.floor(high / step + 1e-9) + 1)]


def _whole_values(low: float, high: float, most: int) -> list[float]:
    """Round numbers within the range that are whole: there is no half step."""
    return [value for value in round_values(low, high, most) if float(value).is_integer()]


def log_ticks(low: float, high: float) -> list[float]:
    """Powers of ten, with 2 and 5 between them where there is room."""
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in ((1, 2, 5), (1, 3), (1,)):
        ticks = [factor * 10.0**exponent for exponent in exponents for factor in factors]
        ticks = [tick for tick in ticks if low <= tick <= high]
        if len(ticks) <= _TICKS + 1:
            break
    return ticks


def _plain(label: str) -> str:
    """A tick without needless zeros: 2.00 is 2, 85.0 % is 85 %."""
    number, _, unit = label.partition(" ")
    if "." in number and "e" not in number:
        number = number.rstrip("0").rstrip(".")
    return f"{number} {unit}".strip()
