"""Run folders: who owns one, what a killed process left in it, which steps were begun, what may be forgotten."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from tinybert import files
from tinybert.artifacts import LOCK, Artifact, Store
from tinybert.errors import UserError
from tinybert.log import Log

RECORD = "steps.json"


def check_run_folder(folder: Path) -> None:
    """Refuse to write into a folder that holds something else: what lies there might be replaced.

    Raises:
        UserError: If the folder is not empty and no run began in it.
    """
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not there.is_dir():
        raise UserError(f"--output {folder}: {there} is a file; a run needs a folder of its own")
    if there != folder:
        return
    ours = {"config.yaml", "metrics.json", LOCK}
    content = {path.name for path in folder.iterdir()}
    if content and not content & ours:
        raise UserError(f"--output {folder}: is not empty and holds no run of tinybert; take another folder")


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Own a run folder: a second process gets a `UserError`; leftovers of a killed one are swept."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UserError(
            f"{folder}: another tinybert process is working in this folder; wait for it or take another --output"
        ) from None
    try:
        files.sweep(folder)
        yield
    finally:
        lock.release()


@dataclass(frozen=True)
class Begun:
    """A step that a run has begun.

    Attributes:
        name: Of the step.
        key: Of its artifact.
        inputs: What the key was made from, by dotted name.
        config: All settings of the run at that time, by dotted name.
        own: Key of what this run alone made of it, under a limit of time; None = there is none.
    """

    name: str
    key: str
    inputs: Mapping[str, Any]
    config: Mapping[str, Any]
    own: str | None = None

    @property
    def keys(self) -> list[str]:
        """Of all that may lie in a store."""
        return [key for key in (self.key, self.own) if key is not None]

    def changed(self, artifact: Artifact, config: Mapping[str, Any]) -> list[str]:
        """What makes this another step than an artifact is: settings where they say it, else names of inputs too."""
        settings = sorted(key for key in config if key in self.config and self.config[key] != config[key])
        if artifact.name != self.name:
            return settings
        both = {**self.inputs, **artifact.inputs}
        differing = sorted(key for key in both if self.inputs.get(key) != artifact.inputs.get(key))
        said = [key for key in differing if key in config]
        if any(artifact.inputs.get(key) != config.get(key) for key in differing):  # contents: what led there helps more
            said += [key for key in settings if "." in key and not key.endswith(".path")]
        return sorted(set(said)) or differing


@dataclass(frozen=True)
class Record:
    """What a run has begun, in order, and what it ended with: one file in its folder, sealed with its hash.

    Attributes:
        folder: Of the run.
    """

    folder: Path

    @property
    def steps(self) -> list[Begun]:
        """The steps so far; none where the file is absent or damaged."""
        return [Begun(**step) for step in self._content().get("steps", [])]

    def begin(self, number: int, artifact: Artifact, config: Mapping[str, Any], *, by_step: bool) -> None:
        """Note the next step, or check that it is the one that was begun.

        Args:
            number: How many steps came before.
            artifact: Of this one.
            config: All settings by dotted name; they name the culprit where something has changed.
            by_step: Whether the command can redo a run from a step on.

        Raises:
            UserError: If another step was begun here, or this one from something else.
        """
        steps = self.steps
        if number == len(steps):
            content = self._content()
            entry = asdict(Begun(artifact.name, artifact.key, artifact.inputs, config))
            self._write({**content, "steps": [*content.get("steps", []), entry]})
        elif (begun := steps[number]).key != artifact.key:
            other = "the recipe" if begun.name != artifact.name else "an earlier stage"
            redo = f"--restart-from {begun.name} redoes it and what follows, " if by_step else ""
            raise UserError(
                f"{', '.join(begun.changed(artifact, config)) or other}: changed since stage {begun.name} of "
                f"{self.folder} began; {redo}--restart begins anew"
            )

    def own(self, key: str, new: str | None = None) -> str | None:
        """The key of what this run alone made of a step; noted first, where one is given and the step has none.

        Args:
            key: Of the step.
            new: Of what it is about to make.
        """
        steps = self.steps
        number = next((number for number, step in enumerate(steps) if step.key == key), None)
        if number is None:
            return None
        if steps[number].own is None and new is not None:
            steps[number] = replace(steps[number], own=new)
            self._write({**self._content(), "steps": [asdict(step) for step in steps]})
        return steps[number].own

    def noted(self, what: str) -> dict[str, Any] | None:
        """What was noted under a name; None where nothing was."""
        found: dict[str, Any] | None = self._content().get(what)
        return found

    def note(self, what: str, value: Mapping[str, Any] | None) -> None:
        """Note something else, or forget it."""
        self._write({**self._content(), what: value})

    def forget(self, first: str | None) -> list[Begun]:
        """Forget the steps from one on, all where it is None; those of a run that has not reached it stay.

        Returns:
            What was forgotten.
        """
        steps = self.steps
        names = [step.name for step in steps]
        start = 0 if first is None else names.index(first) if first in names else len(names)
        if self._path.exists():
            self._write({"steps": [asdict(step) for step in steps[:start]]})
        return steps[start:]

    @property
    def _path(self) -> Path:
        return self.folder / RECORD

    def _content(self) -> dict[str, Any]:
        return files.found_sealed(self._path) or {}

    def _write(self, content: Mapping[str, Any]) -> None:
        files.write_sealed(self._path, content)


def check_stage_name(folders: Sequence[Path], name: str) -> None:
    """Refuse to restart from a stage that none of these runs has reached.

    Raises:
        UserError: If that is so.
    """
    reached = list(dict.fromkeys(step.name for folder in folders for step in Record(folder).steps))
    if name not in reached:
        there = ", ".join(reached) or "none yet"
        raise UserError(f"--restart-from {name}: {folders[0]} has no such stage; there are: {there}")


def check_version(folder: Path) -> None:
    """Refuse to go on with a run of a version that kept its stages otherwise.

    Raises:
        UserError: If it is one.
    """
    if any(folder.glob("stages/[0-9]*/begun.json")) or (folder / "kept.json").exists():
        raise UserError(
            f"{folder}: holds a run of an earlier version, which cannot go on; --restart begins anew, or take another "
            "--output"
        )


def forget_steps(folder: Path, store: Store, first: str | None, shown: Mapping[str, str]) -> None:
    """Forget steps, their artifacts, what was logged of them, and what they show elsewhere: it would pass for the new.

    Args:
        folder: Of a run.
        store: Where its artifacts lie.
        first: The first to go, and those after it; None = all. A run that has not reached it keeps what it has.
        shown: By step, what it shows elsewhere in the folder.
    """
    log = Log(folder / "metrics.jsonl")
    for step in reversed(Record(folder).forget(first)):
        if step.name in shown:
            files.remove(folder / shown[step.name])
        log.forget(step.name)
        for key in step.keys:
            store.recorded(step.name, key).forget(log.say)
    if first is None:
        for path in (*folder.glob("stages/[0-9]*-*"), folder / "kept.json"):  # of an earlier version
            files.remove(path)
