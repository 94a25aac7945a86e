"""A data set as a sequence of `Example`, without ever being a Python list: a view on an Arrow table."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any, overload

import numpy as np
import pyarrow as pa
from jaxtyping import Int, Shaped

from tinybert.data.readers import BLOCK
from tinybert.types import Answer, Example

# What a view needs of a table; further columns may be there.
_COLUMNS = {"text": pa.large_string(), "pair": pa.large_string(), "row": pa.int64()}
# What it takes where a table has it: which copy a row is, words with a tag each, an answer (null = no answer).
TAGGED = {"words": pa.large_list(pa.large_string()), "tags": pa.large_list(pa.int32())}
ANSWERED = {"start": pa.int64(), "end": pa.int64()}
_TYPES = {**_COLUMNS, "copy": pa.int64(), **TAGGED, **ANSWERED}
# What encoding takes as it is where a table has it: pieces with their token types (null = the text is to be read).
ENCODED = {"pieces": pa.list_(pa.int32()), "types": pa.list_(pa.uint8())}


class Examples(Sequence[Example]):
    """Rows of an Arrow table with columns `text`, `pair` (null where there is none) and `row`, and their labels.

    Classes and scores are an array beside the table. Tags (`words`, `tags`), answers (`start`, `end`) and the numbers
    of copies (`copy`) are columns, where a table has them.

    Attributes:
        notes: What the log should say of how they were read.
    """

    def __init__(
        self,
        table: Any,
        labels: Shaped[np.ndarray, "all ..."] | None,
        indices: Int[np.ndarray, " picked"] | None = None,
        notes: tuple[str, ...] = (),
    ) -> None:
        """View a table.

        Args:
            table: A `pyarrow.Table`, possibly memory-mapped.
            labels: For all rows of the table: classes as int64, scores as float64, or 0 and 1 for each label as uint8;
                None = unlabelled, or labelled by columns.
            indices: Which rows of the table, in which order; None = all.
            notes: What the log should say of how they were read.
        """
        self._table = table
        self._labels = labels
        self._indices = indices
        self.notes = notes

    @classmethod
    def of(cls, examples: Iterable[Example]) -> "Examples":
        """Gather examples made in memory; all labelled or none, in the same way. Questions may lack an answer.

        Raises:
            ValueError: If some have labels and some have not.
        """
        rows = list(examples)
        labels = [example.label for example in rows]
        answered = any(isinstance(label, Answer) for label in labels)
        labelled = answered or None not in labels
        if not labelled and any(label is not None for label in labels):
            raise ValueError("some examples have labels and some have not")
        columns = {name: [getattr(example, name) for example in rows] for name in (*_COLUMNS, "copy")}
        if answered:
            columns |= {name: [getattr(label, name, None) for label in labels] for name in ANSWERED}
        elif any(example.words is not None for example in rows):
            columns |= {"words": [example.words for example in rows]} | ({"tags": labels} if labelled else {})
            labelled = False
        table = pa.table({name: pa.array(values, _TYPES[name]) for name, values in columns.items()})
        return cls(table, array_of(labels) if labelled and not answered else None)

    def __len__(self) -> int:
        """Number of examples."""
        return self._table.num_rows if self._indices is None else len(self._indices)

    @overload
    def __getitem__(self, position: int) -> Example: ...
    @overload
    def __getitem__(self, position: slice) -> "Examples": ...
    def __getitem__(self, position: int | slice) -> "Example | Examples":
        """One example, or a view on some."""
        if isinstance(position, slice):
            return self.select(np.arange(*position.indices(len(self))))
        if not -len(self) <= position < len(self):
            raise IndexError(f"example {position} of {len(self)}")
        index = position % len(self) if self._indices is None else int(self._indices[position])
        label = None if self._labels is None else self._labels[index : index + 1]
        return next(_made(self._table.slice(index, 1), label))

    def __iter__(self) -> Iterator[Example]:
        """The examples in order, read block by block."""
        labels = self.labels
        for start in range(0, len(self), BLOCK):
            yield from _made(
                self._part(start, start + BLOCK), None if labels is None else labels[start : start + BLOCK]
            )

    def columns(self, start: int, stop: int) -> tuple[list[str], list[str | None], list[int]]:
        """Texts, pairs and row numbers of the examples from `start` to before `stop`."""
        part = self._part(start, stop)
        return tuple(part.column(name).to_pylist() for name in _COLUMNS)

    def pieces(self, start: int, stop: int) -> list[tuple[list[int], list[int]] | None]:
        """Pieces and token types that the examples came with; None where a text is to be read."""
        if "pieces" not in self._table.column_names:
            return [None] * (min(stop, len(self)) - start)
        part = self._part(start, stop)
        given = zip(*(part.column(name).to_pylist() for name in ENCODED), strict=True)
        return [None if pieces is None else (pieces, types) for pieces, types in given]

    @property
    def worded(self) -> bool:
        """Whether the examples are words that have, or are to get, a tag each."""
        return "words" in self._table.column_names

    def words(self, start: int, stop: int) -> list[list[str]]:
        """The words of the examples from `start` to before `stop`."""
        found: list[list[str]] = self._part(start, stop).column("words").to_pylist()
        return found

    def tags(self, start: int, stop: int) -> list[list[int]] | None:
        """The tags of these words; None where the examples are unlabelled."""
        return self._part(start, stop).column("tags").to_pylist() if "tags" in self._table.column_names else None

    def _part(self, start: int, stop: int) -> pa.Table:
        if self._indices is None:
            return self._table.slice(start, stop - start)
        names = [name for name in self._table.column_names if name in _TYPES or name in ENCODED]
        return self._table.select(names).take(pa.array(self._indices[start:stop]))

    def select(self, indices: Int[np.ndarray, " picked"]) -> "Examples":
        """A view on some of the examples, in the order of `indices`."""
        chosen = indices if self._indices is None else self._indices[indices]
        return Examples(self._table, self._labels, chosen, self.notes)

    def with_labels(self, labels: Shaped[np.ndarray, "picked ..."]) -> "Examples":
        """The same examples with other labels, one for each, in order."""
        every = np.zeros((self._table.num_rows, *labels.shape[1:]), labels.dtype)
        every[slice(None) if self._indices is None else self._indices] = labels
        return Examples(self._table, every, self._indices, self.notes)

    @cached_property
    def labels(self) -> Shaped[np.ndarray, "picked ..."] | None:
        """Classes as int64, scores as float64, or 0 and 1 for each label as uint8; None = unlabelled."""
        return self._labels if self._labels is None or self._indices is None else self._labels[self._indices]

    def needed_labels(self) -> Shaped[np.ndarray, "picked ..."]:
        """The same; a `ValueError` where there are none."""
        if self.labels is None:
            raise ValueError("these examples have no labels")
        return self.labels

    @property
    def labelled(self) -> bool:
        """Whether the examples have labels."""
        return self._labels is not None or not {"tags", "start"}.isdisjoint(self._table.column_names)

    @property
    def paired(self) -> bool:
        """Whether the examples are pairs of texts."""
        pairs = self._table.column("pair")
        return bool(pairs.null_count < len(pairs))

    @cached_property
    def rows(self) -> Int[np.ndarray, " picked"]:
        """Which row of its source each example is, counted from 1."""
        return self._picked("row")

    @cached_property
    def lines(self) -> Int[np.ndarray, " picked"]:
        """What messages call each row; only for examples that were read from a source."""
        return self._picked("line")

    def _picked(self, column: str) -> Int[np.ndarray, " picked"]:
        values: Int[np.ndarray, " all"] = self._table.column(column).to_numpy()
        return values if self._indices is None else values[self._indices]

    def digest(self) -> str:
        """sha256 of texts, pairs, words and labels in order; of nothing else, so that moving a file changes nothing."""
        return self._digest

    @cached_property
    def _digest(self) -> str:
        texts, others = hashlib.sha256(), hashlib.sha256()
        for start in range(0, len(self), BLOCK):
            first, second, _ = self.columns(start, start + BLOCK)
            # NUL and \x01 NUL cannot be confused with contents: the reader refuses NUL.
            texts.update("".join(f"{text}\0" for text in first).encode())
            others.update("".join("\1\0" if text is None else f"{text}\0" for text in second).encode())
        labels = b"none" if self.labels is None else self.labels.dtype.str.encode() + self.labels.tobytes()
        parts = [texts.digest(), others.digest(), hashlib.sha256(labels).digest()]
        parts += [self._digest_of(name) for name in (*TAGGED, *ANSWERED) if name in self._table.column_names]
        return hashlib.sha256(b"".join(parts)).hexdigest()

    def _digest_of(self, column: str) -> bytes:
        """sha256 of a column of words, tags or positions of answers."""
        found = hashlib.sha256(column.encode())
        for start in range(0, len(self), BLOCK):
            found.update(json.dumps(self._part(start, start + BLOCK).column(column).to_pylist()).encode())
        return found.digest()


def array_of(labels: Sequence[Any]) -> Shaped[np.ndarray, "labels ..."]:
    """Labels of one kind: classes as int64, scores as float64, 0 and 1 for each label as uint8."""
    if all(isinstance(label, tuple) for label in labels):
        return np.array(labels, np.uint8)
    return np.array(labels, np.int64 if all(isinstance(label, int) for label in labels) else np.float64)


def _made(part: pa.Table, labels: Shaped[np.ndarray, "part ..."] | None) -> Iterator[Example]:
    """The examples of some rows of a table."""
    columns = {name: part.column(name).to_pylist() for name in part.column_names if name in _TYPES}
    nothing = [None] * part.num_rows
    words = [None if found is None else tuple(found) for found in columns.get("words", nothing)]
    found: Iterable[Any] = nothing if labels is None else labels.tolist()
    if labels is not None and labels.ndim > 1:
        found = map(tuple, found)
    if "tags" in columns:
        found = map(tuple, columns["tags"])
    elif "start" in columns:
        spans = zip(columns["start"], columns["end"], strict=True)
        found = (None if start is None else Answer(start, end) for start, end in spans)
    copies = columns.get("copy", [0] * part.num_rows)
    yield from map(Example, columns["text"], columns["pair"], found, columns["row"], copies, words)
