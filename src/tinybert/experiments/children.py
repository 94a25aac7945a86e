"""Runs as processes of their own: so many at a time, each noted when it ends, none left behind.

Here, or on the machines of a Ray cluster, which have to share the disk that data and output lie on.
"""

import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Final

from tinybert.cluster import connected
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

    def of(self, runs: Sequence[DistillRun], parallel: int) -> Generator[DistillRun]:
        """Carry out runs, so many at a time; each as it ends."""
        with ThreadPoolExecutor(parallel) as pool:
            futures = [pool.submit(self.one, run) for run in runs]
            try:
                yield from (future.result() for future in as_completed(futures))
            finally:
                pool.shutdown(wait=False, cancel_futures=True)
                self.stop()  # or the pool would wait until they end by themselves

    def on_ray(self, runs: Sequence[DistillRun], parallel: int, address: str | None) -> Generator[DistillRun]:
        """The same as tasks of Ray, each of as many processor cores as it has threads.

        Args:
            runs: What to carry out.
            parallel: How many at a time.
            address: Of the cluster; None = one of this machine.
        """
        waiting, begun = deque(runs), dict[Any, DistillRun]()
        with connected(address) as ray:
            largest = max(int(node["Resources"].get("CPU", 1)) for node in ray.nodes() if node["Alive"])
            gpus = 1 if ray.cluster_resources().get("GPU", 0) else 0
            try:
                while waiting or begun:
                    while waiting and len(begun) < parallel:
                        run = waiting.popleft()
                        cores = min(int(run.settings["run.threads"]), largest)
                        task = ray.remote(num_cpus=cores, num_gpus=gpus, max_retries=0)(_on_its_own)
                        begun[task.remote(run, Path.cwd())] = run
                    (ended, *_), _ = ray.wait([*begun], num_returns=1)
                    run = begun.pop(ended)
                    try:
                        ray.get(ended)
                    except ray.exceptions.RayError as error:  # not the run's own failure, which it notes itself
                        said = str(error).strip().splitlines()[-1]
                        run.note(Record(1, 0.0, digest_of_code(), run.command, said))
                    yield run
            finally:
                for task in begun:
                    ray.cancel(task)  # a Ctrl-C there: it makes a checkpoint
                if begun:
                    ray.wait([*begun], num_returns=len(begun))

    def one(self, run: DistillRun) -> DistillRun:
        """Carry out a run, unless all are to end."""
        if self.stopped:
            return run
        run.log.parent.mkdir(parents=True, exist_ok=True)
        began, command = time.monotonic(), [*PROGRAM, *run.arguments]
        with run.log.open("wb") as log:
            child = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)  # noqa: S603  # our own command
            self.alive.add(child)
            code = _exit_code(child)
            self.alive.discard(child)
        if not self.stopped:
            said = "" if code == 0 else _last_words(run.log)
            run.note(Record(code, round(time.monotonic() - began, 1), digest_of_code(), run.command, said))
        return run


def _on_its_own(run: DistillRun, folder: Path) -> None:
    """A run on whatever machine this is; its paths are seen from a folder."""
    os.chdir(folder)
    with Children() as children:
        children.one(run)


def _exit_code(child: "subprocess.Popen[bytes]") -> int:
    """Wait for it, but look up now and then: a program that Ray cancels is not woken."""
    while True:
        with suppress(subprocess.TimeoutExpired):
            return child.wait(timeout=0.5)


@contextmanager
def terminable() -> Iterator[None]:
    """SIGTERM ends the block as Ctrl-C does, which is all that Ray lets through while it waits."""
    told: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        told.append(number)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except KeyboardInterrupt:
        raise (Interrupted(told[0]) if told else KeyboardInterrupt) from None
    finally:
        signal.signal(signal.SIGTERM, before)


def _last_words(log: Path) -> str:
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    ours = [line.removeprefix("tinybert: ") for line in lines if line.startswith("tinybert: ")]
    return (ours or lines or ["it said nothing"])[-1]
