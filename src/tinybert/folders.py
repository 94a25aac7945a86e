"""Run folders: who owns one, what a killed process left in it, what may be forgotten."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from tinybert import files
from tinybert.errors import UserError
from tinybert.log import Log

LOCK = ".lock"


def refuse_foreign(folder: Path) -> None:
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


def refuse_unknown_stage(folders: Sequence[Path], name: str) -> None:
    """Refuse to restart from a stage that none of these runs has reached.

    Raises:
        UserError: If that is so.
    """
    reached = list(dict.fromkeys(_name_of(path) for folder in folders for path in _stages(folder)))
    if name not in reached:
        there = ", ".join(reached) or "none yet"
        raise UserError(f"--restart-from {name}: {folders[0]} has no such stage; there are: {there}")


def forget_stages(folder: Path, first: str | None, shown: Mapping[str, str]) -> None:
    """Remove stages, what was recorded of them, and what they show elsewhere: it would pass for what is made anew.

    Args:
        folder: Of a run.
        first: The first to go, and those after it; None = all. A run that has not reached it keeps what it has.
        shown: By stage, what it shows elsewhere in the folder.
    """
    stages = _stages(folder)
    names = [_name_of(path) for path in stages]
    start = 0 if first is None else names.index(first) if first in names else len(names)
    for path, name in reversed(list(zip(stages[start:], names[start:], strict=True))):
        if name in shown:
            files.remove(folder / shown[name])
        Log(folder / "metrics.jsonl").forget(name)
        shutil.rmtree(path)


def _stages(folder: Path) -> list[Path]:
    return sorted((folder / "stages").glob("[0-9]*-*"), key=lambda path: int(path.name.split("-")[0]))


def _name_of(stage: Path) -> str:
    return stage.name.split("-", 1)[1]
