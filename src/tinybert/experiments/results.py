"""The figures of an experiment so far: a cell over its seeds, and each row against the best of its data set."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Final

import numpy as np

from tinybert.errors import UserError
from tinybert.experiments.runs import Cell, DistillRun
from tinybert.experiments.significance import OF_CLASSES, OF_SCORES, SeedTest, compare, holm
from tinybert.experiments.spec import Experiment
from tinybert.report.read import RunFiles, read_run
from tinybert.statistics import LEVEL, Interval, over_seeds

_SEED: Final = 0  # tables made twice from the same runs are the same


@dataclass(frozen=True)
class Answers:
    """What a system said of the test rows with one seed, and what is true: of so many classes, or scores (None)."""

    classes: int | None
    gold: np.ndarray
    said: np.ndarray


@dataclass(frozen=True)
class Outcome:
    """A row on a data set.

    Attributes:
        runs: By seed, the run that counts; of seeds that are finished.
        figures: By metric, then by seed.
        answers: By seed, as far as rows were kept.
        costs: Parameters, bytes and milliseconds, the median over seeds; milliseconds over all rows of its size, too.
        failed: What runs said that failed.
        commands: Of all its runs.
    """

    runs: Mapping[int, DistillRun]
    figures: Mapping[str, Mapping[int, float]]
    answers: Mapping[int, Answers]
    costs: Mapping[str, float]
    failed: Sequence[str]
    commands: Sequence[str]

    def mean(self, metric: str) -> float | None:
        """Over seeds; None where there is none."""
        values = [*self.figures.get(metric, {}).values()]
        return float(np.mean(values)) if values else None

    def deviation(self, metric: str) -> float | None:
        """Standard deviation over two or more seeds."""
        values = [*self.figures.get(metric, {}).values()]
        return float(np.std(values, ddof=1)) if len(values) > 1 else None

    def interval(self, metric: str) -> Interval | None:
        """95 % t interval of the mean over two or more seeds."""
        values = [*self.figures.get(metric, {}).values()]
        return over_seeds(values) if len(values) > 1 else None


@dataclass(frozen=True)
class Pair:
    """Two rows of a data set, tested.

    Attributes:
        first: Label of a row.
        second: Of another.
        test: The difference is the second's figure minus the first's.
        adjusted: P-value after Holm's correction for all pairs that are tested together.
    """

    first: str
    second: str
    test: SeedTest
    adjusted: float

    @property
    def tied(self) -> bool:
        """Whether the two cannot be told apart; by one seed nothing can, since the next may draw other rows."""
        return self.test.seeds < 2 or self.adjusted >= LEVEL


@dataclass(frozen=True)
class Column:
    """A data set of a table.

    Attributes:
        metrics: Those shown.
        outcomes: By row; rows without a cell are missing.
        best: The row with the highest mean of the first metric; None where nothing is finished.
        against: By row, the best and this row, where both answered the same rows.
    """

    metrics: Sequence[str]
    outcomes: Mapping[str, Outcome]
    best: str | None = None
    against: Mapping[str, Pair] = field(default_factory=dict)

    @property
    def separated(self) -> bool:
        """Whether the best is better than the second by more than chance; only then a table prints it bold."""
        means = {row: found for row, one in self.outcomes.items() if (found := one.mean(self.metrics[0])) is not None}
        others = sorted((row for row in means if row != self.best), key=lambda row: -means[row])
        return bool(others) and others[0] in self.against and not self.against[others[0]].tied

    def tied(self, row: str) -> bool:
        """Whether a row shares the first place."""
        return (row in self.against and self.against[row].tied) or (row == self.best and not self.separated)


def columns(experiment: Experiment, cells: Sequence[Cell], *, tested: bool = True) -> dict[str, Column]:
    """The data sets of a table with their figures; without tests where these would take too long.

    Raises:
        UserError: If its runs were made by different code.
    """
    _check_code(experiment, cells)
    by_data = {data: [cell for cell in cells if cell.data == data] for data in experiment.data}
    return {data: _column(experiment, data, found, tested) for data, found in by_data.items()}


def _column(experiment: Experiment, data: str, cells: Sequence[Cell], tested: bool) -> Column:
    metrics = experiment.data[data].metrics
    rows = dict.fromkeys(cell.row for cell in cells)
    outcomes = _levelled({row: _outcome(experiment, row, [c for c in cells if c.row == row]) for row in rows})
    means = {row: mean for row, found in outcomes.items() if (mean := found.mean(metrics[0])) is not None}
    if not means:
        return Column(metrics, outcomes)
    best = max(means, key=lambda row: means[row])
    against = _tested(outcomes, [(best, row) for row in means if row != best], metrics[0]) if tested else []
    return Column(metrics, outcomes, best, {pair.second: pair for pair in against})


def all_pairs(column: Column) -> list[Pair]:
    """Every two rows of a data set, where both answered the same rows."""
    return _tested(column.outcomes, [*combinations(column.outcomes, 2)], column.metrics[0])


def _outcome(experiment: Experiment, row: str, cells: Sequence[Cell]) -> Outcome:
    system, metrics = experiment.rows[row].shows, experiment.data[cells[0].data].metrics
    read = {cell.seed: found for cell in cells if (found := _best_on_dev(cell, system, metrics[0])) is not None}
    files = {seed: found for seed, (_, found) in read.items()}
    figures = {
        metric: {
            seed: known[metric] for seed, found in files.items() if metric in (known := found.scores(system, "test"))
        }
        for metric in metrics
    }
    answers = {seed: said for seed, found in files.items() if (said := _answers(found, system)) is not None}
    runs = [run for cell in cells for run in cell.runs]
    failed = [f"seed {run.seed}: {ended.said}" for run in runs if (ended := run.record) is not None and ended.exit]
    chosen = {seed: run for seed, (run, _) in read.items()}
    return Outcome(chosen, figures, answers, _costs([*files.values()], system), failed, [run.command for run in runs])


def _best_on_dev(cell: Cell, system: str, metric: str) -> tuple[DistillRun, RunFiles] | None:
    """The finished run of a cell; of a grid the one whose figure on dev is best, when all of it is finished."""
    if not cell.finished:
        return None
    read = [(run, read_run(run.folder)) for run in cell.runs]
    return max(read, key=lambda one: one[1].scores(system, "dev").get(metric, float("-inf")))


def _answers(found: RunFiles, system: str) -> Answers | None:
    rows = found.predictions
    if rows is None or system not in rows.predicted:
        return None
    return Answers(None if rows.classes is None else len(rows.classes), rows.gold, rows.predicted[system])


def _costs(found: Sequence[RunFiles], system: str) -> dict[str, float]:
    by_name = {
        "parameters": [one.number(system, "parameters") for one in found],
        "bytes": [one.number(system, "bytes") for one in found],
        "milliseconds": [one.latency(system, one.quoted_length) for one in found],
    }
    known = {name: [value for value in values if value is not None] for name, values in by_name.items()}
    return {name: float(np.median(values)) for name, values in known.items() if values}


def _levelled(outcomes: Mapping[str, Outcome]) -> dict[str, Outcome]:
    """With one latency for networks of one size, which differ by what else the machine did just then."""
    measured = {row: one.costs for row, one in outcomes.items() if "milliseconds" in one.costs}
    size = {row: (costs.get("parameters"), costs.get("bytes")) for row, costs in measured.items()}
    level = {
        row: float(np.median([costs["milliseconds"] for other, costs in measured.items() if size[other] == size[row]]))
        for row in measured
    }
    return {
        row: replace(one, costs={**one.costs, "milliseconds": level[row]}) if row in level else one
        for row, one in outcomes.items()
    }


def _tested(outcomes: Mapping[str, Outcome], pairs: Sequence[tuple[str, str]], metric: str) -> list[Pair]:
    tests = {(a, b): test for a, b in pairs if (test := _compared(outcomes[a], outcomes[b], metric, len(pairs)))}
    adjusted = holm([test.p_value for test in tests.values()]) if tests else []
    return [Pair(*pair, test, p) for (pair, test), p in zip(tests.items(), adjusted, strict=True)]


def _compared(one: Outcome, other: Outcome, metric: str, among: int) -> SeedTest | None:
    """The two on the seeds that both have, where they answered the same rows and these can tell the metric."""
    both = sorted(set(one.answers) & set(other.answers))
    if not both:
        return None
    first, second = [one.answers[seed] for seed in both], [other.answers[seed] for seed in both]
    gold, known = first[0].gold, OF_SCORES if first[0].classes is None else OF_CLASSES
    if metric not in known or not all(np.array_equal(said.gold, gold) for said in (*first, *second)):
        return None
    ours, theirs = (np.stack([answers.said for answers in side]) for side in (first, second))
    return compare(metric, gold, ours, theirs, np.random.default_rng(_SEED), classes=first[0].classes, among=among)


def _check_code(experiment: Experiment, cells: Sequence[Cell]) -> None:
    runs = [run for cell in cells for run in cell.runs if run.finished]
    codes = {record.code for run in runs if (record := run.record) is not None}
    if len(codes) > 1:
        raise UserError(
            f"{experiment.name}: its runs in {runs[0].root / 'runs'} were made by {len(codes)} versions of the code; "
            "remove those of one of them, or take another --output"
        )
