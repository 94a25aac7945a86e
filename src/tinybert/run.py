"""Where and how a run happens, never what it does: folder, store, device, seed streams, signals.

A run is a sequence of steps. What each makes is an artifact of the store, and the run's folder records their keys: the
same command again finds what is finished, and a changed setting is noticed at the first step that depends on it.
"""

import hashlib
import os
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, Literal

import numpy as np
import torch

from tinybert.artifacts import Artifact, Make, Store
from tinybert.config import FILE
from tinybert.errors import Interrupted
from tinybert.folders import Record
from tinybert.log import Log
from tinybert.precision import DType, compute_dtype

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
    """How a run is carried out; nothing here is among what a step's key comes from.

    Attributes:
        dtype: Of the student's forward pass: `auto` is bf16 autocast where the machine computes in it, else fp32.
        threads: Of torch on a processor; None = torch's own choice.
        graphs: Record updates as CUDA graphs and replay them: of stages in one process, without micro-batches or masked
            pieces, in which every example counts.
        deterministic: Refuse operations without a deterministic form.
        checkpoint_every: Seconds between checkpoints; there is one at the end of all but very short epochs as well.
        keep: `student` removes stages and teacher once the run has succeeded.
        store: Where artifacts lie that other runs use too; None = in the output's folder `stages`.
        tensorboard: Write event files too (needs the extra `tensorboard`).
        executor: Who augments, or makes the runs of `reproduce`: this machine, or Ray (needs the extra `ray`).
        address: Of a Ray cluster; None = one of this machine, which ends with the work.
        workers: Ray actors that augment; None = as many as there is room for.
    """

    dtype: DType = "auto"
    threads: int | None = None
    graphs: bool = False
    deterministic: bool = True
    checkpoint_every: float = 300.0
    keep: Literal["all", "student"] = "all"
    store: Annotated[str | None, FILE] = None
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
class RunPlan:
    """What a dry run notes instead of doing it.

    Attributes:
        stages: What takes long, in order: `name`, `updates`, floating-point operations, and seconds besides.
        facts: What else there is to say, by name.
    """

    stages: list[dict[str, Any]] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    _flops: float = 0.0
    _seconds: float = 0.0

    def add(self, flops: float = 0.0, seconds: float = 0.0) -> None:
        """Note work for the stage that ends next."""
        self._flops += flops
        self._seconds += seconds

    def stage(self, name: str, updates: int = 0) -> None:
        """Note the end of a stage."""
        self.stages.append({"name": name, "updates": updates, "flops": self._flops, "seconds": self._seconds})
        self._flops = self._seconds = 0.0


@dataclass(frozen=True)
class Deadline:
    """When trainings have to be over.

    Attributes:
        end: The last of them, by `time.monotonic`.
        ahead: How long each should take, in seconds, by stage and in order.
    """

    end: float
    ahead: Mapping[str, float]

    def share(self, stage: str) -> float:
        """How much of the time that a stage should take it may take."""
        return self.seconds_for(stage) / max(self.ahead.get(stage, 0.0), 1.0)

    def seconds_for(self, stage: str) -> float:
        """What a stage may take from now on: of what is left its share of all that is still to be done.

        Example:
            >>> ahead = {"teacher": 9.0, "intermediate": 20.0, "prediction": 10.0}
            >>> round(Deadline(time.monotonic() + 90, ahead).seconds_for("intermediate"))
            60
        """
        names = list(self.ahead)
        rest = names[names.index(stage) :] if stage in names else [*names, stage]
        planned = {name: max(self.ahead.get(name, 0.0), 1.0) for name in rest}
        return max(0.0, self.end - time.monotonic()) * planned[stage] / sum(planned.values())


