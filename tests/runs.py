"""Whole runs for tests of resilience: tiny teacher, tiny data, and `tinybert distill` in processes that may be killed.

Processes are forked from a server that has imported torch and tinybert already, which saves three seconds each. In
such a process the parts that take seconds and learn nothing (ONNX, latency) are left out unless a test wants them.
"""

import errno
import hashlib
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

TRAININGS = ("fine_tune", "intermediate", "prediction")
SETTINGS = (
    "data.max_length=24",
    "run.threads=1",
    "run.checkpoint_every=0.05",
    "augment.method=none",
    *(f"{training}.{setting}" for training in TRAININGS for setting in ("epochs=2", "batch_size=4", "lr=0.003")),
)
GENERAL = (
    "run.threads=1",
    "run.checkpoint_every=0.05",
    *(f"general.{setting}" for setting in ("epochs=2", "batch_size=8", "lr=0.0003", "block_length=16")),
)
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(
    ["tinybert.launch", "tinybert.predictor", "transformers.models.bert.modeling_bert", "tinybert.stages.finish"]
)

DIED, NO_ROOM = 9, 8
Hook = tuple[str, Any]  # name of a function of this module, and its argument


@dataclass
class Ended:
    """How a process ended: its exit code (negative: the signal that killed it), and what it said."""

    code: int
    said: str

    @property
    def problems(self) -> list[str]:
        """The lines that explain a failure."""
        return [line for line in self.said.splitlines() if line.startswith("tinybert:")]


@dataclass
class Command:
    """`tinybert distill` on tiny files, into a folder."""

    teacher: Path
    data: Path
    output: Path
    settings: Sequence[str] = SETTINGS
    extra: Sequence[str] = ()
    environment: dict[str, str] = field(default_factory=dict)
    log: Path | None = None  # where what it says is kept; None = beside the output
    recipe: str = "tinybert"

    @property
    def arguments(self) -> list[str]:
        """What stands behind `tinybert`."""
        files = [f"--{name}={self.data / name}.tsv" for name in ("train", "dev", "test")]
        if self.recipe == "general":
            files = [f"--train={self.data / 'corpus.txt'}"]
        settings = [word for setting in self.settings for word in ("--set", setting)]
        places = [f"--teacher={self.teacher}", f"--output={self.output}", "--student=2x12", "--device=cpu"]
        return ["distill", self.recipe, *files, *places, *settings, *self.extra]

    def start(self, *hooks: Hook, whole: bool = False) -> "Started":
        """Begin it in a process of its own; `hooks` are called there first. `whole`: ONNX and latencies too."""
        said = self._new_log()
        job = (self.arguments, str(said), self.environment, () if whole else (("leave_out_the_slow", None),), hooks)
        process = _FORKS.Process(target=_work, args=job)
        process.start()
        return Started(process, said)

    def run(self, *hooks: Hook, whole: bool = False) -> Ended:
        """Begin it and wait for its end."""
        return self.start(*hooks, whole=whole).wait()

    def interpreter(self) -> "Started":
        """Begin it as a person does: `python -m tinybert`, nothing left out."""
        said = self._new_log()
        with said.open("w") as stream:
            words = [sys.executable, "-m", "tinybert", *self.arguments]
            popen = subprocess.Popen(words, stdout=stream, stderr=stream, env={**os.environ, **self.environment})
        return Started(_Interpreter(popen), said)

    def _new_log(self) -> Path:
        said = (self.log or self.output.parent) / f"{self.output.name}.{time.monotonic_ns()}.txt"
        said.touch()
        return said

    def with_log(self, folder: Path) -> "Command":
        """The same command, what it says kept elsewhere."""
        return replace(self, log=folder)

    def into(self, output: Path) -> "Command":
        """The same command into another folder."""
        return replace(self, output=output)

    def with_settings(self, *settings: str) -> "Command":
        """The same command with more settings."""
        return replace(self, settings=(*self.settings, *settings))

    def with_extra(self, *extra: str) -> "Command":
        """The same command with more flags."""
        return replace(self, extra=(*self.extra, *extra))

    @property
    def weights(self) -> str:
        """Sha256 of what the run shipped."""
        return hashlib.sha256((self.output / "student" / "model.safetensors").read_bytes()).hexdigest()

    @property
    def lines(self) -> list[tuple[Any, ...]]:
        """What metrics.jsonl says of each step, without how fast it went."""
        path = self.output / "metrics.jsonl"
        entries = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        return [(entry["stage"], entry["step"], entry.get("loss"), entry.get("dev")) for entry in entries]

    @property
    def outcome(self) -> tuple[str, list[tuple[Any, ...]]]:
        """What must be the same however often a run was stopped."""
        return self.weights, self.lines


