"""Copies of some rows as a Parquet table: what a worker makes of a shard, and what is read back from it."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, UInt64

from tinybert.augment.shards import content_of
from tinybert.types import Answer, Augmenter, Example, Label, Sample

COPIES_PER_SHARD = 1024  # what a killed run loses at most

_SAMPLE = pa.struct(
    [
        ("pieces", pa.list_(pa.int32())),
        ("types", pa.list_(pa.uint8())),
        ("positions", pa.list_(pa.int32())),
        ("open", pa.int32()),
        ("log_probability", pa.float64()),
    ]
)

# An example, its label in the column of its kind; `hash` is that of its texts.
COPY_SCHEMA = pa.schema(
    [
        ("row", pa.int64()),
        ("copy", pa.int64()),
        ("text", pa.large_string()),
        ("pair", pa.large_string()),
        ("words", pa.list_(pa.string())),
        ("class", pa.int64()),
        ("score", pa.float64()),
        ("tags", pa.list_(pa.int64())),
        ("start", pa.int64()),
        ("end", pa.int64()),
        ("sample", _SAMPLE),
        ("hash", pa.uint64()),
    ]
)

Tick = Callable[[int], None]  # told how many more rows are done
Worker = Callable[[Sequence[Example], Tick], bytes]


@dataclass(frozen=True)
class Streams:
    """The random stream of every copy: a pure function of seed, row and copy.

    Philox is a cipher: the seed is its key, row and copy are the upper words of its counter, so that no two streams
    meet within 2^128 numbers, and none needs the hashing that a seed of its own would cost.

    Attributes:
        seed: Key of all streams.
    """

    seed: int

    def __call__(self, row: int, copy: int) -> np.random.Generator:
        """The stream of one copy of one row."""
        return np.random.Generator(np.random.Philox(key=self.seed, counter=[0, 0, row, copy]))


@dataclass(frozen=True)
class CopyMaker:
    """Makes the copies of some rows.

    Attributes:
        augmenter: Rewrites.
        copies: Per row.
        streams: See there.
    """

    augmenter: Augmenter
    copies: int
    streams: Streams

    def __call__(self, originals: Sequence[Example], tick: Tick) -> bytes:
        """The copies of some rows, as the content of their shard's file."""
        made: list[Example] = []
        for copy in self.augmenter(originals, self.copies, self.streams):
            made.append(copy)
            if copy.copy == self.copies:
                tick(1)
        return content_of(table_of(made))


def table_of(examples: Iterable[Example]) -> pa.Table:
    """Examples as a table of `COPY_SCHEMA`."""
    columns: dict[str, list[Any]] = {name: [] for name in COPY_SCHEMA.names}
    for example in examples:
        sample = None if example.sample is None else asdict(example.sample)
        entry = {"hash": hash_of(example), "sample": sample, **_label_columns(example.label)}
        for name, column in columns.items():
            column.append(entry[name] if name in entry else getattr(example, name, None))
    return pa.table({name: pa.array(columns[name], COPY_SCHEMA.field(name).type) for name in COPY_SCHEMA.names})


def examples_of(table: pa.Table) -> Iterator[Example]:
    """The examples of a table that `table_of` made."""
    for entry in table.to_pylist():
        words = None if entry["words"] is None else tuple(entry["words"])
        known = entry["text"], entry["pair"], _label(entry), entry["row"], entry["copy"], words
        yield Example(*known, _sample(entry["sample"]))


def hash_of(example: Example) -> int:
    """64 bits of the texts of an example; of nothing else, so that equal texts with other labels are equal too.

    Two different texts of a million share a hash with a probability of 3 in 100 million; one of them would be dropped.
    """
    texts = example.text if example.pair is None else f"{example.text}\0{example.pair}"
    return int.from_bytes(hashlib.blake2b(texts.encode(), digest_size=8).digest(), "little")


def first_of_each(hashes: UInt64[np.ndarray, " rows"]) -> Bool[np.ndarray, " rows"]:
    """True where a hash occurs for the first time.

    Example:
        >>> first_of_each(np.array([5, 7, 5, 5, 2], np.uint64)).tolist()
        [True, True, False, False, True]
    """
    order = np.argsort(hashes, kind="stable")
    first = np.ones(len(hashes), bool)
    first[order[1:]] = hashes[order[1:]] != hashes[order[:-1]]
    return first


def _label_columns(label: Label) -> dict[str, Any]:
    match label:
        case Answer():
            return {"start": label.start, "end": label.end}
        case tuple():
            return {"tags": list(label)}
        case int():
            return {"class": label}
        case float():
            return {"score": label}
        case _:
            return {}


def _sample(entry: Mapping[str, Any] | None) -> Sample | None:
    if entry is None:
        return None
    pieces, types, positions = (tuple(entry[name]) for name in ("pieces", "types", "positions"))
    return Sample(pieces, types, positions, entry["open"], entry["log_probability"])


def _label(entry: Mapping[str, Any]) -> Label:
    if entry["start"] is not None:
        return Answer(entry["start"], entry["end"])
    if entry["tags"] is not None:
        return tuple(entry["tags"])
    label: int | float | None = entry["class"] if entry["score"] is None else entry["score"]
    return label
