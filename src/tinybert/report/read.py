"""Reads what a run left behind; what is missing or torn off is simply absent: half a run deserves a report too."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tinybert.errors import UserError
from tinybert.files import read_json
from tinybert.report.predictions import Predictions, read_predictions
from tinybert.report.values import mapping, number

Line = list[tuple[float, float]]  # (step, value)


@dataclass
class StageLog:
    """What `metrics.jsonl` says of one stage.

    Attributes:
        name: Of the stage.
        lines: `loss` and the objective's terms over steps.
        dev: What the stage is judged by over steps, higher is better: the main metric on dev, or minus a loss.
        speed: Examples per second, as logged.
    """

    name: str
    lines: dict[str, dict[float, float]] = field(default_factory=dict)
    dev: dict[float, float] = field(default_factory=dict)
    speed: list[float] = field(default_factory=list)

    def note(self, line: Mapping[str, Any]) -> None:
        """Take in one line; a step that a resumed run logged again counts as logged last."""
        step = number(line.get("step"))
        if step is None:
            return
        for name, value in {"loss": line.get("loss"), **mapping(line.get("terms"))}.items():
            if (known := number(value)) is not None:
                self.lines.setdefault(str(name), {})[step] = known
        if (dev := number(line.get("dev"))) is not None:
            self.dev[step] = dev
        if (speed := number(line.get("examples_per_second"))) is not None:
            self.speed.append(speed)


@dataclass(frozen=True)
class RunFiles:
    """The files of one run folder that a report is made of.

    Attributes:
        name: The folder's name.
        metrics: `metrics.json`; empty if the run is not finished.
        environment: `environment.json`.
        config: `config.yaml` as text.
        stages: From `metrics.jsonl`, in the order in which they began.
        predictions: From `predictions.jsonl`; None where there is nothing to judge.
    """

    name: str
    metrics: Mapping[str, Any]
    environment: Mapping[str, Any]
    config: str
    stages: Sequence[StageLog]
    predictions: Predictions | None

    def entry(self, system: str) -> Mapping[str, Any]:
        """What `metrics.json` says of a system; empty where it says nothing."""
        return mapping(self.metrics.get(system))

    def part(self, name: str) -> Mapping[str, Any]:
        """A mapping of `metrics.json`, empty where it is missing."""
        return mapping(self.metrics.get(name))

    @property
    def evaluated_on(self) -> str:
        """Which data the figures are from: `test`, else `held_out` where no task was learnt, else `dev`."""
        entries = [self.entry(system) for system in ("student", "teacher")]
        found = (name for name in ("test", "held_out") if any(entry.get(name) for entry in entries))
        return str(self.metrics.get("evaluated_on") or next(found, "dev"))


def expand(folders: Sequence[Path]) -> list[Path]:
    """Run folders in the order given; one made by `--seeds` stands for its seeds.

    Raises:
        UserError: If a folder holds no run.
    """
    return [run for folder in folders for run in (_seeds(folder) or [_checked(folder)])]


def read_run(folder: Path) -> RunFiles:
    """Read one run folder."""
    metrics = mapping(_json(folder / "metrics.json"))
    classes = [str(name) for name in metrics.get("classes") or ()]
    return RunFiles(
        name=_name(folder.resolve()),
        metrics=metrics,
        environment=mapping(_json(folder / "environment.json")),
        config=_text(folder / "config.yaml"),
        stages=_stages(folder / "metrics.jsonl"),
        predictions=read_predictions(_records(folder / "predictions.jsonl"), classes),
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
    for line in _records(path):
        if isinstance(name := line.get("stage"), str) and "step" in line:
            stages.setdefault(name, StageLog(name)).note(line)
    return [stage for stage in stages.values() if stage.lines or stage.dev]


def _records(path: Path) -> Iterator[Mapping[str, Any]]:
    """Objects of a JSON-lines file; a line that a kill cut off is passed over."""
    if not path.exists():
        return
    with path.open(encoding="utf-8", errors="replace") as stream:
        for line in stream:
            try:
                value = json.loads(line)
            except json.JSONDecodeError:
                continue
            if isinstance(value, dict):
                yield value


def _json(path: Path) -> Any:
    try:
        return read_json(path) if path.exists() else {}
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not JSON ({error}); it was changed after the run") from error


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