@dataclass
class _Interpreter:
    """A `Popen` that looks like a `multiprocessing.Process`."""

    popen: subprocess.Popen[bytes]

    @property
    def pid(self) -> int:
        return self.popen.pid

    @property
    def exitcode(self) -> int | None:
        return self.popen.poll()

    def join(self, seconds: float | None = None) -> None:
        with suppress(subprocess.TimeoutExpired):
            self.popen.wait(seconds)


@dataclass
class Started:
    """A command under way."""

    process: Any
    said: Path

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send a signal, if it is not over."""
        if self.process.exitcode is None:
            os.kill(self.process.pid, number)

    def wait(self, seconds: float = 120.0) -> Ended:
        """Wait for the end."""
        self.process.join(seconds)
        if self.process.exitcode is None:
            self.kill()
            self.process.join()
            raise AssertionError(f"did not end within {seconds} s; it said: {self.said.read_text()}")
        return Ended(self.process.exitcode, self.said.read_text())


def wait_for(condition: Callable[[], bool], *started: Started, seconds: float = 60.0) -> None:
    """Wait until something holds, or one of the processes is over."""
    end = time.monotonic() + seconds
    while not condition() and all(one.process.exitcode is None for one in started):
        assert time.monotonic() < end, f"waited in vain; they said: {[one.said.read_text() for one in started]}"
        time.sleep(0.005)


def a_command(folder: Path, tokenizer: Any, *, headless: bool = True, dropout: float = 0.1, **others: Any) -> Command:
    """A teacher (without its head if `headless`: it is fine-tuned first), rows, plain text, and the command."""
    from recipes.workshop import CLASSES, Workshop

    data = Workshop(folder / "data", tokenizer)
    data.folder.mkdir(parents=True)
    data.splits()
    data.corpus(lines=300)
    teacher = Workshop(folder, tokenizer).model(
        classes=None if headless else CLASSES, layers=2, seed=2, dropout=dropout
    )
    return Command(teacher, data.folder, folder / "run", **others)


def call(function: Callable[..., None], *arguments: Any, seconds: float = 120.0) -> int:
    """Call a function of this module in a forked process; its exit code."""
    process = _FORKS.Process(target=function, args=arguments)
    process.start()
    process.join(seconds)
    if process.exitcode is None:
        process.kill()
        process.join()
        raise AssertionError(f"did not end within {seconds} s")
    return int(process.exitcode)


def _work(
    arguments: list[str], said: str, environment: dict[str, str], first: Sequence[Hook], hooks: Sequence[Hook]
) -> None:
    """What the forked process does."""
    stream = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(stream, 1)
    os.dup2(stream, 2)
    sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", closefd=False, buffering=1)
    os.environ.update(environment)
    tqdm.set_lock(threading.RLock())  # its own is a semaphore of the system, which a killed process would leave
    for name, argument in (*first, *hooks):
        globals()[name](argument)
    from tinybert.cli import main

    code = main(arguments)
    sys.stdout.flush()
    os._exit(code)


def leave_out_the_slow(_: Any) -> None:
    """No ONNX export, no timing, no waiting for the disk: nothing of it is learnt."""
    from tinybert.export.layout import MODEL, MODEL_INT8
    from tinybert.export.onnx import ExportReport
    from tinybert.report import measure
    from tinybert.stages import finish, systems

    def export_onnx(model: Any, tokenizer: Any, folder: Path, **_: Any) -> Any:
        from tinybert.files import atomic_folder

        with atomic_folder(folder) as temporary:
            (temporary / MODEL).parent.mkdir()
            for name in (MODEL, MODEL_INT8):
                (temporary / name).write_bytes(b"none")
        return ExportReport(folder / MODEL, folder / MODEL_INT8, 4, 4, 0.0)

    def onnx_system(file: Path, student: Any, task: Any, job: Any) -> Any:
        logits = {split: systems.np.zeros((len(rows), 2), "float32") for split, rows in systems.all_rows(job).items()}
        latency = {str(length): {"p50": 1.0, "p95": 1.0} for length in measure.LENGTHS}
        cost = {"parameters": 1, "bytes": file.stat().st_size, "latency_ms": latency, "threads": 1}
        return systems.System(task, logits, cost, regrouped=[logits["dev"]])

    os.fsync = lambda _: None
    finish.export_onnx, finish.onnx_system = export_onnx, onnx_system
    measure.latency = lambda *_, **__: {str(length): {"p50": 1.0, "p95": 1.0} for length in measure.LENGTHS}
    systems.measure.latency = measure.latency


def slowly(seconds: float) -> None:
    """Every update takes a little longer, and is noted at once, so that a signal finds one."""
    from tinybert.engine import fit, learner

    update = fit.update

    def slow(*arguments: Any) -> None:
        time.sleep(seconds)
        update(*arguments)

    fit.update, learner.READ_EVERY = slow, 1


def small_shards(copies: int) -> None:
    """So few copies in a shard of augmentation that there are many of them."""
    from tinybert.augment import augmented_set

    augmented_set.COPIES_PER_SHARD = copies


def slow_shards(seconds: float) -> None:
    """Every shard of augmentation takes a little longer, so that a signal finds one."""
    from tinybert.augment.shards import Shards

    add = Shards.add

    def slow(*arguments: Any) -> None:
        time.sleep(seconds)
        add(*arguments)

    Shards.add = slow  # type: ignore[method-assign]


def small_corpus_shards(argument: tuple[int, str]) -> None:
    """Shards of so few bytes of text that there are many; who packs which is noted in a file."""
    from functools import partial

    from tinybert.data.corpus import packing
    from tinybert.stages.general import reading

    size, note = argument
    written = packing.written

    def noting(target: Path, form: Any) -> Any:
        with Path(note).open("a", encoding="utf-8") as stream:
            stream.write(f"{target.name} {os.environ.get('RANK', '0')}\n")
        return written(target, form)

    packing.written, reading.pack = noting, partial(packing.pack, shard_bytes=size)


def slow_finish(seconds: float) -> None:
    """The export takes a little longer."""
    from tinybert.stages import finish

    export = finish.export_onnx

    def slow(*arguments: Any, **named: Any) -> Any:
        time.sleep(seconds)
        return export(*arguments, **named)

    finish.export_onnx = slow


@dataclass
class Disk:
    """Every place where a process is about to change the disk below a folder, counted; something happens at some."""

    folder: str
    happens: Callable[[int, str, Any], None]
    count: int = 0

    def watch(self) -> None:
        """Begin; there is no end but that of the process."""
        import safetensors.torch

        sys.addaudithook(self._hook)
        fsync, serialize = os.fsync, safetensors.torch.serialize_file

        def synced(descriptor: int) -> None:
            self._meet("fsync", descriptor)
            fsync(descriptor)

        def written(tensors: Any, path: Any, **named: Any) -> None:  # in Rust, where no hook sees it
            self._meet("serialize", path)
            serialize(tensors, path, **named)
            self._meet("serialized", path)

        os.fsync, safetensors.torch.serialize_file = synced, written

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            if isinstance(path, str) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                self._below(event, path)
        elif event in ("os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.chmod"):
            self._below(event, os.fspath(arguments[0]))

    def _below(self, event: str, path: Any) -> None:
        if str(path).startswith(self.folder):
            self._meet(event, path)

    def _meet(self, event: str, where: Any) -> None:
        self.count += 1
        self.happens(self.count, event, where)


def die_at(argument: tuple[str, int]) -> None:
    """The process dies where it is about to change the disk for the n-th time; a file not yet flushed is torn."""
    folder, fatal = argument
    Disk(folder, lambda count, event, where: _die(count == fatal, event, where)).watch()


def _tear(event: str, where: Any) -> None:
    """What had not reached the disk is half there after a power cut."""
    if event == "fsync":
        path = Path(f"/proc/self/fd/{where}")  # where there is none, files are not torn
        if path.is_file():
            os.truncate(path.readlink(), path.stat().st_size // 2)


def no_room(argument: tuple[str, int]) -> None:
    """From the n-th change on the disk is full: nothing can be made or made longer."""
    folder, first = argument
    Disk(folder, lambda count, event, where: _refuse_room(count >= first, event)).watch()


def _refuse_room(now: bool, event: str) -> None:
    if now:
        from safetensors import SafetensorError

        if event == "serialize":  # as safetensors 0.8 says it
            raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")
        if event in ("open", "os.mkdir", "fsync"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def not_allowed(argument: tuple[str, int, int]) -> None:
    """The n-th change is refused by the system with some error."""
    folder, fatal, number = argument

    def happens(count: int, event: str, where: Any) -> None:
        if count == fatal:
            raise OSError(number, os.strerror(number), str(where))

    Disk(folder, happens).watch()


def count_changes(argument: tuple[str, str]) -> None:
    """Write down how often the disk is changed."""
    folder, note = argument
    descriptor = os.open(note, os.O_WRONLY | os.O_CREAT)

    def happens(count: int, event: str, where: Any) -> None:
        os.pwrite(descriptor, f"{count:8d}".encode(), 0)

    Disk(folder, happens).watch()


def as_nobody(folder: str) -> None:
    """Root may write everywhere; from the first change of a folder on this is somebody who may not."""
    Disk(folder, lambda count, event, where: os.seteuid(65534)).watch()


def die_everywhere(what: str, folder: str) -> None:
    """One save, tried once per place where it changes the disk, dying there; what is left must be whole."""
    _try_everywhere(what, folder, _die, DIED)


def fill_everywhere(what: str, folder: str) -> None:
    """The same with a disk that is full from there on: the save says so, and nothing is left half done."""
    _try_everywhere(what, folder, lambda now, event, where: _refuse_room(now, event), NO_ROOM)


def _try_everywhere(what: str, folder: str, happens: Callable[[bool, str, Any], None], wanted: int) -> None:
    from tinybert.files import sweep

    save, check = _SAVES[what]
    base = Path(folder)
    before = _unfinished(base / "before")
    for step in (1, 2):
        _save_checkpoint(before, step)
    (before[0].folder / "model").mkdir()
    (before[0].folder / "model" / "weights").write_text("old")
    shutil.copytree(base / "before", base / "counting")
    changes = _in_a_fork(save, base / "counting", 0, happens)
    assert changes > 10
    for fatal in range(1, changes + 1):
        place = base / f"at-{fatal}"
        shutil.copytree(base / "before", place)
        ended = _in_a_fork(save, place, fatal, happens)
        assert ended == wanted or (wanted == NO_ROOM and ended > 10), (fatal, ended)  # tidying up needs no room
        if wanted == DIED:
            sweep(place)
        assert not list(place.rglob(".tmp-*")), fatal
        check(_unfinished(place), fatal == 1, ended not in (DIED, NO_ROOM))
        assert _in_a_fork(save, place, 0, happens) > 10  # and it can be done again
        check(_unfinished(place), False, True)


def _unfinished(folder: Path) -> tuple[Any, Any]:
    """The artifact of a step, and its run."""
    import torch

    from tinybert.log import Log
    from tinybert.run import Run, RunSettings

    run = Run(folder, 0, RunSettings(), torch.device("cpu"), Log(silent=True))
    return run.store.entry("training"), run


def _tensors(step: int) -> Any:
    import torch

    return {name: {"w": torch.full((50,), float(step + place))} for place, name in enumerate(("student", "best"))}


def _save_checkpoint(began: Any, step: int = 3) -> None:
    from tinybert.engine import checkpoint

    checkpoint.save(*began, step, _tensors(step), {"step": step})


def _check_checkpoint(began: Any, first: bool, last: bool) -> None:
    """The newest is the old or the new one, whole; never the one before."""
    import torch

    from tinybert.engine import checkpoint

    found = checkpoint.newest(*began)
    step = found.counters["step"]
    assert step in ((2,) if first else (3,) if last else (2, 3)), step
    for name, group in _tensors(step).items():
        assert torch.equal(found.tensors[name]["w"], group["w"])


def _save_result(began: Any) -> None:
    from tinybert.engine import checkpoint

    began[0].make(lambda folder: checkpoint.write_tensors(folder, _tensors(9)))


def _check_result(began: Any, first: bool, last: bool) -> None:
    """A whole result, or none and the checkpoints it can be had from."""
    import torch

    from tinybert.engine import checkpoint

    place, _ = began
    assert place.whole or not last
    assert not place.whole or not first
    if place.whole:
        assert torch.equal(checkpoint.read_tensors(place.result)["student"]["w"], _tensors(9)["student"]["w"])
    else:
        assert checkpoint.newest(*began).counters == {"step": 2}


def _save_folder(began: Any) -> None:
    from tinybert.files import atomic_folder

    with atomic_folder(began[0].folder / "model") as folder:
        (folder / "weights").write_text("new")


def _check_folder(began: Any, first: bool, last: bool) -> None:
    """An existing folder is replaced: it holds the old or the new content."""
    content = (began[0].folder / "model" / "weights").read_text()
    assert content in (("old",) if first else ("new",) if last else ("old", "new"))


_SAVES = {
    "checkpoint": (_save_checkpoint, _check_checkpoint),
    "result": (_save_result, _check_result),
    "folder": (_save_folder, _check_folder),
}


def _in_a_fork(save: Callable[[Any], None], folder: Path, fatal: int, happens: Callable[[bool, str, Any], None]) -> int:
    """Save in a child to which something happens at change `fatal`; its exit code: the number of changes if it ends."""
    from tinybert.errors import ResourceError

    child = os.fork()
    if child == 0:
        code = 250
        try:
            place = _unfinished(folder)
            changes = Disk(str(folder), lambda count, event, where: happens(_due(count, fatal), event, where))
            changes.watch()
            save(place)
            code = changes.count
        except ResourceError:
            code = NO_ROOM
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _due(count: int, fatal: int) -> bool:
    return 0 < fatal <= count


def _die(now: bool, event: str, where: Any) -> None:
    if now:
        _tear(event, where)
        os._exit(DIED)


def without_pickle_and_network(_: Any) -> None:
    """Unpickling anything, or speaking to anybody, ends the process at once."""
    import pickle
    import socket

    import torch

    def refuse(*_: Any, **__: Any) -> Any:
        print("FORBIDDEN", file=sys.stderr, flush=True)
        os._exit(99)

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "pickle.find_class":  # every pickle that could run code asks for a class by name
            refuse()
        if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
            refuse()

    sys.addaudithook(watch)
    pickle.Unpickler = pickle._Unpickler = pickle.load = pickle.loads = refuse  # type: ignore[misc,assignment]
    torch.load = socket.create_connection = refuse  # type: ignore[assignment]


def touch_what_is_forbidden(what: str) -> None:
    """For a test of the watch: what it must see."""
    import pathlib
    import pickle
    import socket

    content = pickle.dumps(pathlib.PurePosixPath("x"))
    plain = pickle._loads if hasattr(pickle, "_loads") else pickle.loads  # held on to before the watch
    without_pickle_and_network(None)
    if what == "pickle":
        plain(content)
    if what == "connection":
        socket.socket().connect(("127.0.0.1", 9))


@dataclass(frozen=True)
class Training:
    """One call of `fit` on each of several processes.

    Attributes:
        folder: Holds `teacher`, `student` and `rows.arrow`; gets a run folder.
        port: Where they meet; 0 = there is one process only.
        accumulate: Micro-batches per update.
        keep: Rows that the selector keeps; None = all.
    """

    folder: Path
    port: int = 0
    accumulate: int = 1
    keep: frozenset[int] | None = None

    @property
    def output(self) -> Path:
        """Where the run lives."""
        return self.folder / f"run-{self.port}-{self.accumulate}-{'all' if self.keep is None else 'some'}"

    def learn(self) -> tuple[Any, list[dict[str, Any]]]:
        """The weights the student ends with, and what was recorded of each step."""
        from safetensors.torch import load_file

        ranks = [0, 1] if self.port else [0]
        processes = [_FORKS.Process(target=_take_part, args=(self, rank)) for rank in ranks]
        for process in processes:
            process.start()
        for process in processes:
            process.join(120)
        assert [process.exitcode for process in processes] == [0] * len(ranks)
        (weights,) = self.output.glob("stages/*/result/student.safetensors")
        lines = (self.output / "metrics.jsonl").read_text().splitlines()
        return load_file(weights), [json.loads(line) for line in lines]


def _take_part(training: Training, rank: int) -> None:
    """What each process does."""
    import torch

    from tinybert.data.encoded import EncodedRows
    from tinybert.engine.fit import fit
    from tinybert.layer_maps import layer_map
    from tinybert.log import Log
    from tinybert.models.loading import load_classifier
    from tinybert.models.teacher import Teacher
    from tinybert.objectives.hidden import HiddenMSE
    from tinybert.objectives.prediction import SoftCrossEntropy
    from tinybert.objectives.sum import Sum
    from tinybert.run import Run, RunSettings
    from tinybert.types import Stage

    torch.set_num_threads(1)
    world = 2 if training.port else 1
    if world > 1:
        meeting = f"tcp://127.0.0.1:{training.port}"
        torch.distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=world)
    log = Log(training.output / "metrics.jsonl", silent=rank > 0)
    run = Run(training.output, 3, RunSettings(dtype="fp32"), torch.device("cpu"), log, rank=rank, world=world)
    artifact = run.begin("training")
    student = load_classifier(training.folder / "student").model
    teacher = Teacher(load_classifier(training.folder / "teacher").model, "fp32", run.device)
    hidden = HiddenMSE(layer_map("uniform", 2, 2), 12, 24, seed=1)
    objective = Sum(hidden, SoftCrossEntropy())
    rows = EncodedRows.open(training.folder / "rows.arrow")
    stage = Stage(epochs=3, batch_size=4, lr=3e-3, accumulate=training.accumulate)
    fit(student, teacher, objective, rows, stage, artifact, run, selector=_keeping(training.keep))


def _keeping(keep: frozenset[int] | None) -> Any:
    """A selector that keeps some rows and drops the others, wherever they come to lie."""
    import torch

    from tinybert.selectors.fixed import KeepAll

    class Some:
        needs_student = needs_teacher = frozenset()
        state_dict, load_state_dict = KeepAll.state_dict, KeepAll.load_state_dict
        before_update, after_update, after_epoch = KeepAll.before_update, KeepAll.after_update, KeepAll.after_epoch

        def choose(self, student: Any, teacher: Any, batch: Any) -> Any:
            return torch.tensor([float(keep is None or int(row) in keep) for row in batch.rows])

    return Some()


def free_port() -> int:
    """A port of this machine that nobody listens at."""
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def on_two(command: Command, *hooks: Hook) -> tuple[Started, Started]:
    """Begin a command on two processes, with what `torchrun` would tell them."""
    meeting = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    ranks = [{**meeting, "RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(2)]
    first, second = (replace(command, environment=rank).start(*hooks) for rank in ranks)
    return first, second
