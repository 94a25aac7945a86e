"""What the rows of `predictions.jsonl` say: intervals of the main metric, and whether two systems really differ."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tinybert.report import statistics, words
from tinybert.report.figures import main_metric, quality
from tinybert.report.predictions import Predictions
from tinybert.report.read import RunFiles
from tinybert.report.statistics import Interval, Systems

_SEED = 0  # a report made twice from the same run is the same
_AGREE = 1e-3  # an interval is shown only if it is of the very figure in metrics.json


@dataclass(frozen=True)
class Segment:
    """One part of the bar that splits the rows by who got them right."""

    name: str
    count: int
    share: float


@dataclass(frozen=True)
class Judgement:
    """A paired test in words.

    Attributes:
        systems: Names of the two systems.
        verdict: The answer in a few words.
        sentences: The evidence.
        segments: Rows by who got them right; empty for scores.
    """

    systems: tuple[str, str]
    verdict: str
    sentences: tuple[str, ...]
    segments: tuple[Segment, ...]


def intervals(run: RunFiles) -> Mapping[str, Interval]:
    """By system, the 95 % bootstrap interval of the main metric, as far as the rows allow."""
    metric, predictions = main_metric(run), run.predictions
    if predictions is None or metric not in ("accuracy", "pearson"):
        return {}
    found = {system: _interval(predictions, system) for system in predictions.answers}
    stated = {system: quality(run, system, run.evaluated_on).get(metric) for system in found}
    return {
        system: interval
        for system, interval in found.items()
        if (figure := stated[system]) is not None and abs(figure - interval.estimate) < _AGREE
    }


def judge(run: RunFiles, first: str, second: str) -> Judgement | None:
    """Compare two systems on the rows that both answered; None where there are none."""
    rows = run.predictions
    if rows is None or not {first, second} <= set(rows.answers):
        return None
    outcome = compare(rows, rows.answers[first], rows.answers[second])
    names = (_name(first), _name(second))
    metric = "accuracy" if rows.kind == "classification" else "pearson"
    counted = _counted(outcome, len(rows.gold), run.evaluated_on, names)
    sentences = (*counted, _difference(outcome, metric, names[1]))
    return Judgement((first, second), _verdict(outcome, names), sentences, _segments(rows, first, second))


def compare(rows: Predictions, first: np.ndarray, second: np.ndarray) -> Systems:
    """The paired test that fits the task."""
    if rows.kind == "classification":
        return statistics.compare_classes(first == rows.gold, second == rows.gold)
    return statistics.compare_scores(rows.gold, first, second, np.random.default_rng(_SEED))


def _interval(rows: Predictions, system: str) -> Interval:
    if rows.kind == "classification":
        return statistics.accuracy_interval(rows.right(system))
    return statistics.correlation_interval(rows.gold, rows.answers[system], np.random.default_rng(_SEED))


def _name(system: str) -> str:
    return "int8 student" if system == "student_int8" else system


def _verdict(outcome: Systems, names: tuple[str, str]) -> str:
    first, second = names
    if outcome.p_value >= 0.05:
        return f"No difference between {first} and {second} is shown"
    better, worse = (second, first) if outcome.difference.estimate > 0 else (first, second)
    return f"The {better} is better than the {worse}"


def _counted(outcome: Systems, rows: int, data: str, names: tuple[str, str]) -> tuple[str, ...]:
    if outcome.only_first is None or outcome.only_second is None:
        return (f"Both were compared on the same {words.plural(rows, f'{data} row')}.",)
    first, second = names
    return (
        f"On {words.plural(rows, f'{data} row')}, the {first} alone is right on {outcome.only_first:,} "
        f"and the {second} alone on {outcome.only_second:,}; on the rest they are right or wrong together.",
    )


def _difference(outcome: Systems, metric: str, second: str) -> str:
    test = "paired bootstrap" if outcome.only_first is None else "exact McNemar test"
    low, high = (words.gap(metric, bound) for bound in outcome.difference[1:])
    unit, gap = words.points(metric), words.gap(metric, outcome.difference.estimate)
    explained = "which chance alone could explain" if outcome.p_value >= 0.05 else "more than chance explains"
    return (
        f"The {second}’s {words.within(metric)} differs by {gap}{unit} (95 % interval {low} to {high}), "
        f"{explained} ({test}, {words.probability(outcome.p_value)})."
    )


def _segments(rows: Predictions, first: str, second: str) -> tuple[Segment, ...]:
    if rows.kind == "regression":
        return ()
    a, b = rows.right(first), rows.right(second)
    parts = {
        "both right": a & b,
        f"only {_name(first)} right": a & ~b,
        f"only {_name(second)} right": b & ~a,
        "both wrong": ~a & ~b,
    }
    return tuple(Segment(name, int(part.sum()), float(part.mean())) for name, part in parts.items())
