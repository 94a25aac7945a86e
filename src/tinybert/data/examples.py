"""A data set as a sequence of `Example`, without ever being a Python list: a view on an Arrow table."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any, overload

import numpy as np
import pyarrow as pa
from jaxtyping import Int, Shaped

from tinybert.data.opened import BLOCK
from tinybert.types import Example

# What a view needs of a table; further columns may be there.
_COLUMNS = {"text": pa.large_string(), "pair": pa.large_string(), "row": pa.int64()}


class Examples(Sequence[Example]):
    """Rows of an Arrow table with columns `text`, `pair` (null where there is none) and `row`, and their labels.

    Attributes:
        notes: What the log should say of how they were read.
    """

    def __init__(
        self,
        table: Any,
        labels: Shaped[np.ndarray, " all"] | None,
        indices: Int[np.ndarray, " picked"] | None = None,
        notes: tuple[str, ...] = (),
    ) -> None:
        """View a table.

        Args:
            table: A `pyarrow.Table`, possibly memory-mapped.
            labels: For all rows of the table: classes as int64 or scores as float64; None = unlabelled.
            indices: Which rows of the table, in which order; None = all.
            notes: What the log should say of how they were read.
        """
        self._table = table
        self._labels = labels
        self._indices = indices
        self.notes = notes

    @classmethod
    def of(cls, examples: Iterable[Example]) -> "Examples":
        """Gather examples made in memory; all labelled or none, with classes (int) or scores (float).

        Raises:
            ValueError: If some have labels and some have not.
        """
        rows = list(examples)
        labels = [example.label for example in rows]
        if None in labels and any(label is not None for label in labels):
            raise ValueError("some examples have labels and some have not")
        columns = {n: pa.array([getattr(e, n) for e in rows], kind) for n, kind in _COLUMNS.items()}
        kind = np.int64 if all(isinstance(label, int) for label in labels) else np.float64
        return cls(pa.table(columns), None if None in labels else np.array(labels, kind))

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
            return self.select(np.arange(len(self))[position])
        if not -len(self) <= position < len(self):
            raise IndexError(f"example {position} of {len(self)}")
        index = position % len(self) if self._indices is None else int(self._indices[position])
        text, pair, row = (self._table.column(name)[index].as_py() for name in _COLUMNS)
        return Example(text, pair, None if self._labels is None else self._labels[index].item(), row)

    def __iter__(self) -> Iterator[Example]:
        """The examples in order, read block by block."""
        labels = self.labels
        for start in range(0, len(self), BLOCK):
            texts, pairs, rows = self.columns(start, start + BLOCK)
            found = [None] * len(texts) if labels is None else labels[start : start + BLOCK].tolist()
            yield from map(Example, texts, pairs, found, rows)

    def columns(self, start: int, stop: int) -> tuple[list[str], list[str | None], list[int]]:
        """Texts, pairs and row numbers of the examples from `start` to before `stop`."""
        if self._indices is None:
            part = self._table.slice(start, stop - start)
        else:
            part = self._table.select(list(_COLUMNS)).take(pa.array(self._indices[start:stop]))
        return tuple(part.column(name).to_pylist() for name in _COLUMNS)

    def select(self, indices: Int[np.ndarray, " picked"]) -> "Examples":
        """A view on some of the examples, in the order of `indices`."""
        chosen = indices if self._indices is None else self._indices[indices]
        return Examples(self._table, self._labels, chosen, self.notes)

    @cached_property
    def labels(self) -> Shaped[np.ndarray, " picked"] | None:
        """Classes as int64 or scores as float64; None = unlabelled."""
        return self._labels if self._labels is None or self._indices is None else self._labels[self._indices]

    @property
    def labelled(self) -> bool:
        """Whether the examples have labels."""
        return self._labels is not None

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
        """sha256 of texts, pairs and labels in their order; of nothing else, so that moving a file changes nothing."""
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
        parts = (texts.digest(), others.digest(), hashlib.sha256(labels).digest())
        return hashlib.sha256(b"".join(parts)).hexdigest()
