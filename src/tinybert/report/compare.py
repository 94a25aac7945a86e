"""Several runs beside each other; those that differ only in their seed are one group, with deviation and interval."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tinybert.report import words
from tinybert.report.charts import round_values
from tinybert.report.figures import Block, Cell, all_systems, score_blocks, spread
from tinybert.report.predictions import SYSTEMS
from tinybert.report.read import STUDENTS, RunFiles
from tinybert.statistics import PairedTest

_OF_ONE_RUN = ("seed:", "seeds:", "output:")  # settings in which runs of one group may differ


class Group(NamedTuple):
    """Runs of the same settings.

    Attributes:
        runs: In the order given.
        differs: The settings that other groups have not.
        scores: By system: mean and deviation of the main metric, interval over seeds.
        costs: Bytes and latency of the smallest student, the mean over runs.
    """

    runs: Sequence[RunFiles]
    differs: Sequence[str]
    scores: Mapping[str, Cell]
    costs: Cell

    @property
    def title(self) -> str:
        """Recipe and preset."""
        first = self.runs[0]
        named = [str(first.metrics[key]) for key in ("recipe", "preset") if key in first.metrics]
        return " · ".join(named) or first.name


class Scale(NamedTuple):
    """An axis that all runs share; the value of each tick by its label."""

    low: float
    high: float
    ticks: Mapping[str, float]

    def position(self, value: float) -> float:
        """Where a value stands, in per cent."""
        return 100 * (value - self.low) / (self.high - self.low)


class Comparison(NamedTuple):
    """What a report of several runs opens with.

    Attributes:
        runs: In the order given.
        systems: That any run has.
        groups: Runs by settings.
        blocks: Every metric over the runs of the only group; empty where there are several.
        axis: Of every run's main metric; None where the runs cannot share one.
        against_first: Of each run, its student tested against the first run's, where both predicted the same rows.
    """

    runs: Sequence[RunFiles]
    systems: Sequence[str]
    groups: Sequence[Group]
    blocks: Sequence[Block]
    axis: Scale | None
    against_first: Sequence[PairedTest | None]

    @property
    def best(self) -> Cell | None:
        """The scores of the smallest student of the first group."""
        scores = self.groups[0].scores
        return next((scores[system] for system in STUDENTS if system in scores and scores[system].text), None)


def compare(runs: Sequence[RunFiles]) -> Comparison:
    """Put two or more runs side by side, in the order given."""
    systems, grouped = all_systems(runs), _grouped(runs)
    common = set.intersection(*(set(settings) for settings in grouped))
    groups = [_group(group, [x for x in key if x not in common], systems) for key, group in grouped.items()]
    several = len(groups) > 1
    tests = [_against(run, runs[0]) if several and run is not runs[0] else None for run in runs]
    return Comparison(runs, systems, groups, [] if several else score_blocks(runs), _axis(runs), tests)


def _grouped(runs: Sequence[RunFiles]) -> dict[tuple[str, ...], list[RunFiles]]:
    grouped: dict[tuple[str, ...], list[RunFiles]] = {}
    for run in runs:
        lines = [line for line in run.config.splitlines() if line.strip() and not line.startswith(_OF_ONE_RUN)]
        settings = [_from_here(line, run.folder) for line in lines]
        named = [f"{key}: {run.metrics[key]}" for key in ("recipe", "preset") if key in run.metrics]
        grouped.setdefault((*named, *settings, f"measured by {run.main_metric}"), []).append(run)
    return grouped


def _from_here(line: str, folder: Path) -> str:
    """A setting; a path, which is written as the run's folder sees it, as it is called from where this is read."""
    key, colon, value = line.partition(": ")
    path = folder / value  # a value may be too long for one, where `Path.exists` raises
    return f"{key}{colon}{os.path.relpath(path.resolve())}" if value and os.path.exists(path) else line  # noqa: PTH110


def _group(runs: Sequence[RunFiles], differs: Sequence[str], systems: Sequence[str]) -> Group:
    scores = {system: spread(runs[0].main_metric or "", _main_scores(runs, system)) for system in systems}
    told = [line.strip() for line in differs if not line.startswith(("recipe:", "preset:", "measured by"))]
    return Group(runs, told, scores, _costs(runs))


def _main_scores(runs: Sequence[RunFiles], system: str) -> list[float]:
    return [score for run in runs if (score := run.main_score(system)) is not None]


def _costs(runs: Sequence[RunFiles]) -> Cell:
    system = next((s for s in STUDENTS if any(run.part(s) for run in runs)), "teacher")
    sizes = [size for run in runs if (size := run.number(system, "bytes")) is not None]
    times = [taken for run in runs if (taken := run.latency(system, runs[0].quoted_length)) is not None]
    mean_time = [words.milliseconds(float(np.mean(times)))] if times else []
    return Cell(words.size(float(np.mean(sizes))) if sizes else "", mean_time)


def _axis(runs: Sequence[RunFiles]) -> Scale | None:
    metric = runs[0].main_metric
    values = [score for system in SYSTEMS for score in _main_scores(runs, system)]
    values += [end for run in runs for interval in run.intervals.values() for end in interval[1:]]
    if metric is None or not values or any(run.main_metric != metric for run in runs):
        return None
    return scale_of(metric, values)


def scale_of(metric: str, values: Sequence[float]) -> Scale:
    """An axis with room for all values of a metric."""
    margin = 0.05 * (max(values) - min(values)) or 0.01
    low, high = min(values) - margin, max(values) + margin
    return Scale(low, high, {words.score(metric, value): value for value in round_values(low, high, 6)})


def _against(run: RunFiles, first: RunFiles) -> PairedTest | None:
    ours, theirs = run.predictions, first.predictions
    if ours is None or theirs is None or ours.classes != theirs.classes:
        return None
    if not np.array_equal(ours.gold, theirs.gold):
        return None
    return ours.compare(theirs.predicted["student"], ours.predicted["student"])
