"""A folder of teacher outputs: for each signal a folder of its own, in it files of some rows each, row after row.

The unit of work is a shard: some rows, written beside and renamed, so that a killed pass continues with the first
shard that is missing. A signal that another stage has stored already is not computed again.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
import transformers
from jaxtyping import Float, Int
from torch import Tensor

from tinybert import files
from tinybert.data.batches import by_length
from tinybert.data.encoded import EncodedRows
from tinybert.models.teacher import Teacher
from tinybert.run import StageRun
from tinybert.types import Batch, Signal

PASS_ROWS = 32  # rows of one forward pass while the store is filled
SHARD_PASSES = 8
_STORED_AS = {torch.float32: np.float32, torch.bfloat16: np.int16}


@dataclass(frozen=True)
class Store:
    """Where a teacher's outputs for some rows lie.

    Attributes:
        teacher: Whose outputs they are.
        rows: For what.
        root: The folder that holds stores; each is named by what it was made from.
    """

    teacher: Teacher
    rows: EncodedRows
    root: Path
    _open: dict[tuple[Signal, int], np.ndarray] = field(default_factory=dict)
    _layout: dict[Signal, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)

    @cached_property
    def folder(self) -> Path:
        """The place of this store, by contents: teacher, rows, dtype and versions."""
        key = {
            "teacher": self.teacher.digest,
            "rows": self.rows.digest,
            "dtype": str(self.teacher.dtype),
            "versions": [torch.__version__, transformers.__version__],
        }
        return self.root / files.sha256_json(key)[:24]

    def bytes(self, signals: Iterable[Signal]) -> int:
        """How large the outputs are on disk."""
        return sum(int(self._sizes(signal).sum()) for signal in signals) * self.teacher.dtype.itemsize

    def fill(self, signals: frozenset[Signal], place: StageRun) -> None:
        """Compute what is missing. Ordinary writes: a full disk kills a process that writes through a memory map."""
        total = len(self._shards)
        missing = {number: lacking for number in range(total) if (lacking := self._lacking(signals, number))}
        with place.run.log.progress(f"{place.name}: teacher outputs", total, total - len(missing)) as bar:
            for number, lacking in missing.items():
                self._write(lacking, number, place.run.device)
                bar.advance()

    def read(self, signal: Signal, batch: Batch) -> Float[Tensor, "batch ..."]:
        """One signal of a batch's rows as the teacher would give it: in fp32, zero in the padding, on its device."""
        padded = signal.shape(batch.real.shape[1], self._axes)
        out = np.zeros((len(batch), *padded), _STORED_AS[self.teacher.dtype])
        for place, index in enumerate(batch.rows.tolist()):
            shape = signal.shape(int(self.rows.lengths[index]), self._axes)
            out[place][tuple(slice(size) for size in shape)] = self._row(signal, index).reshape(shape)
        return torch.from_numpy(out).view(self.teacher.dtype).float().to(batch.rows.device)

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
                members = np.concatenate(passes)
                ends[members] = np.cumsum(sizes[members])
            self._layout[signal] = sizes, ends
        return self._layout[signal]

    def _path(self, signal: Signal, shard: int) -> Path:
        return self.folder / f"{signal.kind}-{signal.layer}" / f"{shard:05d}.bin"

    def _lacking(self, signals: frozenset[Signal], shard: int) -> frozenset[Signal]:
        return frozenset(signal for signal in signals if not self._is_there(signal, shard))

    def _is_there(self, signal: Signal, shard: int) -> bool:
        """Whether a shard is there, and as long as it must be."""
        path, rows = self._path(signal, shard), np.concatenate(self._shards[shard])
        wanted = int(self._sizes(signal)[rows].sum()) * self.teacher.dtype.itemsize
        return path.exists() and path.stat().st_size == wanted

    def _write(self, signals: frozenset[Signal], shard: int, device: torch.device) -> None:
        parts: dict[Signal, list[bytes]] = {signal: [] for signal in signals}
        for members in self._shards[shard]:
            batch = self.rows.batch(members)
            trace = self.teacher.observe(batch.to(device), signals)
            for signal in signals:
                values = trace[signal].to(self.teacher.dtype).cpu()
                parts[signal] += (
                    _bytes(row[tuple(slice(size) for size in signal.shape(length, self._axes))])
                    for row, length in zip(values, self.rows.lengths[members].tolist(), strict=True)
                )
        for signal, rows in parts.items():
            with files.atomic_file(self._path(signal, shard)) as target, target.open("wb") as stream:
                stream.writelines(rows)

    def _row(self, signal: Signal, index: int) -> np.ndarray:
        """The numbers of one row, straight from the memory map."""
        sizes, ends = self._laid_out(signal)
        shard, end = int(self._shard_of[index]), int(ends[index])
        if (signal, shard) not in self._open:
            dtype = _STORED_AS[self.teacher.dtype]
            self._open[signal, shard] = np.memmap(self._path(signal, shard), dtype=dtype, mode="r")
        return self._open[signal, shard][end - int(sizes[index]) : end]


def _bytes(values: Tensor) -> bytes:
    flat = values.contiguous().view(-1)
    return (flat.view(torch.int16) if flat.dtype == torch.bfloat16 else flat).numpy().tobytes()
