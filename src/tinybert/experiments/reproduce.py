"""Carries out experiments: runs what is missing, each run a process of its own, and writes the tables.

What a run makes that others need lies in a store of its data set and seed; it is removed when nobody needs it any more.
"""

import os
import sys
from collections import Counter
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path
from typing import Any, cast

from rich.console import Console

from tinybert import files
from tinybert.config import parse
from tinybert.errors import UserError, collecting
from tinybert.experiments.children import Children, terminable
from tinybert.experiments.read import experiments_named
from tinybert.experiments.render import render, so_far
from tinybert.experiments.results import columns
from tinybert.experiments.runs import Cell, DistillRun, Workplace, cells, digest_of_code
from tinybert.experiments.spec import BUDGETS, BudgetName, Experiment
from tinybert.folders import locked
from tinybert.plan import plan
from tinybert.report import words
from tinybert.request import request_for
from tinybert.run import RunSettings

KEPT_PER_WEIGHT = 9  # bytes of a student's weight in a run that keeps only that: its own, ONNX in fp32 and int8


def prepared(
    name: str,
    budget: str,
    given: Mapping[str, Any],
    data: Path,
    output: Path,
    overrides: Sequence[str] = (),
    only: Sequence[str] = (),
    parallel: int = 1,
) -> "Work":
    """What a command asks for.

    Args:
        name: One of our tables, all of them, or a user's file.
        budget: Which of the budgets.
        given: What replaces parts of it, by name; None where not given.
        data: Folder of the data sets.
        output: Of all that is made.
        overrides: `key=value`, of every run.
        only: Data sets whose cells are run; empty = all.
        parallel: Runs at a time.

    Raises:
        UserError: One line per problem.
    """
    if parallel < 1:
        raise UserError(f"--parallel is how many runs at a time, at least 1, got {parallel}")
    if budget not in BUDGETS:
        raise UserError(f"--budget {budget}: there are {', '.join(BUDGETS)}")
    found = experiments_named(name, cast(BudgetName, budget))
    known = {key: str(value) if isinstance(value, PathLike) else value for key, value in given.items()}
    changed: dict[str, Any] = {key: value for key, value in known.items() if value is not None}
    experiments = [replace(one, budget=replace(one.budget, **changed)) for one in found]
    how = parse(_Overrides, {}, [text for text in overrides if text.startswith("run.")]).run
    settings = dict(text.partition("=")[::2] for text in overrides)
    for own in ("run.executor", "run.address"):
        settings.pop(own, None)
    if parallel > 1 or how.executor == "ray":  # torch takes all cores for each otherwise
        settings = {"run.threads": str(max(1, (os.cpu_count() or 1) // parallel)), **settings}
    work = Work.of(Path(name).stem, experiments, Workplace(data, output, settings), only)
    return replace(work, on_ray=how.executor == "ray", address=how.address)


@dataclass(frozen=True)
class _Overrides:
    """What is said of all runs that they do not decide alone."""

    run: RunSettings = field(default_factory=RunSettings)


@dataclass(frozen=True)
class Work:
    """Experiments and their cells.

    Attributes:
        name: Of its page.
        experiments: In the order of their tables.
        cells: Of each; of data sets that are not wanted those that have been run.
        root: Of all that is made.
        wanted: The data sets whose cells are run.
        on_ray: Whether runs are spread over a cluster.
        address: Of the cluster; None = one of this machine.
    """

    name: str
    experiments: Sequence[Experiment]
    cells: Mapping[str, Sequence[Cell]]
    root: Path
    wanted: frozenset[str]
    on_ray: bool = False
    address: str | None = None

    @staticmethod
    def of(name: str, experiments: Sequence[Experiment], place: Workplace, only: Sequence[str]) -> "Work":
        """The cells of experiments.

        Raises:
            UserError: If there is no such data set, or a file is missing.
        """
        known = dict.fromkeys(data for experiment in experiments for data in experiment.data)
        if unknown := [name for name in only if name not in known]:
            raise UserError(f"--only {', '.join(unknown)}: no such data set; there are {', '.join(known)}")
        wanted = frozenset(only or known)
        found = {one.name: [*_cells(one, wanted, place)] for one in experiments}
        return Work(name, experiments, found, place.root, wanted)

    @property
    def shown(self) -> list[DistillRun]:
        """Each run of the tables once, seed by seed, so that an unfinished table is one of fewer seeds."""
        found = {run.folder: run for cells in self.cells.values() for cell in cells for run in cell.runs}
        return sorted(found.values(), key=lambda run: run.seed)

    @property
    def runs(self) -> list[DistillRun]:
        """Those that are wanted."""
        return [run for run in self.shown if run.data in self.wanted]

    @property
    def missing(self) -> list[DistillRun]:
        """Those that are not finished."""
        return [run for run in self.runs if not run.finished]

    def plan(self, parallel: int) -> dict[str, Any]:
        """Check every kind of run that is missing and estimate time and disk; nothing is trained.

        Raises:
            UserError: One line per problem.
        """
        missing, problems, lines = self.missing, list[str](), {}
        for run in {(run.data, run.key): run for run in missing}.values():
            with collecting(problems):
                lines[run.data, run.key] = _planned(run)
        if problems:
            raise UserError(*dict.fromkeys(problems))
        seconds = sum(_seconds([lines[run.data, run.key] for run in group]) for group in _beside(missing))
        working = parallel * max((found["disk_mb"] for found in lines.values()), default=0)
        kept = sum(lines[run.data, run.key]["weights"]["student"] for run in missing) * KEPT_PER_WEIGHT / 1e6
        stages = [{"run": f"{data} {found['run']}", **_rounded(found)} for (data, _), found in lines.items()]
        about = {"minutes": round(seconds / 60 / parallel), "disk_mb": round(working + kept)}
        return {"runs": len(self.runs), "missing": len(missing), **about, "stages": stages}

    def carry_out(self, parallel: int) -> dict[str, Any]:
        """Run what is missing, then write the tables.

        Returns:
            How many runs there are, and where the tables are.

        Raises:
            UserError: If what is there was made by other code; at the end, a line for each run that failed.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        with locked(self.root):
            missing = self.missing
            _check_code(self, missing)
            console = Console(file=sys.stderr, highlight=False)
            left = Counter(run.store for run in missing)
            with Children() as children, terminable(), closing(self._carried_out(children, missing, parallel)) as ended:
                for done, run in enumerate(ended, start=1):
                    _tell(console, self, run, done, len(missing))
                    left[run.store] -= 1
                    if not left[run.store] and self._whole(run.store):
                        files.remove(run.store, ignore_errors=True)
                        render(self.name, self.experiments, self.cells, self.root)
            tables = render(self.name, self.experiments, self.cells, self.root)
        if failed := [run for run in self.missing if run.record is not None]:
            summary = f"{len(failed)} of {len(self.runs)} runs failed; the same command tries them again"
            raise UserError(*map(_why, failed), summary)
        return {"runs": len(self.runs), "tables": tables}

    def _carried_out(self, children: Children, runs: Sequence[DistillRun], parallel: int) -> Generator[DistillRun]:
        """Here, or on a cluster; each as it ends."""
        return children.on_ray(runs, parallel, self.address) if self.on_ray else children.of(runs, parallel)

    def _whole(self, store: Path) -> bool:
        """Whether all runs that share a store are finished, so that nobody needs its teachers and pools."""
        return all(run.finished for run in self.runs if run.store == store)


def _cells(experiment: Experiment, wanted: Collection[str], place: Workplace) -> Iterator[Cell]:
    """Those of the wanted data sets; of the others those that were run before, if their files are still there."""
    for data in experiment.data:
        if data in wanted:
            yield from cells(experiment, data, place)
        elif (place.root / "runs" / data).exists():
            with suppress(UserError):
                yield from (cell for cell in cells(experiment, data, place) if cell.finished)


def _planned(run: DistillRun) -> dict[str, Any]:
    """What a dry run says of one run; its folder stays as it is."""
    settings = (f"{name}={value}" for name, value in run.settings.items())
    flags = {**run.files, **run.flags, "seed": run.seed, "output": str(run.folder)}
    config = flags.pop("config", None)
    request = request_for(run.recipe, flags=flags, config=config, settings={}, overrides=[*settings])
    try:
        return {"run": run.folder.name, **plan(request)}
    except UserError as error:
        raise UserError(*(f"{run.data}, {run.recipe}: {problem}" for problem in error.problems)) from None


def _beside(runs: Sequence[DistillRun]) -> list[list[DistillRun]]:
    """Runs by data set and seed: those that share a store."""
    found: dict[tuple[str, int], list[DistillRun]] = {}
    for run in runs:
        found.setdefault((run.data, run.seed), []).append(run)
    return [*found.values()]


def _seconds(plans: Sequence[Mapping[str, Any]]) -> int:
    """Of runs that share a store: teachers of the same number of updates are trained once."""
    stages = [stage for found in plans for stage in found["stages"]]
    teachers = {(one["name"], one["updates"]): one["seconds"] for one in stages if one["name"].startswith("teacher")}
    others = [int(one["seconds"]) for one in stages if not one["name"].startswith("teacher")]
    return sum([*teachers.values(), *others])


def _rounded(found: Mapping[str, Any]) -> dict[str, Any]:
    return {"minutes": round(found["seconds"] / 60, 1), "disk_mb": found["disk_mb"]}


def _check_code(work: Work, missing: Sequence[DistillRun]) -> None:
    other = [run for run in work.shown if run.finished and (noted := run.record) and noted.code != digest_of_code()]
    if missing and other:
        raise UserError(
            f"{work.root / 'runs'}: {len(other)} runs were made by another version of the code, and a table "
            "does not mix them; go on with that version, remove them, or take another --output"
        )


def _why(run: DistillRun) -> str:
    said = "" if (record := run.record) is None else f"exit {record.exit}: {record.said}"
    return f"{run.folder}: {said}; all it said is in {run.log.name} beside it"


def _tell(console: Console, work: Work, run: DistillRun, done: int, of: int) -> None:
    """A line for each run that ends; on a terminal the table so far as well."""
    record = run.record
    if record is None:
        return
    spent = [ended.seconds for one in work.runs if (ended := one.record) and not ended.exit]
    left = words.duration((of - done) * sum(spent) / len(spent)) if spent and of > done else ""
    how, about = "failed" if record.exit else "done", f"; about {left} of runs left" if left else ""
    name = run.folder.relative_to(work.root / "runs")
    console.print(f"{done} of {of}: {name} {how} in {words.duration(record.seconds)}{about}", soft_wrap=True)
    if console.is_terminal:
        for one in work.experiments:
            console.print(so_far(one, columns(one, work.cells[one.name], tested=False)))
