"""Packed text, memory-mapped: any blocks in any order, and orders of all of them that take no memory."""

import copy
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import overload

import numpy as np
import torch
from jaxtyping import Int

from tinybert.data.corpus.layout import Shard, shards_of
from tinybert.data.corpus.permutation import Permutation
from tinybert.errors import UserError
from tinybert.types import Batch


class Blocks:
    """The blocks that `pack` wrote, or a part of them; made by `open`. Nothing here grows with their number.

    Attributes:
        block_length: Pieces in a block, special ones included.
        digest: sha256 of the blocks' contents.
    """

    def __init__(self, shards: Sequence[Shard], block_length: int) -> None:
        """View shards as one sequence."""
        self.block_length = block_length
        digests = ",".join([str(block_length), *(shard.digest for shard in shards)])
        self.digest = hashlib.sha256(digests.encode()).hexdigest()
        self._parts = [part for shard in shards for part in shard.parts]
        self._starts = np.cumsum([0, *map(len, self._parts)])
        self._size = int(self._starts[-1])
        self._ways: tuple[tuple[Permutation, int], ...] = ()  # from an index here to one of the whole, step by step

    @classmethod
    def open(cls, folder: Path, name: str = "train") -> "Blocks":
        """Map what `pack` wrote, when all its processes are done.

        Args:
            folder: Where it lies.
            name: What messages call the text.

        Raises:
            UserError: If the text does not fill a single block.
        """
        shards = [Shard.open(path) for path in shards_of(folder)]
        if not any(shard.parts for shard in shards):
            pieces, body = sum(shard.left_out for shard in shards), shards[0].body
            raise UserError(
                f"{name}: the text has {pieces:,} pieces and a block takes {body:,} of them; "
                "give more text or choose shorter blocks"
            )
        return cls(shards, shards[0].schema.field("pieces").type.list_size)

    def __len__(self) -> int:
        """Number of blocks."""
        return self._size

    @property
    def lengths(self) -> Int[np.ndarray, " blocks"]:
        """Pieces of each block, all the same; a single number in memory."""
        return np.broadcast_to(np.int32(self.block_length), (self._size,))

    @property
    def pieces(self) -> int:
        """Pieces in all blocks, special ones included."""
        return self._size * self.block_length

    def batch(self, indices: Int[np.ndarray, " batch"], multiple: int = 1) -> Batch:  # noqa: ARG002
        """Pick blocks.

        Args:
            indices: Which blocks, in which order.
            multiple: Of no use: all blocks have one length.

        Returns:
            The batch, without padding or labels; `rows` says which block of the whole corpus each is.
        """
        there = np.array(indices, np.int64)
        for permutation, start in reversed(self._ways):
            there = permutation(there + start)
        ids = np.empty((len(there), self.block_length), np.int64)
        numbers = np.searchsorted(self._starts, there, side="right") - 1
        for index, (number, row) in enumerate(zip(numbers, there - self._starts[numbers], strict=True)):
            ids[index] = self._parts[number][row]
        pieces = torch.from_numpy(ids)
        return Batch(
            input_ids=pieces,
            token_type_ids=torch.zeros_like(pieces),
            real=torch.ones_like(pieces, dtype=torch.bool),
            labels=None,
            rows=torch.from_numpy(there),
        )

    def order(self, batch_size: int, rng: np.random.Generator) -> "Order":
        """One epoch of global batches, each computed when it is asked for.

        Args:
            batch_size: Blocks per batch over all ranks; the last batch may be shorter.
            rng: Stream of this epoch.

        Returns:
            Indices of blocks; every block occurs exactly once.

        Raises:
            ValueError: If the batch size is not positive.
        """
        if batch_size < 1:
            raise ValueError(f"a batch needs at least one block, got a batch size of {batch_size}")
        return Order(_drawn(self._size, rng), batch_size, range(-(-self._size // batch_size)))

    def split(self, held_out: int, rng: np.random.Generator) -> tuple["Blocks", "Blocks"]:
        """Draw blocks to hold out.

        Args:
            held_out: How many.
            rng: Stream of the draw.

        Returns:
            Views of those held out and of the rest, both in a random order.

        Raises:
            ValueError: If there are not so many.
        """
        if not 0 <= held_out <= self._size:
            raise ValueError(f"{held_out} of {self._size} blocks cannot be held out")
        drawn = _drawn(self._size, rng)
        return self._view(drawn, 0, held_out), self._view(drawn, held_out, self._size)

    def repeated(self, count: int) -> "Blocks":
        """As if there were so many blocks like these; for what only asks how many there are."""
        view = copy.copy(self)
        view._size = count
        return view

    def _view(self, drawn: Permutation, start: int, stop: int) -> "Blocks":
        view = copy.copy(self)
        view._ways = (*self._ways, (drawn, start))
        view._size = stop - start
        view.digest = hashlib.sha256(f"{self.digest},{drawn.key},{start},{stop}".encode()).hexdigest()
        return view


class Order(Sequence[Int[np.ndarray, " _"]]):
    """Batches of a permutation: as long as an epoch, and no larger than what it is made from."""

    def __init__(self, permutation: Permutation, batch_size: int, numbers: range) -> None:
        """`numbers` are those of the batches, in their order."""
        self._permutation, self._batch_size, self._numbers = permutation, batch_size, numbers

    def __len__(self) -> int:
        """How many batches."""
        return len(self._numbers)

    @overload
    def __getitem__(self, index: int) -> Int[np.ndarray, " _"]: ...
    @overload
    def __getitem__(self, index: slice) -> "Order": ...
    def __getitem__(self, index: int | slice) -> "Int[np.ndarray, ' _'] | Order":
        """The indices of a batch; or some of the batches."""
        if isinstance(index, slice):
            return Order(self._permutation, self._batch_size, self._numbers[index])
        start = self._numbers[index] * self._batch_size
        return self._permutation(np.arange(start, min(start + self._batch_size, len(self._permutation))))


def _drawn(size: int, rng: np.random.Generator) -> Permutation:
    return Permutation(size, int(rng.integers(1 << 63)))
