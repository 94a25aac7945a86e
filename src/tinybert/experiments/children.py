"""Runs as processes of their own: so many at a time, each noted when it ends, none left behind."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Final

from tinybert.errors import Interrupted
from tinybert.experiments.runs import DistillRun, Record, digest_of_code

PROGRAM: Final = (sys.executable, "-m", "tinybert")


@dataclass
class Children:
    """Processes at work; none is left behind."""

    alive: set["subprocess.Popen[bytes]"] = field(default_factory=set)
    stopped: bool = False

    def __enter__(self) -> "Children":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End all of them; begin no other."""
        self.stopped = True
        for child in list(self.alive):
            child.terminate()  # it makes a checkpoint
        for child in list(self.alive):
            child.wait()

    def of(self, runs: Sequence[DistillRun], parallel: int) -> Iterator[DistillRun]:
        """Carry out runs, so many at a time; each as it ends."""
        with _terminable(), ThreadPoolExecutor(parallel) as pool:
            futures = [pool.submit(self._one, run) for run in runs]
            try:
                yield from (future.result() for future in as_completed(futures))
            finally:
                pool.shutdown(wait=False, cancel_futures=True)
                self.stop()  # or the pool would wait until they end by themselves

    def _one(self, run: DistillRun) -> DistillRun:
        if self.stopped:
            return run
        run.log.parent.mkdir(parents=True, exist_ok=True)
        began, command = time.monotonic(), [*PROGRAM, *run.arguments]
        with run.log.open("wb") as log:
            child = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)  # noqa: S603  # our own command
            self.alive.add(child)
            code = child.wait()
            self.alive.discard(child)
        if not self.stopped:
            said = "" if code == 0 else _last_words(run.log)
            run.note(Record(code, round(time.monotonic() - began, 1), digest_of_code(), run.command, said))
        return run


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM ends the block as Ctrl-C does."""

    def stop(number: int, _frame: FrameType | None) -> None:
        raise Interrupted(number)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _last_words(log: Path) -> str:
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    ours = [line.removeprefix("tinybert: ") for line in lines if line.startswith("tinybert: ")]
    return (ours or lines or ["it said nothing"])[-1]
