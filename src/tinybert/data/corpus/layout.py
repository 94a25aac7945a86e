"""How a packed corpus lies on the disk: shards, each an Arrow file that is whole or absent.

A shard is a column of lists of one length, the blocks; its last record batch is empty and carries what only the end of
the work knows: the hash of the blocks, and how many pieces were left over.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from jaxtyping import Int, Integer
from transformers import PreTrainedTokenizerFast

from tinybert import files
from tinybert.data.encode import lent

_AT_ONCE = 1 << 20  # pieces in a record batch: few enough to hold, many enough that twenty million blocks open at once


class Form(NamedTuple):
    """What a block of a corpus looks like.

    Attributes:
        block_length: Pieces in a block, special ones included.
        before: Special pieces that a block begins with.
        after: Special pieces that it ends with.
        wide: Whether a piece needs four bytes instead of two.
    """

    block_length: int
    before: tuple[int, ...]
    after: tuple[int, ...]
    wide: bool

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerFast, block_length: int) -> "Form":
        """The form that a tokenizer gives to a single text.

        Raises:
            ValueError: If the special pieces leave no room.
        """
        with untouched(tokenizer.backend_tokenizer) as backend:
            around = backend.encode("a")
        placed = list(zip(around.ids, around.special_tokens_mask, strict=True))
        first = next(index for index, (_, special) in enumerate(placed) if not special)
        before = tuple(piece for piece, _ in placed[:first])
        after = tuple(piece for piece, special in placed[first:] if special)
        if block_length <= len(before) + len(after):
            raise ValueError(f"a block of {block_length} pieces has no room for text beside the special ones")
        return cls(block_length, before, after, wide=max(tokenizer.get_vocab().values()) >= 1 << 16)

    @property
    def body(self) -> int:
        """Pieces of text in a block."""
        return self.block_length - len(self.before) - len(self.after)

    @property
    def at_once(self) -> int:
        """Blocks in a record batch."""
        return max(1, _AT_ONCE // self.block_length)

    @property
    def schema(self) -> pa.Schema:
        """Of a shard."""
        kind = pa.int32() if self.wide else pa.uint16()
        around = {"before": str(list(self.before)), "after": str(list(self.after))}
        return pa.schema([pa.field("pieces", pa.list_(kind, self.block_length))], metadata=around)

    def blocks(self, pieces: Int[np.ndarray, " pieces"]) -> Integer[np.ndarray, "blocks block_length"]:
        """Blocks out of pieces on end, of which there are whole bodies."""
        bodies = pieces.reshape(-1, self.body)
        blocks = np.empty((len(bodies), self.block_length), np.int32 if self.wide else np.uint16)
        blocks[:, : len(self.before)] = self.before
        blocks[:, len(self.before) : len(self.before) + self.body] = bodies
        blocks[:, len(self.before) + self.body :] = self.after
        return blocks


@contextmanager
def untouched(backend: Any) -> Iterator[Any]:
    """A tokenizer that neither cuts nor pads for the block, and reads "[SEP]" in a text as five letters."""
    with lent(backend):
        backend.no_truncation()
        backend.no_padding()
        backend.encode_special_tokens = True
        yield backend


class Shard(NamedTuple):
    """A shard as it is read back.

    Attributes:
        parts: Its blocks by record batch, views of the file.
        digest: sha256 of the blocks, as it was written.
        left_out: Pieces that did not fill a block.
        schema: See `Form.schema`.
    """

    parts: list[Integer[np.ndarray, "blocks block_length"]]
    digest: str
    left_out: int
    schema: pa.Schema

    @property
    def body(self) -> int:
        """Pieces of text in a block."""
        around = (len(json.loads(self.schema.metadata[side])) for side in (b"before", b"after"))
        return int(self.schema.field("pieces").type.list_size) - sum(around)

    @classmethod
    def open(cls, path: Path) -> "Shard":
        """Map a file; nothing of it is read but where things are."""
        with pa.memory_map(str(path)) as mapped:  # what is viewed stays mapped; the file itself need not stay open
            reader = pa.ipc.open_file(mapped)
            length = reader.schema.field("pieces").type.list_size
            end = reader.get_batch_with_custom_metadata(reader.num_record_batches - 1).custom_metadata
            columns = [reader.get_batch(number).column("pieces") for number in range(reader.num_record_batches - 1)]
            parts = [column.values.to_numpy().reshape(-1, length) for column in columns]
            return cls(parts, end[b"digest"].decode(), int(end[b"left_out"]), reader.schema)


class ShardWriter:
    """Takes the pieces of a shard on end and writes its blocks."""

    def __init__(self, form: Form, writer: Any) -> None:
        """`writer` is an open writer of an Arrow file."""
        self._form, self._writer = form, writer
        self._rest = np.zeros(0, np.int32)
        self._contents = hashlib.sha256()

    def add(self, pieces: Int[np.ndarray, " pieces"]) -> None:
        """Take more pieces."""
        self._rest = np.concatenate([self._rest, pieces])
        take = self._form.at_once * self._form.body
        while len(self._rest) >= take:
            self._write(take)

    def finish(self) -> None:
        """Write the last blocks and what is known now."""
        if whole := len(self._rest) // self._form.body * self._form.body:
            self._write(whole)
        end = {"digest": self._contents.hexdigest(), "left_out": str(len(self._rest))}
        self._writer.write_batch(pa.RecordBatch.from_pylist([], self._form.schema), custom_metadata=end)

    def _write(self, take: int) -> None:
        blocks = self._form.blocks(self._rest[:take])
        self._rest = self._rest[take:]
        self._contents.update(blocks.tobytes())
        column = pa.FixedSizeListArray.from_arrays(pa.array(blocks.reshape(-1)), self._form.block_length)
        self._writer.write_batch(pa.record_batch([column], schema=self._form.schema))


@contextmanager
def written(target: Path, form: Form) -> Iterator[ShardWriter]:
    """Write a shard: there when the block ends well, absent otherwise.

    Raises:
        ResourceError: If the disk is full.
    """
    with (
        files.atomic_file(target) as temporary,
        temporary.open("wb") as stream,
        pa.ipc.new_file(stream, form.schema) as writer,
    ):
        shard = ShardWriter(form, writer)
        yield shard
        shard.finish()


def shard_is_whole(path: Path, form: Form) -> bool:
    """Whether a shard is there, of this form, and as it was written; reads all of it."""
    try:
        shard = Shard.open(path)
    except (OSError, pa.ArrowException, ValueError, TypeError, KeyError):
        return False
    contents = hashlib.sha256()
    for part in shard.parts:
        contents.update(part.tobytes())
    return shard.schema.equals(form.schema, check_metadata=True) and contents.hexdigest() == shard.digest


def shard_path(folder: Path, number: int) -> Path:
    """The file of a shard."""
    return folder / f"{number:06d}.arrow"


def shards_of(folder: Path) -> list[Path]:
    """The files of all shards, in order."""
    return sorted(folder.glob("*.arrow"))
