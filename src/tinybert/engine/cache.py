"""Teacher outputs on the disk: computed once, in one pass, read back at every epoch.

Whether a stage's outputs are stored is decided once and noted with the stage, because the last bits of a forward pass
depend on the shape of its batch: a stage that trains on stored values always does. The store is keyed by contents
(teacher, rows, signals, dtype, versions), so the seeds of one command share it. Its unit is a shard of rows, written
beside and renamed; a killed pass continues with the first missing shard.
"""

import shutil
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
import transformers
from jaxtyping import Float
from torch import Tensor

from tinybert import files
from tinybert.data.batches import by_length
from tinybert.data.encoded import EncodedRows
from tinybert.models.teacher import Teacher
from tinybert.run import StageRun
from tinybert.types import Batch, Signal, Trace

SHARD_ROWS = 2048
PASS_ROWS = 64  # rows of one forward pass while the store is filled
AUTO_BYTES = 4_000_000_000  # `teacher.cache: auto`: at most this, and at most a quarter of the free disk


def remembered(
    teacher: Teacher, needs: frozenset[Signal], rows: EncodedRows, place: StageRun, budget: str
) -> "Teacher | StoredTeacher":
    """The teacher, or its stored outputs where they fit the budget; the decision is made once per stage.

    Args:
        teacher: Whose outputs they are.
        needs: The signals to store.
        rows: The rows to store them for.
        place: The stage they are for; it keeps the decision.
        budget: `auto`, `off`, or a size such as `4GB`.
    """
    store = _Store(teacher, rows, tuple(sorted(needs)), place.run.cache or place.run.folder / "cache")
    decision = place.folder / "teacher_cache.json"
    if not decision.exists() and place.run.is_main:
        _decide(store, decision, place, budget)
    place.run.wait()
    if place.finished or not files.read_json(decision)["stored"]:
        return teacher
    if place.run.is_main:
        store.fill(place)
    place.run.wait()
    return StoredTeacher(store)


def _decide(store: "_Store", decision: Path, place: StageRun, budget: str) -> None:
    stored = store.bytes <= _budget_bytes(budget, place.folder)
    files.write_json(decision, {"stored": stored, "bytes": store.bytes, "dtype": str(store.teacher.dtype)})
    verb = "are stored" if stored else "are over the budget (teacher.cache) and computed at each update"
    size = f"{store.bytes / 1e6:.0f} MB"
    place.run.log.say(f"{place.name}: the teacher's outputs for {len(store.rows)} rows, {size}, {verb}")


@dataclass(frozen=True)
class StoredTeacher:
    """A teacher whose outputs are read back instead of computed."""

    store: "_Store"

    def observe(self, batch: Batch, needs: frozenset[Signal]) -> Trace:
        """The stored outputs of the batch's rows, zero where the batch is padded."""
        padded = {signal: self.store.padded(signal, batch) for signal in needs}
        return _as_trace(padded)


