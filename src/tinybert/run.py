"""Where and how a run happens, never what it does: folder, lock, device, seed streams, stages, signals.

A run is a chain of stages. Each has a folder with what it was begun with (its fingerprint: contents and settings,
chained to its parent) and, once finished, its result. The same command again skips finished stages.
"""

import hashlib
import json
import shutil
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Literal

import numpy as np
import torch

from tinybert import files
from tinybert.errors import Interrupted, UserError
from tinybert.log import Log

HELD_OUT_SEED = 0  # what is drawn of and on held-out text is the same in every run, so that losses can be compared


def named_seed(seed: int, *names: str | int) -> int:
    """The seed of a named stream: a pure function of a run's seed and the names."""
    text = "\x1f".join(str(part) for part in (seed, *names))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1


def stream(seed: int, *names: str | int) -> np.random.Generator:
    """A NumPy generator on a named stream; streams are independent of each other and of the order of calls."""
    return np.random.Generator(np.random.Philox(named_seed(seed, *names)))


@dataclass(frozen=True)
class RunSettings:
    """How a run is carried out; no key here changes a stage's fingerprint.

    Attributes:
        dtype: Of the student's forward pass: `auto` is bf16 autocast on a GPU that has it, fp32 elsewhere.
        threads: Of torch on a processor; None = torch's own choice.
        deterministic: Refuse operations without a deterministic form.
        checkpoint_every: Seconds between checkpoints; there is one at the end of every epoch as well.
        keep: `student` removes stages and teacher once the run has succeeded.
        tensorboard: Write event files too (needs the extra `tensorboard`).
        executor: Who augments: this process, or Ray (needs the extra `ray`).
        address: Of a Ray cluster; None = one of this machine, which ends with the work.
        workers: Ray actors that augment; None = as many as there is room for.
    """

    dtype: Literal["auto", "fp32", "bf16"] = "auto"
    threads: int | None = None
    deterministic: bool = True
    checkpoint_every: float = 300.0
    keep: Literal["all", "student"] = "all"
    tensorboard: bool = False
    executor: Literal["local", "ray"] = "local"
    address: str | None = None
    workers: int | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if self.threads is not None and self.threads < 1:
            raise ValueError(f"threads must be at least 1, got {self.threads}")
        if self.workers is not None and self.workers < 1:
            raise ValueError(f"workers must be at least 1, got {self.workers}")
        if self.checkpoint_every <= 0:
            raise ValueError(f"checkpoint_every is a number of seconds above 0, got {self.checkpoint_every}")

    def unread(self) -> Iterator[tuple[str, str]]:
        """Keys that others leave without use, and why; see `config.unread`."""
        if self.executor == "local":
            for name in ("address", "workers"):
                yield name, "executor=local does not read it"


@dataclass
class DataFolder:
    """Encoded rows and packed text, named by what they were made from; the seeds of one command share them."""

    folder: Path
    _used: set[str] = field(default_factory=set)

    def place(self, name: str) -> Path:
        """Where data of this name are or will be."""
        self._used.add(name)
        return self.folder / name

    def forget_others(self) -> None:
        """Remove what was made from data or settings that this command does not have."""
        for path in self.folder.glob("*"):
            if path.name not in self._used:
                files.remove(path, ignore_errors=True)


