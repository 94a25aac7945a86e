"""The runs of an experiment: which there are, the command of each, where it lies and what is noted of it.

A run is named by what it is told and by what its files hold, never by where they lie, so that tables share runs.
"""

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any, Final

from tinybert import files
from tinybert.artifacts import by_name
from tinybert.experiments.prepare import files_of
from tinybert.experiments.spec import Experiment, Row
from tinybert.families import shape_of
from tinybert.models.embedded import folder_of_minilm
from tinybert.models.loading import load_config
from tinybert.recipes import RECIPES

PACKAGE: Final = Path(__file__).parents[1]
_ONLY_SHOW: Final = ("experiments", "report", "api.py", "cli.py", "terminal.py", "show.py", "demo.py", "plan.py")
_NETWORKS: Final = ("teacher", "student", "mlm")
_SHARE = re.compile(r"(\d+)\s*/\s*(\d+)")


@dataclass(frozen=True)
class Record:
    """What is noted of a run that has ended.

    Attributes:
        exit: Its code; 0 = it is finished.
        seconds: That the last try took.
        code: Digest of the code that made it.
        command: As one types it.
        said: Why it failed, in its own words.
    """

    exit: int
    seconds: float
    code: str
    command: str
    said: str = ""


@dataclass(frozen=True)
class DistillRun:
    """One call of `distill`.

    Attributes:
        data: Name of the data set.
        seed: Of the run.
        recipe: That is followed.
        flags: Others than files, by name.
        settings: As behind `--set`, by name.
        files: By role.
        root: The folder of all runs.
        key: Of all that it is told.
    """

    data: str
    seed: int
    recipe: str
    flags: Mapping[str, str]
    settings: Mapping[str, str]
    files: Mapping[str, str]
    root: Path
    key: str

    @property
    def folder(self) -> Path:
        """Where it works."""
        return self.root / "runs" / self.data / f"seed-{self.seed}" / f"{self.recipe}-{self.key[:10]}"

    @property
    def store(self) -> Path:
        """Of teachers, pools and teacher outputs, which runs of the same data and seed share."""
        return self.root / "stages" / self.data / f"seed-{self.seed}"

    @property
    def log(self) -> Path:
        """What it said; not in its folder, which must be empty when it begins."""
        return self.folder.with_name(f"{self.folder.name}.log")

    @property
    def arguments(self) -> list[str]:
        """Behind `tinybert`."""
        flags = {**self.files, **self.flags, "seed": str(self.seed), "output": str(self.folder)}
        settings = {**self.settings, "run.store": str(self.store), "run.keep": "student"}
        named = (part for name, value in flags.items() for part in (f"--{name.replace('_', '-')}", value))
        set_too = (part for name, value in settings.items() for part in ("--set", f"{name}={value}"))
        return ["distill", self.recipe, *named, *set_too]

    @property
    def command(self) -> str:
        """As one types it."""
        return shlex.join(["tinybert", *self.arguments])

    @property
    def record(self) -> Record | None:
        """What was noted when it ended; None where it has not."""
        path = self._noted
        return Record(**files.read_json(path)) if path.exists() else None

    @property
    def finished(self) -> bool:
        """Whether it ended well, and what it leaves is there."""
        record = self.record
        return record is not None and record.exit == 0 and (self.folder / "metrics.json").exists()

    def note(self, record: Record) -> None:
        """Note how it ended."""
        files.write_json(self._noted, by_name(record))

    @property
    def _noted(self) -> Path:
        return self.folder.with_name(f"{self.folder.name}.json")


@dataclass(frozen=True)
class Cell:
    """A row on a data set with a seed: its run, or those of its grid, of which the best on dev counts."""

    row: str
    data: str
    seed: int
    runs: Sequence[DistillRun]

    @property
    def finished(self) -> bool:
        """Whether all its runs are."""
        return all(run.finished for run in self.runs)


@dataclass(frozen=True)
class Workplace:
    """Where an experiment finds and leaves things.

    Attributes:
        data: The folder of public data.
        root: Of all that is made.
        settings: Of every run, above all others.
    """

    data: Path
    root: Path
    settings: Mapping[str, str]


def cells(experiment: Experiment, data: str, place: Workplace) -> Iterator[Cell]:
    """The cells of a data set, seed by seed.

    Raises:
        UserError: If a file is missing.
    """
    for seed in range(1, experiment.budget.seeds + 1):
        for label, row in experiment.rows.items():
            if data not in row.without:
                yield Cell(label, data, seed, [*_runs(experiment, row, data, seed, place)])


def _runs(experiment: Experiment, row: Row, data: str, seed: int, place: Workplace) -> Iterator[DistillRun]:
    budget, on = experiment.budget, experiment.data[data]
    teacher = budget.teacher or str(folder_of_minilm())
    alone = RECIPES[row.recipe].config()
    usual = budget.student if alone.student.transformer else None
    flags = {"teacher": teacher, "student": _student(row.student or usual, teacher)}
    flags = {name: value for name, value in flags.items() if name not in dict(alone.unread())}
    flags |= {"config": row.config or budget.config, "device": budget.device, "kind": on.kind}
    flags |= {"mlm": budget.mlm if row.mlm else None}
    given = {name: value for name, value in flags.items() if value is not None}
    found = files_of(data, on, place.data, place.root / "data", seed)
    unused = [role for role in ("source", "unlabeled") if not getattr(row, role)]
    found = {role: path for role, path in found.items() if role not in unused}
    contents = {role: _content(path) for role, path in found.items()}
    names, values = list(row.grid), list(row.grid.values())
    for chosen in product(*values):
        layers = (budget.settings, on.settings, row.settings, dict(zip(names, chosen, strict=True)), place.settings)
        settings = {name: _text(value) for layer in layers for name, value in by_name(layer).items()}
        told = {name: value for name, value in settings.items() if not name.startswith("run.")}
        networks = {name: _content(value) for name, value in given.items() if name in _NETWORKS}
        key = files.sha256_json([row.recipe, given | networks, told, contents])
        yield DistillRun(data, seed, row.recipe, given, settings, found, place.root, key)


def _student(given: str | None, teacher: str) -> str | None:
    """A student as `distill` takes it."""
    if given == "teacher":
        return teacher
    if given is None or (share := _SHARE.fullmatch(given)) is None:
        return given
    layers, width = _sizes(teacher)
    return f"{max(1, round(layers * int(share[1]) / int(share[2])))}x{width}"


@cache
def _sizes(teacher: str) -> tuple[int, int]:
    shape = shape_of(load_config(teacher))
    return shape.layers, shape.width


@cache  # of a command; each seed of each row has the same few files
def _content(name: str) -> str:
    """A digest of a file, or of all files of a folder; what is neither, such as a shape, as it is."""
    path = Path(name)
    if path.is_file():
        return files.sha256_file(path)
    inside = files.sha256_of_each(path)
    return files.sha256_json(inside) if inside else name


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


@cache
def digest_of_code() -> str:
    """Of all that can change a figure: our own modules and presets, without those that only show results."""
    paths = sorted(path for kind in ("*.py", "*.yaml") for path in PACKAGE.rglob(kind))
    inside = {path.relative_to(PACKAGE).as_posix(): path for path in paths}
    return files.sha256_json(
        {name: files.sha256_file(path) for name, path in inside.items() if name.split("/")[0] not in _ONLY_SHOW}
    )
