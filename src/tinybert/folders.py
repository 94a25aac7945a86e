"""Run folders: who owns one, what a killed process left in it, what may be forgotten."""

import shutil
from collections.abc import Iterator
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


def forget_stages(folder: Path, first: str | None) -> None:
    """Remove the stages from `first` on (None = all), and what was recorded since.

    Raises:
        UserError: If the run has no such stage.
    """
    stages = sorted((folder / "stages").glob("[0-9]*-*"), key=lambda path: int(path.name.split("-")[0]))
    names = [path.name.split("-", 1)[1] for path in stages]
    if first is not None and first not in names:
        there = ", ".join(names) or "none yet"
        raise UserError(f"--restart-from {first}: {folder} has no such stage; there are: {there}")
    doomed = stages[names.index(first) if first else 0 :]
    if any(path.name.endswith("-teacher") for path in doomed):
        shutil.rmtree(folder / "teacher", ignore_errors=True)  # it would pass for the one that is made anew
    if any(path.name.endswith("-augment") for path in doomed):
        shutil.rmtree(folder / "augmented", ignore_errors=True)
    for path in reversed(doomed):
        Log(folder / "metrics.jsonl").forget(path.name.split("-", 1)[1])
        shutil.rmtree(path)
