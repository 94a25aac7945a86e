"""Reads what a run left behind; what is missing or torn off is simply absent: half a run deserves a report too."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from tinybert.errors import UserError
from tinybert.report.predictions import SYSTEMS, Predictions, read_predictions
from tinybert.report.values import mapping, number, numbers, read_mapping, read_records
from tinybert.statistics import Interval

STUDENTS = ("student_int8", "student")  # the smallest first
_MAIN_METRICS = ("accuracy", "pearson", "loss")  # of a run that does not name its own
_AGREE = 1e-3  # an interval is shown only if it is of the very figure in metrics.json

Line = list[tuple[float, float]]  # (step, value)


@dataclass
class StageLog:
    """What `metrics.jsonl` says of one stage.

    Attributes:
        name: Of the stage.
        lines: `loss` and the objective's terms over steps.
        dev: What its checkpoints are chosen by over steps, higher is better: the main metric on dev, or minus a loss.
    """

    name: str
    lines: dict[str, dict[float, float]] = field(default_factory=dict)
    dev: dict[float, float] = field(default_factory=dict)

    def add(self, line: Mapping[str, Any]) -> None:
        """Take in one line; a step that a resumed run logged again counts as logged last."""
        step = number(line.get("step"))
        if step is None:
            return
        for name, value in numbers({"loss": line.get("loss"), **mapping(line.get("terms"))}).items():
            self.lines.setdefault(name, {})[step] = value
        if (dev := number(line.get("dev"))) is not None:
            self.dev[step] = dev


@dataclass(frozen=True)
class RunFiles:
    """The files of one run folder that a report is made of.

    Attributes:
        folder: Where they lie.
        name: The folder's name.
        metrics: `metrics.json`; empty if the run is not finished.
        environment: `environment.json`.
        config: `config.yaml` as text.
        stages: From `metrics.jsonl`, in the order in which they began.
        predictions: From `predictions.jsonl`; None where there is nothing to compare.
    """

    folder: Path
    name: str
    metrics: Mapping[str, Any]
    environment: Mapping[str, Any]
    config: str
    stages: Sequence[StageLog]
    predictions: Predictions | None

    def part(self, *path: str) -> Mapping[str, Any]:
        """A mapping inside `metrics.json`, such as `part("student", "latency_ms")`; empty where it is missing."""
        found = self.metrics
        for key in path:
            found = mapping(found.get(key))
        return found

    def number(self, *path: str) -> float | None:
        """A number inside `metrics.json`; None where it is missing."""
        return number(self.part(*path[:-1]).get(path[-1]))

    @property
    def notes(self) -> list[str]:
        """What the run wanted its reader to know."""
        told = self.metrics.get("notes")
        return [str(note) for note in told] if isinstance(told, list) else []

    @property
    def systems(self) -> list[str]:
        """The systems that the run says anything about, the teacher first."""
        return [system for system in SYSTEMS if self.part(system)]

    @property
    def evaluated_on(self) -> str:
        """See the function of that name."""
        return evaluated_on(self.metrics)

    def scores(self, system: str, data: str) -> dict[str, float]:
        """A system's metrics on `dev`, `test` or `held_out`."""
        return numbers(self.part(system).get(data))

    @property
    def main_metric(self) -> str | None:
        """The metric that heads the report; None where no system was evaluated."""
        known = {metric for system in self.systems for metric in self.scores(system, self.evaluated_on)}
        return next((metric for metric in (self.metrics.get("main_metric"), *_MAIN_METRICS) if metric in known), None)

    def main_score(self, system: str) -> float | None:
        """A system's main metric on the data that the report is about."""
        return self.scores(system, self.evaluated_on).get(self.main_metric or "")

    @property
    def smallest(self) -> str:
        """The smallest student that was evaluated, else that was measured, else the teacher."""
        known = [system for system in STUDENTS if self.main_score(system) is not None]
        return (known or [system for system in STUDENTS if self.part(system)] or ["teacher"])[0]

    @cached_property
    def intervals(self) -> Mapping[str, Interval]:
        """By system, the 95 % bootstrap interval of the main metric, as far as the rows allow."""
        if (rows := self.predictions) is None or self.main_metric != rows.metric:
            return {}
        found = {system: rows.interval(system) for system in rows.predicted if self.main_score(system) is not None}
        return {s: bounds for s, bounds in found.items() if abs(bounds.estimate - (self.main_score(s) or 0)) < _AGREE}

    def latency(self, system: str, length: str | None, quantile: str = "p50") -> float | None:
        """Milliseconds of one text of so many pieces."""
        return self.number(system, "latency_ms", length or "", quantile)

    @property
    def lengths(self) -> list[str]:
        """The lengths at which anything was timed or counted, ascending."""
        found = {str(n) for s in self.systems for n in (*self.part(s, "latency_ms"), *self.part("flops", s))}
        return sorted(found, key=lambda length: (len(length), length))

    @property
    def quoted_length(self) -> str | None:
        """The longest length at which a student, or else anything, was timed: the one whose latency is quoted."""
        for candidates in (STUDENTS, ("teacher",)):
            if timed := [n for n in self.lengths if any(self.latency(system, n) for system in candidates)]:
                return timed[-1]
        return None


def evaluated_on(metrics: Mapping[str, Any]) -> str:
    """Which data a `metrics.json` is about: `test`, else `held_out` where no task was learnt, else `dev`."""
    systems = [mapping(metrics.get(system)) for system in SYSTEMS]
    found = (name for name in ("test", "held_out") if any(system.get(name) for system in systems))
    return str(metrics.get("evaluated_on") or next(found, "dev"))


def expand(folders: Sequence[Path]) -> list[Path]:
    """Run folders in the order given, each once; one made by `--seeds` stands for its seeds.

    Raises:
        UserError: If a folder holds no run.
    """
    found = (run for folder in folders for run in (_seeds(folder) or [_checked(folder)]))
    return [*{run.resolve(): run for run in found}.values()]


def read_run(folder: Path) -> RunFiles:
    """Read one run folder."""
    metrics = read_mapping(folder / "metrics.json")
    config = folder / "config.yaml"
    classes = [str(name) for name in metrics.get("classes") or ()]
    return RunFiles(
        folder=folder,
        name=_name(folder.resolve()),
        metrics=metrics,
        environment=read_mapping(folder / "environment.json"),
        config=config.read_text(encoding="utf-8", errors="replace") if config.exists() else "",
        stages=_stages(folder / "metrics.jsonl"),
        predictions=read_predictions(read_records(folder / "predictions.jsonl"), classes),
    )


def _name(folder: Path) -> str:
    """The folder's name; that of a seed alone would say too little."""
    return f"{folder.parent.name}/{folder.name}" if folder.name.startswith("seed-") else folder.name


def _checked(folder: Path) -> Path:
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; give the --output of a run")
    if not any((folder / name).exists() for name in ("metrics.json", "metrics.jsonl", "config.yaml")):
        raise UserError(
            f"{folder}: holds no run (no metrics.json, metrics.jsonl or config.yaml); give the --output of one"
        )
    return folder


def _seeds(folder: Path) -> list[Path]:
    found = [path for path in folder.glob("seed-*") if path.is_dir() and path.name[5:].isdigit()]
    return [_checked(path) for path in sorted(found, key=lambda path: int(path.name[5:]))]


def _stages(path: Path) -> list[StageLog]:
    stages: dict[str, StageLog] = {}
    for line in read_records(path):
        if isinstance(name := line.get("stage"), str) and "step" in line:
            stages.setdefault(name, StageLog(name)).add(line)
    return [stage for stage in stages.values() if stage.lines or stage.dev]