@dataclass(frozen=True)
class _Store:
    """Where the outputs of `rows` lie: one file per shard, in it a block per signal, in it row after row."""

    teacher: Teacher
    rows: EncodedRows
    signals: tuple[Signal, ...]
    root: Path
    _open: dict[int, np.ndarray] = field(default_factory=dict)

    @cached_property
    def folder(self) -> Path:
        key = {
            "teacher": self.teacher.digest,
            "rows": self.rows.digest,
            "signals": [list(signal) for signal in self.signals],
            "dtype": str(self.teacher.dtype),
            "versions": [torch.__version__, transformers.__version__],
        }
        return self.root / files.sha256_json(key)[:24]

    @cached_property
    def order(self) -> list[np.ndarray]:
        """The forward passes of the filling: rows by length."""
        return by_length(self.rows.lengths, PASS_ROWS)

    @cached_property
    def shards(self) -> list[list[np.ndarray]]:
        """The passes of each shard."""
        step = SHARD_ROWS // PASS_ROWS
        return [self.order[start : start + step] for start in range(0, len(self.order), step)]

    @cached_property
    def sizes(self) -> dict[Signal, np.ndarray]:
        """Numbers per row and signal."""
        return {signal: self._row_sizes(signal) for signal in self.signals}

    @property
    def bytes(self) -> int:
        return int(sum(sizes.sum() for sizes in self.sizes.values())) * self.teacher.dtype.itemsize

    def _row_sizes(self, signal: Signal) -> np.ndarray:
        lengths = self.rows.lengths.astype(np.int64)
        if signal.kind == "logits":
            return np.full_like(lengths, self.teacher.outputs)
        if signal.kind == "hidden_states":
            return lengths * self.teacher.shape.width
        return lengths**2 * self.teacher.shape.heads

    @cached_property
    def where(self) -> tuple[np.ndarray, dict[Signal, np.ndarray]]:
        """The shard of each row, and where in it each of its signals begins (counted in numbers)."""
        shard = np.empty(len(self.rows), dtype=np.int64)
        starts = {signal: np.empty(len(self.rows), dtype=np.int64) for signal in self.signals}
        for number, passes in enumerate(self.shards):
            members = np.concatenate(passes)
            shard[members] = number
            base = 0
            for signal in self.signals:
                ends = np.cumsum(self.sizes[signal][members])
                starts[signal][members] = base + np.concatenate([[0], ends[:-1]])
                base += int(ends[-1])
        return shard, starts

    def path(self, shard: int) -> Path:
        return self.folder / f"shard-{shard:05d}.bin"

    def fill(self, place: StageRun) -> None:
        """Compute the missing shards. Ordinary writes: a full disk kills a process that writes through a memory map."""
        missing = [number for number in range(len(self.shards)) if not self.path(number).exists()]
        with place.run.log.progress(
            f"{place.name}: teacher outputs", len(self.shards), len(self.shards) - len(missing)
        ) as bar:
            for number in missing:
                with files.atomic_file(self.path(number)) as target:
                    self._write_shard(target, self.shards[number], place.run.device)
                bar.advance()

    def _write_shard(self, target: Path, passes: list[np.ndarray], device: torch.device) -> None:
        blocks: dict[Signal, list[bytes]] = {signal: [] for signal in self.signals}
        for members in passes:
            batch = self.rows.batch(members)
            trace = self.teacher.observe(batch.to(device), frozenset(self.signals))
            for signal in self.signals:
                values = _signal_of(trace, signal).to(self.teacher.dtype).cpu()
                lengths = batch.real.sum(dim=1).tolist()
                blocks[signal] += [
                    _to_bytes(_without_padding(row, n, signal)) for row, n in zip(values, lengths, strict=True)
                ]
        with target.open("wb") as stream:
            for signal in self.signals:
                stream.writelines(blocks[signal])

    def padded(self, signal: Signal, batch: Batch) -> Tensor:
        """One signal of a batch's rows as the teacher would give it, in fp32, on the batch's device."""
        shard, starts = self.where
        size, width, heads = batch.real.shape[1], self.teacher.shape.width, self.teacher.shape.heads
        shape = {
            "logits": (self.teacher.outputs,),
            "hidden_states": (size, width),
            "attention_scores": (heads, size, size),
        }
        out = np.zeros((len(batch), *shape[signal.kind]), _STORED_AS[self.teacher.dtype])
        for place, index in enumerate(batch.rows.tolist()):
            length, start = int(self.rows.lengths[index]), starts[signal][index]
            row = self._shard(int(shard[index]))[start : start + self.sizes[signal][index]]
            if signal.kind == "logits":
                out[place] = row
            elif signal.kind == "hidden_states":
                out[place, :length] = row.reshape(length, width)
            else:
                out[place, :, :length, :length] = row.reshape(heads, length, length)
        return torch.from_numpy(out).view(self.teacher.dtype).float().to(batch.rows.device)

    def _shard(self, number: int) -> np.ndarray:
        if number not in self._open:
            self._open[number] = np.memmap(self.path(number), dtype=_STORED_AS[self.teacher.dtype], mode="r")
        return self._open[number]


_STORED_AS = {torch.float32: np.float32, torch.bfloat16: np.int16, torch.float16: np.float16}


def _signal_of(trace: Trace, signal: Signal) -> Tensor:
    if signal.kind == "logits":
        return trace.needed_logits()
    return (trace.hidden_states if signal.kind == "hidden_states" else trace.scores)[signal.layer]


def _as_trace(values: dict[Signal, Float[Tensor, "batch ..."]]) -> Trace:
    by_kind = {
        kind: {s.layer: value for s, value in values.items() if s.kind == kind}
        for kind in ("hidden_states", "attention_scores")
    }
    logits = next((value for signal, value in values.items() if signal.kind == "logits"), None)
    return Trace(logits, by_kind["hidden_states"], by_kind["attention_scores"])


def _without_padding(row: Tensor, length: int, signal: Signal) -> Tensor:
    if signal.kind == "logits":
        return row
    return row[:length] if signal.kind == "hidden_states" else row[:, :length, :length]


def _to_bytes(values: Tensor) -> bytes:
    flat = values.contiguous().view(-1)
    return bytes(flat.view(torch.int16).numpy().tobytes() if flat.dtype == torch.bfloat16 else flat.numpy().tobytes())


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
