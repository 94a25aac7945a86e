"""Teacher outputs, computed once and read back at every epoch.

Whether a stage's outputs are stored is decided once and noted with its work, because the last bits of a forward pass
depend on the shape of its batch: a stage that trains on stored values always does. Each signal is an artifact of its
own, which stages, seeds and runs share. The unit of work is a shard, some rows in one file that is whole or absent: a
killed pass goes on with the first one that is missing.
"""

import math
import shutil
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import transformers
from jaxtyping import Float, Int
from torch import Tensor

from tinybert import files
from tinybert.artifacts import Artifact
from tinybert.data.batches import by_length
from tinybert.data.encoded import EncodedRows
from tinybert.engine.device_outputs import DeviceOutputs
from tinybert.models.teacher import Teacher, TeacherScores
from tinybert.run import Run
from tinybert.types import MASKED_LOGITS, Batch, Signal, Trace

SHARE_OF_DEVICE = 0.5  # of a GPU's free memory, for outputs that are kept there
AUTO_BYTES = 4_000_000_000  # `teacher.cache: auto`: at most this, and at most a quarter of the free disk
PASS_ROWS = 32  # rows of one forward pass while outputs are stored
SHARD_PASSES = 8
OUTPUTS = "teacher_outputs"  # name of the artifacts
_DECISION = "teacher_cache.json"
_STORED_AS = {torch.float32: np.float32, torch.bfloat16: np.int16}


def cached_teacher(
    teacher: Teacher | TeacherScores,
    needs: frozenset[Signal],
    rows: EncodedRows,
    artifact: Artifact,
    run: Run,
    budget: str,
) -> "Teacher | TeacherScores | StoredTeacher":
    """The teacher, or its stored outputs where they fit the budget; the decision is made once per stage.

    What it says of masked pieces is never stored: others are masked each time an example is read.

    Args:
        teacher: Whose outputs they are.
        needs: The signals to store.
        rows: The rows to store them for.
        artifact: The stage they are for; its work keeps the decision.
        run: Has the store.
        budget: `auto`, `off`, or a size such as `4GB`.
    """
    if isinstance(teacher, TeacherScores) or MASKED_LOGITS in needs or artifact.whole:
        return teacher
    outputs = _Outputs(teacher, rows)
    wanted = needs | {teacher.output}  # which cost nothing more, and which the last stage asks for
    decision = artifact.work / _DECISION
    if run.is_main and files.found_sealed(decision) is None:
        _decide(outputs.bytes(wanted), decision, artifact, run, budget)
    run.wait()
    if not files.read_json(decision)["stored"]:
        return teacher
    artifacts = outputs.filled(wanted, run)
    if run.plan is not None or outputs.bytes(needs) > _room_on(run.device):
        return StoredTeacher(outputs, artifacts)
    return StoredTeacher(outputs, artifacts, outputs.on_device({signal: artifacts[signal] for signal in needs}))


def _room_on(device: torch.device) -> int:
    """Bytes that outputs may take of a device's memory; of a processor's none, since it reads them where they lie."""
    return int(torch.cuda.mem_get_info(device)[0] * SHARE_OF_DEVICE) if device.type == "cuda" else 0


def _decide(size: int, decision: Path, artifact: Artifact, run: Run, budget: str) -> None:
    stored = size <= _budget_bytes(budget, run.folder)
    files.write_sealed(decision, {"stored": stored, "bytes": size})
    why = "not stored" if budget == "off" else "over the budget (teacher.cache)"
    verb = "are stored" if stored else f"are {why} and computed at each update"
    run.log.say(f"{artifact.name}: the teacher's outputs, {size / 1e6:.0f} MB, {verb}")


@dataclass(frozen=True)
class StoredTeacher:
    """A teacher whose outputs are read back instead of computed: from files, or from the device where they fit it."""

    outputs: "_Outputs"
    artifacts: Mapping[Signal, Artifact]
    on_device: DeviceOutputs | None = None

    @property
    def waited_for(self) -> bool:
        """Whether a program waits for the device before outputs are read: from files, to know of which rows."""
        return self.on_device is None

    def observe(self, batch: Batch, needs: frozenset[Signal]) -> Trace:
        """The stored outputs of the batch's rows, zero where the batch is padded.

        Raises:
            ValueError: If pieces of the batch are masked; what is stored is the teacher's view of whole texts.
        """
        if batch.targets is not None:
            raise ValueError("stored teacher outputs are of whole texts, and pieces of this batch are masked")
        if self.on_device is not None:
            return Trace({signal: self.on_device.read(signal, batch) for signal in needs})
        return Trace({signal: self.outputs.read(signal, self.artifacts[signal], batch) for signal in needs})