@dataclass
class Run:
    """One run: its place on the disk, its machine and its randomness.

    Attributes:
        folder: Where everything is written.
        seed: Root of all random streams.
        settings: See `RunSettings`.
        device: Where networks run.
        log: What it says.
        config: All resolved settings by dotted name; names the culprit when a stage no longer matches.
        cache: Folder for teacher outputs; the seeds of one command share it.
        data: Where data are kept once they are encoded; None = with the stages.
        rank: Which of `world` processes this is.
        world: Number of processes.
        by_stage: Whether the command can redo a run from a stage on.
    """

    folder: Path
    seed: int
    settings: RunSettings
    device: torch.device
    log: Log
    config: Mapping[str, Any] = field(default_factory=dict)
    cache: Path | None = None
    data: DataFolder | None = None
    rank: int = 0
    world: int = 1
    by_stage: bool = True
    stop_signal: int = 0
    _deferring: bool = False
    _parent: str = ""
    _stages: int = 0

    def stored(self, name: str) -> Path:
        """The place of encoded data, by what they were made from."""
        self.data = self.data or DataFolder(self.folder / "stages" / "data")
        return self.data.place(name)

    @property
    def is_main(self) -> bool:
        """Whether this process writes files and speaks."""
        return self.rank == 0

    @property
    def student_dtype(self) -> torch.dtype:
        """Of the student's forward pass (weights and optimizer always stay fp32)."""
        if self.settings.dtype == "auto":
            usable = self.device.type == "cuda" and torch.cuda.is_bf16_supported()
            return torch.bfloat16 if usable else torch.float32
        return {"fp32": torch.float32, "bf16": torch.bfloat16}[self.settings.dtype]

    def seed_for(self, *names: str | int) -> int:
        """See `named_seed`; of this run's seed."""
        return named_seed(self.seed, *names)

    def rng(self, *names: str | int) -> np.random.Generator:
        """See `stream`; of this run's seed."""
        return stream(self.seed, *names)

    def stage(self, name: str, inputs: Mapping[str, Any]) -> "StageRun":
        """Enter the next stage of the chain.

        Args:
            name: What the stage is called in settings and messages.
            inputs: What its result depends on: digests of contents and settings by their dotted name.

        Raises:
            UserError: If the stage was begun with other inputs.
        """
        self._stages += 1
        fingerprint = files.sha256_json({"inputs": dict(inputs), "parent": self._parent, "stage": name})
        place = StageRun(self, name, self.folder / "stages" / f"{self._stages}-{name}", fingerprint)
        if self.is_main:
            place.begin(inputs)
        self.wait()
        self._parent = fingerprint
        return place

    def once(self, name: str, inputs: Mapping[str, Any], make: Callable[[Path], None]) -> Path:
        """The result folder of a stage that is not a training: made now by `make`, or found."""
        place = self.stage(name, inputs)
        if not place.finished and self.is_main:
            place.finish(make)
        self.wait()
        return place.result

    def wait(self) -> None:
        """Wait for the other processes."""
        if self.world > 1:
            torch.distributed.barrier()

    @contextmanager
    def deferring_signals(self) -> Iterator[None]:
        """Inside, a signal only sets `stop_signal`: the loop ends its step, saves, and raises `Interrupted` itself.

        The same signal again does not wait. Another one does: a launcher adds a SIGTERM to the Ctrl-C of a terminal.
        """
        before, self._deferring = self._deferring, True  # a stage within a stage does not end the outer one's
        try:
            yield
        finally:
            self._deferring = before

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Turn SIGINT and SIGTERM into a checkpoint and an `Interrupted`."""

        def handle(number: int, _frame: FrameType | None) -> None:
            if not self._deferring or number == self.stop_signal:
                raise Interrupted(number)
            self.stop_signal = self.stop_signal or number

        before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


@dataclass
class StageRun:
    """The place of one stage: what it began with, its checkpoints, its result."""

    run: Run
    name: str
    folder: Path
    fingerprint: str

    @property
    def result(self) -> Path:
        """The folder of the finished result."""
        return self.folder / "result"

    @property
    def checkpoints(self) -> Path:
        """Where unfinished training is saved."""
        return self.folder / "checkpoints"

    @property
    def finished(self) -> bool:
        """Whether there is a result and it is whole."""
        if files.is_whole(self.result):
            return True
        if self.result.exists():
            self.run.log.say(f"{self.name}: the stored result is damaged; the stage is done again")
        return False

    def begin(self, inputs: Mapping[str, Any]) -> None:
        """Note what the stage begins with, or check that it is what it was begun with."""
        begun = self.folder / "begun.json"
        before = files.found_sealed(begun)
        if before is not None:
            if before["fingerprint"] != self.fingerprint:
                raise UserError(self._mismatch(before, inputs))
            return
        if self.folder.parent.name == "stages":  # only there do numbers count
            self._refuse_another()
        if self.folder.exists() and any(self.folder.iterdir()):  # results of nobody knows what
            self.run.log.say(f"{self.name}: {begun.name} is missing or damaged; the stage is done again")
            shutil.rmtree(self.folder)
        entry = {"fingerprint": self.fingerprint, "inputs": dict(inputs), "config": dict(self.run.config)}
        files.write_sealed(begun, entry)

    def within(self, name: str, inputs: Mapping[str, Any]) -> "StageRun":
        """The place of work inside this stage, chained to it; begun, or found as it was begun."""
        fingerprint = files.sha256_json({"inputs": dict(inputs), "parent": self.fingerprint, "stage": name})
        place = StageRun(self.run, name, self.folder / name, fingerprint)
        place.begin(inputs)
        return place

    def finish(self, make: Callable[[Path], None]) -> None:
        """Write the result atomically: `make` fills a folder, which then appears whole, with its manifest."""
        with files.atomic_folder(self.result) as temporary:
            make(temporary)
            files.write_manifest(temporary)
        shutil.rmtree(self.checkpoints, ignore_errors=True)

    def _mismatch(self, before: Mapping[str, Any], inputs: Mapping[str, Any]) -> str:
        old, inputs = before["inputs"], json.loads(json.dumps(dict(inputs)))  # what is read back has no tuples
        changed = [key for key in {**old, **inputs} if old.get(key) != inputs.get(key)]
        known, now = before["config"], self.run.config
        if any(inputs.get(key) != now.get(key) for key in changed):  # a digest: what a person changed helps more
            changed += [key for key in now if key.startswith(("data.", "general.")) and known.get(key) != now[key]]
        return self._changed(", ".join(sorted(set(changed))) or "an earlier stage", self.name)

    def _refuse_another(self) -> None:
        """Refuse to begin in the place of another stage: what came after it would be mixed up with what comes now."""
        number = self.folder.name.split("-")[0]
        for begun in self.folder.parent.glob(f"{number}-*/begun.json"):
            if (before := files.found_sealed(begun)) is not None:
                known, now = before["config"], self.run.config
                changed = sorted(key for key in known if key in now and known[key] != now[key])
                raise UserError(self._changed(", ".join(changed) or "the recipe", begun.parent.name.split("-", 1)[1]))

    def _changed(self, names: str, stage: str) -> str:
        redo = f"--restart-from {stage} redoes it and what follows, " if self.run.by_stage else ""
        return f"{names}: changed since stage {stage} of {self.run.folder} began; {redo}--restart begins anew"
