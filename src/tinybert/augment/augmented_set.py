"""Originals and their copies as one sequence, row by row, without what was there before."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Int

from tinybert.augment.copies import COPIES_PER_SHARD, examples_of, first_of_each, hash_of
from tinybert.augment.shards import Shards
from tinybert.data.example_table import LABEL, batch_of, schema_of, with_labels
from tinybert.data.examples import Examples
from tinybert.types import Example

_Item = TypeVar("_Item")


def parts_of(rows: int, copies: int) -> list[slice]:
    """Which rows each shard is made of; a function of the numbers of rows and copies only."""
    size = max(1, COPIES_PER_SHARD // copies)
    return [slice(start, start + size) for start in range(0, rows, size)]


@dataclass(frozen=True)
class AugmentedSet:
    """Originals, each followed by those of its copies that are kept.

    Attributes:
        originals: In the order of their rows.
        parts: Which of them each shard is made of.
        shards: Their copies.
        kept: Which of all copies, in the order of the shards, are kept.
    """

    originals: Sequence[Example]
    parts: Sequence[slice]
    shards: Shards
    kept: Bool[np.ndarray, " copies"]

    @staticmethod
    def of_all(originals: Sequence[Example], parts: Sequence[slice], shards: Shards) -> "AugmentedSet":
        """Keep every copy."""
        count = sum(len(shards.read(number, "copy")) for number in range(len(shards)))
        return AugmentedSet(originals, parts, shards, np.ones(count, np.bool_))

    def without_duplicates(self) -> "AugmentedSet":
        """Drop copies whose texts an original has, or an earlier copy, to the letter; originals all stay."""
        first = np.fromiter((hash_of(example) for example in self.originals), np.uint64, len(self.originals))
        made = [self.shards.read(number, "hash").column("hash").to_numpy() for number in range(len(self.shards))]
        kept = first_of_each(np.concatenate([first, *made]))[len(first) :]
        return replace(self, kept=kept & self.kept)

    @property
    def made(self) -> int:
        """How many copies were made."""
        return len(self.kept)

    @property
    def copies(self) -> int:
        """How many copies are kept."""
        return int(self.kept.sum())

    def __len__(self) -> int:
        """Originals and kept copies."""
        return len(self.originals) + self.copies

    def groups(self) -> Iterator[tuple[Example, list[Example]]]:
        """Each original with its kept copies; one shard is in memory at a time."""
        done = 0
        for number, part in enumerate(self.parts):
            table = self.shards.read(number)
            keep = self.kept[done : done + len(table)]
            done += len(table)
            by_row: dict[int, list[Example]] = {}
            for copy in examples_of(table.filter(pa.array(keep))):
                by_row.setdefault(copy.row, []).append(copy)
            for original in self.originals[part]:
                yield original, by_row.get(original.row, [])

    def __iter__(self) -> Iterator[Example]:
        """Originals and kept copies, by row, then by copy; an original is copy 0."""
        for original, copies in self.groups():
            yield original
            yield from copies

    def copies_only(self) -> Iterator[Example]:
        """The kept copies, by row, then by copy."""
        for _, copies in self.groups():
            yield from copies

    def without(self, dropped: Bool[np.ndarray, " kept"]) -> "AugmentedSet":
        """The same without some of the copies that were kept so far."""
        kept = self.kept.copy()
        kept[np.flatnonzero(kept)[dropped]] = False
        return replace(self, kept=kept)


@dataclass(frozen=True)
class Texts:
    """Examples in an Arrow file, memory-mapped, as encoding wants them.

    Attributes:
        examples: Originals and copies in order.
        copy: Which copy of its original each is; 0 = the original itself.
    """

    examples: Examples
    copy: Int[np.ndarray, " rows"]

    @property
    def originals(self) -> Int[np.ndarray, " rows"]:
        """For each example, where its original stands."""
        return np.maximum.accumulate(np.where(self.copy == 0, np.arange(len(self.copy)), 0))


def write_arrow(examples: Iterable[Example], target: Path, *, pieces: bool = False, asked: bool = False) -> Texts:
    """Write texts one after the other.

    Args:
        examples: Labelled with a class, a score or several labels each, or words with tags, or not labelled at all.
        target: The Arrow file, which the caller removes.
        pieces: Whether samples bring their pieces along, to be learnt from as they were drawn; else their texts are
            read again, which joins some pieces.
        asked: Whether they are questions, which the first ones without an answer do not show.
    """
    found = blocks(examples)
    first = next(found, [])
    schema = schema_of(first, pieces=pieces, asked=asked)
    with target.open("wb") as stream, pa.ipc.new_file(stream, schema) as writer:
        for block in chain([first], found):
            writer.write_batch(batch_of(block, schema))
    table = pa.ipc.open_file(pa.memory_map(str(target))).read_all()
    if LABEL in table.column_names and table.column(LABEL).null_count:
        table = with_labels(table, None)  # a second domain has labels for some of its rows
    return Texts(Examples(table), table.column("copy").to_numpy())


def blocks(items: Iterable[_Item], size: int = 4096) -> Iterator[list[_Item]]:
    """Items so many at a time."""
    block: list[_Item] = []
    for item in items:
        block.append(item)
        if len(block) == size:
            yield block
            block = []
    if block:
        yield block