@dataclass(frozen=True)
class _Outputs:
    """How a teacher's outputs for some rows lie in their files."""

    teacher: Teacher
    rows: EncodedRows
    _open: dict[Path, np.ndarray] = field(default_factory=dict)
    _layout: dict[Signal, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)

    def bytes(self, signals: Iterable[Signal]) -> int:
        """How large the outputs are on disk."""
        return sum(int(self._sizes(signal).sum()) for signal in signals) * self.teacher.dtype.itemsize

    def filled(self, signals: frozenset[Signal], run: Run) -> Mapping[Signal, Artifact]:
        """The artifacts of some signals; what is missing is computed, all signals in one pass.

        Ordinary writes: a full disk kills a process that writes through a memory map.
        """
        there = {signal: self._artifact(signal, run) for signal in sorted(signals)}
        with ExitStack() as owned:
            missing = {
                signal: artifact for signal, artifact in there.items() if owned.enter_context(run.making(artifact))
            }
            if missing and run.plan is not None:
                run.plan.add(self.teacher.flops_of(self.rows.lengths))
                for artifact in missing.values():
                    artifact.make(lambda _: None)
            elif missing and run.is_main:
                self._fill(missing, run)
        return there

    def _artifact(self, signal: Signal, run: Run) -> Artifact:
        versions = [torch.__version__, transformers.__version__]
        how = {"signal": signal, "dtype": str(self.teacher.dtype), "versions": versions}
        return run.store.entry(OUTPUTS, teacher=self.teacher, rows=self.rows, **how)

    def _fill(self, artifacts: Mapping[Signal, Artifact], run: Run) -> None:
        total = len(self._shards)
        lacking = {
            number: some
            for number in range(total)
            if (some := [signal for signal in artifacts if not self._is_there(artifacts[signal], signal, number)])
        }
        with run.log.progress("teacher outputs", total, total - len(lacking)) as bar:
            for number, some in lacking.items():
                self._write({signal: artifacts[signal] for signal in some}, number, run.device)
                bar.advance()
        for artifact in artifacts.values():
            artifact.seal()

    def read(self, signal: Signal, artifact: Artifact, batch: Batch) -> Float[Tensor, "batch ..."]:
        """One signal of a batch's rows as the teacher would give it: in fp32, zero in the padding, on its device."""
        padded = signal.shape(batch.real.shape[1], self._axes)
        out = np.zeros((len(batch), *padded), _STORED_AS[self.teacher.dtype])
        for number, index in enumerate(batch.rows.tolist()):
            shape = signal.shape(int(self.rows.lengths[index]), self._axes)
            out[number][tuple(slice(size) for size in shape)] = self._row(signal, artifact, index).reshape(shape)
        return torch.from_numpy(out).view(self.teacher.dtype).float().to(batch.rows.device)

    def on_device(self, artifacts: Mapping[Signal, Artifact]) -> DeviceOutputs:
        """The same on the teacher's device, as whole blocks."""
        device = self.teacher.device
        values, starts = {}, {}
        for signal, artifact in artifacts.items():
            sizes, ends = self._laid_out(signal)
            held = [int(sizes[np.concatenate(passes)].sum()) for passes in self._shards]
            values[signal] = torch.empty(sum(held), dtype=self.teacher.dtype, device=device)
            before = np.cumsum([0, *held])
            for number, (begin, end) in enumerate(pairwise(before)):
                read = np.fromfile(_path(artifact.result, number), _STORED_AS[self.teacher.dtype])
                values[signal][begin:end] = torch.from_numpy(read).view(self.teacher.dtype).to(device)
            starts[signal] = torch.from_numpy(before[self._shard_of] + ends - sizes).to(device)
        lengths = torch.from_numpy(self.rows.lengths.astype(np.int64)).to(device)
        return DeviceOutputs(values, starts, lengths, self._axes)

    @cached_property
    def _axes(self) -> dict[str, int]:
        """Sizes of the axes that are the same for all rows."""
        return {"label": self.teacher.outputs, "head": self.teacher.shape.heads, "width": self.teacher.shape.width}

    @cached_property
    def _shards(self) -> list[list[Int[np.ndarray, " rows"]]]:
        """The rows of each forward pass, shard by shard; by length, so that passes hold little padding."""
        passes = by_length(self.rows.lengths, PASS_ROWS)
        return [passes[start : start + SHARD_PASSES] for start in range(0, len(passes), SHARD_PASSES)]

    @cached_property
    def _shard_of(self) -> Int[np.ndarray, " rows"]:
        """The shard of each row."""
        shard = np.empty(len(self.rows), dtype=np.int64)
        for number, passes in enumerate(self._shards):
            shard[np.concatenate(passes)] = number
        return shard

    def _sizes(self, signal: Signal) -> Int[np.ndarray, " rows"]:
        """How many numbers a signal has for each row."""
        lengths = self.rows.lengths.astype(np.int64)
        return lengths ** signal.axes.count("piece") * math.prod(signal.shape(1, self._axes))

    def _laid_out(self, signal: Signal) -> tuple[Int[np.ndarray, " rows"], Int[np.ndarray, " rows"]]:
        """How many numbers a signal has for each row, and where in its shard the row ends."""
        if signal not in self._layout:
            sizes, ends = self._sizes(signal), np.empty(len(self.rows), dtype=np.int64)
            for passes in self._shards:
                indices = np.concatenate(passes)
                ends[indices] = np.cumsum(sizes[indices])
            self._layout[signal] = sizes, ends
        return self._layout[signal]

    def _is_there(self, artifact: Artifact, signal: Signal, shard: int) -> bool:
        """Whether a shard is there, and as long as it must be."""
        path, rows = _path(artifact.work, shard), np.concatenate(self._shards[shard])
        wanted = int(self._sizes(signal)[rows].sum()) * self.teacher.dtype.itemsize
        return path.exists() and path.stat().st_size == wanted

    def _write(self, artifacts: Mapping[Signal, Artifact], shard: int, device: torch.device) -> None:
        parts: dict[Signal, list[bytes]] = {signal: [] for signal in artifacts}
        for indices in self._shards[shard]:
            batch = self.rows.batch(indices)
            trace = self.teacher.observe(batch.to(device), frozenset(artifacts))
            for signal in artifacts:
                values = trace[signal].to(self.teacher.dtype).cpu()
                parts[signal] += (
                    _bytes(row[tuple(slice(size) for size in signal.shape(length, self._axes))])
                    for row, length in zip(values, self.rows.lengths[indices].tolist(), strict=True)
                )
        for signal, rows in parts.items():
            with files.atomic_file(_path(artifacts[signal].work, shard)) as target, target.open("wb") as stream:
                stream.writelines(rows)

    def _row(self, signal: Signal, artifact: Artifact, index: int) -> np.ndarray:
        """The numbers of one row, straight from the memory map."""
        sizes, ends = self._laid_out(signal)
        path, end = _path(artifact.result, int(self._shard_of[index])), int(ends[index])
        if path not in self._open:
            self._open[path] = np.memmap(path, dtype=_STORED_AS[self.teacher.dtype], mode="r")
        return self._open[path][end - int(sizes[index]) : end]


def _path(folder: Path, shard: int) -> Path:
    return folder / f"{shard:05d}.bin"


def _bytes(values: Tensor) -> bytes:
    flat = values.contiguous().view(-1)
    return (flat.view(torch.int16) if flat.dtype == torch.bfloat16 else flat).numpy().tobytes()


def _budget_bytes(budget: str, folder: Path) -> int:
    if budget == "off":
        return 0
    if budget == "auto":
        return min(AUTO_BYTES, shutil.disk_usage(folder).free // 4)
    return size_in_bytes(budget)


def size_in_bytes(text: str) -> int:
    """A size such as `4GB` or `500MB` in bytes.

    Raises:
        ValueError: If it is not a number and a unit.

    Example:
        >>> size_in_bytes("1.5GB")
        1500000000
    """
    units = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
    number, unit = text[:-2].strip(), text[-2:].upper()
    if unit not in units or not number.replace(".", "", 1).isdigit():
        raise ValueError(f"{text!r} is not a size; write for example 4GB or 500MB")
    return int(float(number) * units[unit])
