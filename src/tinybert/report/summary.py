"""The top of a report: one sentence that says what was gained, and three pictures of it."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from tinybert.report import figures, words
from tinybert.report.read import RunFiles
from tinybert.report.statistics import Interval


class Headline(NamedTuple):
    """The sentence on top and the facts that it rests on."""

    parts: Sequence[str]
    basis: Sequence[str]

    @property
    def title(self) -> str:
        """The whole sentence."""
        return ", ".join(self.parts)


class Bar(NamedTuple):
    """One system's bar: its length in per cent and, for quality, where its interval begins and ends."""

    system: str
    text: str
    length: float
    span: tuple[float, float] | None = None


class Card(NamedTuple):
    """One comparison as bars; `gain` is the figure people quote."""

    title: str
    gain: str
    bars: Sequence[Bar]


def headline(run: RunFiles, bounds: Mapping[str, Interval]) -> Headline:
    """What was gained, in one sentence, about the smallest student that was evaluated."""
    if not figures.systems(run):
        return Headline(["No figures yet"], ["This run has not reached its evaluation; the same command continues it."])
    system = _shown_student(run)
    known = [part for part in (_size(run, system), _speed(run, system), _kept(run, system)) if part]
    first, *rest = known or ["nothing was measured"]
    return Headline([first[0].upper() + first[1:], *rest], [fact for fact in _basis(run, system, bounds) if fact])


def cards(run: RunFiles, bounds: Mapping[str, Interval]) -> list[Card]:
    """Size, latency and quality as bars; one with nothing to show is left out, and a loss, which is no share."""
    system, length = _shown_student(run), figures.quoted_length(run)
    sizes = {s: figures.cost(run, s, "bytes") for s in figures.systems(run)}
    times = {s: figures.latency(run, s, length or "") for s in figures.systems(run)}
    drawn = [
        Card("Model file", _gain(sizes, system, "smaller", "larger", "same size"), _bars(sizes, words.size)),
        Card(
            f"Latency, {length} pieces",
            _gain(times, system, "faster", "slower", "same speed"),
            _bars(times, words.milliseconds),
        ),
    ]
    if figures.main_metric(run) != "loss":
        drawn.append(_quality_card(run, system, bounds))
    return [card for card in drawn if card.bars]


def _shown_student(run: RunFiles) -> str:
    """The smallest system that was evaluated."""
    known = [system for system in figures.STUDENTS if figures.main_value(run, system) is not None]
    return (known or [system for system in figures.STUDENTS if run.entry(system)] or ["teacher"])[0]


def _size(run: RunFiles, system: str) -> str:
    small, big = (figures.cost(run, s, "bytes") for s in (system, "teacher"))
    if small is None:
        return ""
    return words.size(small) + (f" instead of {words.size(big)}" if big and system != "teacher" else "")


def _speed(run: RunFiles, system: str) -> str:
    length = figures.quoted_length(run) or ""
    fast, slow = (figures.latency(run, s, length) for s in (system, "teacher"))
    if not fast:
        return ""
    if not slow or system == "teacher":
        return f"{words.milliseconds(fast)} a text"
    return words.ratio(slow / fast, "faster", "slower", "as fast")


def _kept(run: RunFiles, system: str) -> str:
    metric, value = figures.main_metric(run), figures.main_value(run, system)
    if metric is None or value is None:
        return ""
    share = _share(run, system)
    if share is None:
        return f"{words.within(metric)} {words.quality(metric, value)}"
    return f"{words.percent(share)} of the teacher’s {words.within(metric)}"


def _share(run: RunFiles, system: str) -> float | None:
    """How much of the teacher's main metric a student keeps; None where that means nothing."""
    teacher, student = figures.main_value(run, "teacher"), figures.main_value(run, system)
    if system == "teacher" or teacher is None or student is None or teacher <= 0 or student < 0:
        return None
    return student / teacher


def _basis(run: RunFiles, system: str, bounds: Mapping[str, Interval]) -> list[str]:
    against = " against the teacher" if run.entry("teacher") and system != "teacher" else ""
    return [
        f"{words.SYSTEM_NAMES[system]}{against}",
        _stated_quality(run, system, bounds.get(system)),
        _stated_rows(run),
        _stated_speed(run, system),
    ]


def _stated_quality(run: RunFiles, system: str, bound: Interval | None) -> str:
    metric, value = figures.main_metric(run), figures.main_value(run, system)
    if metric is None or value is None:
        return ""
    span = "" if bound is None else " (95 % interval {} to {})".format(*(words.quality(metric, b) for b in bound[1:]))
    return f"{words.within(metric)} {words.quality(metric, value)}{span}"


def _stated_rows(run: RunFiles) -> str:
    if (blocks := figures.blocks(run, run.evaluated_on)) is not None:
        return f"{words.plural(blocks, 'block')} of {words.data(run.evaluated_on)}"
    count = figures.rows(run, run.evaluated_on)
    return "" if count is None else words.plural(count, f"{run.evaluated_on} row")


def _stated_speed(run: RunFiles, system: str) -> str:
    length, threads = figures.quoted_length(run), figures.cost(run, system, "threads")
    if length is None:
        return ""
    return f"speed for one text of {length} pieces" + (f" on {words.plural(int(threads), 'thread')}" if threads else "")


def _gain(costs: Mapping[str, float | None], system: str, more: str, less: str, same: str) -> str:
    teacher, student = costs.get("teacher"), costs.get(system)
    if not teacher or not student or system == "teacher":
        return ""
    return words.ratio(teacher / student, more, less, same)


def _bars(costs: Mapping[str, float | None], text: Callable[[float], str]) -> list[Bar]:
    known = {system: cost for system, cost in costs.items() if cost}
    most = max(known.values(), default=1.0)
    return [Bar(system, text(cost), 100 * cost / most) for system, cost in known.items()]


def _quality_card(run: RunFiles, system: str, bounds: Mapping[str, Interval]) -> Card:
    metric = figures.main_metric(run) or ""
    known = {s: value for s in figures.systems(run) if (value := figures.main_value(run, s)) is not None}
    share = _share(run, system)
    bars = [Bar(s, words.quality(metric, value), _per_cent(value), _ends(bounds.get(s))) for s, value in known.items()]
    title = f"{words.METRIC_NAMES.get(metric, metric)} on {run.evaluated_on}"
    return Card(title, "" if share is None else f"{words.percent(share)} kept", bars)


def _ends(bound: Interval | None) -> tuple[float, float] | None:
    return None if bound is None else (_per_cent(bound.low), _per_cent(bound.high))


def _per_cent(value: float) -> float:
    return 100 * min(1.0, max(0.0, value))