@dataclass
class Run:
    """One run: its folder, its machine and its randomness.

    Attributes:
        folder: Where everything is written.
        seed: Root of all random streams.
        settings: See `RunSettings`.
        device: Where networks run.
        log: What it says.
        config: All resolved settings by dotted name; names the culprit when a stage no longer matches.
        store: Where artifacts lie; None = in the folder `stages`.
        rank: Which of `world` processes this is.
        world: Number of processes.
        by_step: Whether the command can redo a run from a step on.
        plan: None = the run is carried out. Else it is a dry one, in a temporary folder and on torch's device `meta`,
            where networks have sizes and no weights: whatever would train, or look at weights, notes here what it is.
        deadline: When trainings have to be over; None = when they are done.
        notes: What its reader has to know about how it went.
    """

    folder: Path
    seed: int
    settings: RunSettings
    device: torch.device
    log: Log
    config: Mapping[str, Any] = field(default_factory=dict)
    store: Store = field(default_factory=lambda: Store(Path()))
    rank: int = 0
    world: int = 1
    by_step: bool = True
    plan: RunPlan | None = None
    deadline: Deadline | None = None
    notes: list[str] = field(default_factory=list)
    stop_signal: int = 0
    _deferring: bool = False
    _begun: int = 0

    def __post_init__(self) -> None:
        """Keep artifacts with the run where nothing else was said."""
        if self.store.root == Path():
            self.store = Store(self.folder / "stages")

    @property
    def record(self) -> Record:
        """What it has begun."""
        return Record(self.folder)

    @property
    def is_main(self) -> bool:
        """Whether this process writes files and speaks."""
        return self.rank == 0

    @property
    def student_dtype(self) -> torch.dtype:
        """Of the student's forward pass (weights and optimizer always stay fp32)."""
        return compute_dtype(self.settings.dtype, self.device)

    def seed_for(self, *names: str | int) -> int:
        """See `named_seed`; of this run's seed."""
        return named_seed(self.seed, *names)

    def rng(self, *names: str | int) -> np.random.Generator:
        """See `stream`; of this run's seed."""
        return stream(self.seed, *names)

    def begin(self, name: str, /, **inputs: Any) -> Artifact:
        """Enter the next step; it is recorded, so that a later command notices what has changed.

        Args:
            name: What the step is called in settings and messages.
            inputs: All that the result depends on, see `Store.entry`; settings under the name of their group.

        Raises:
            UserError: If the step was begun with other inputs.
        """
        artifact = self.store.entry(name, **inputs)
        if self.is_main:
            self.record.begin(self._begun, artifact, self.config, by_step=self.by_step)
        self._begun += 1
        self.wait()
        return artifact

    def step(self, name: str, make: Make, /, **inputs: Any) -> Artifact:
        """The artifact of the next step: made now by `make`, or found; see `begin`."""
        return self.finished(self.begin(name, **inputs), make)

    def stored(self, name: str, make: Make, /, **inputs: Any) -> Artifact:
        """The artifact of something that is no step of its own: other inputs of it are noticed where it is used."""
        return self.finished(self.store.entry(name, **inputs), make)

    def finished(self, artifact: Artifact, make: Make) -> Artifact:
        """An artifact that the first process makes by `make` where it is not there; all wait."""
        with self.making(artifact) as missing:
            if missing and self.is_main:
                artifact.make(make)
        return artifact

    def own(self, artifact: Artifact) -> Artifact:
        """Where a step is trained: itself, or under a deadline apart: no other run may find what was cut short.

        What was begun apart goes on there, with a deadline or without, unless the whole step has been made meanwhile.
        """
        if self.deadline is None and self.record.own(artifact.key) is None:
            return artifact
        if self.is_main and not artifact.whole:
            self.record.own(artifact.key, hashlib.sha256(os.urandom(32)).hexdigest())
        self.wait()
        key = self.record.own(artifact.key)
        if key is None:  # no step by itself, or whole
            return artifact
        own = self.store.recorded(artifact.name, key)
        return artifact if self.agreed(float(self.is_main and artifact.whole and not own.whole)) else own

    @contextmanager
    def making(self, artifact: Artifact) -> Iterator[bool]:
        """Own an artifact that is not whole, with all processes of the run; gives whether it has to be made.

        Another run that makes it is waited for, and then it is there.
        """
        with ExitStack() as owned:
            missing = self.is_main and not artifact.whole
            if missing:
                if artifact.result.exists():
                    self.log.say(f"{artifact.name}: the stored result is damaged; it is made again")
                owned.enter_context(artifact.locked(self.log.say))
                missing = not artifact.whole
            yield bool(self.agreed(float(missing)))
        self.wait()

    def agreed(self, value: float) -> float:
        """The first process's figure on all of them."""
        if self.world == 1:
            return value
        shared = torch.tensor(value, dtype=torch.float64, device=self.device)
        torch.distributed.broadcast(shared, 0)
        return float(shared)

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


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw from `seed` on the CPU inside the block and leave all random states as they were."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield
