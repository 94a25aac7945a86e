"""A data set as a sequence of `Example`, without ever being a Python list: a view on an Arrow table."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any, overload

import numpy as np
import pyarrow as pa
from jaxtyping import Int, Shaped

from tinybert.data.example_table import (
    ANSWERED,
    ASKED,
    COLUMNS,
    ENCODED,
    LABEL,
    OPTIONAL,
    TAGGED,
    batch_of,
    examples_in,
    label_values,
    schema_of,
    with_labels,
)
from tinybert.data.readers import BLOCK
from tinybert.types import Answer, Example


class Examples(Sequence[Example]):
    """Rows of an Arrow table with columns `text`, `pair` (null where there is none) and `row`, and their labels.

    Labels are columns, where a table has them (`label`, or `tags`, or `start` and `end` of an answer), and so are the
    numbers of copies (`copy`).

    Attributes:
        notes: What the log should say of how they were read.
        name: What messages call them.
    """

    def __init__(
        self,
        table: Any,
        indices: Int[np.ndarray, " picked"] | None = None,
        notes: tuple[str, ...] = (),
        name: str = "data",
    ) -> None:
        """View a table.

        Args:
            table: A `pyarrow.Table`, possibly memory-mapped.
            indices: Which rows of the table, in which order; None = all.
            notes: What the log should say of how they were read.
            name: What messages call them.
        """
        self._table = table
        self._indices = indices
        self.notes = notes
        self.name = name

    @classmethod
    def of(cls, examples: Iterable[Example], ids: Sequence[str] | None = None) -> "Examples":
        """Gather examples made in memory; all labelled or none, in the same way. Questions may lack an answer.

        Args:
            examples: In order.
            ids: What each question is called; None = they are no questions, or have no names.

        Raises:
            ValueError: If some have labels and some have not.
        """
        rows = list(examples)
        schema = schema_of(rows, asked=ids is not None)
        if "start" not in schema.names and len({example.label is None for example in rows}) > 1:
            raise ValueError("some examples have labels and some have not")
        table = pa.Table.from_batches([batch_of(rows, schema)])
        return cls(table if ids is None else table.append_column("id", pa.array(ids, ASKED["id"])))

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
        return next(examples_in(self._table.slice(index, 1)))

    def __iter__(self) -> Iterator[Example]:
        """The examples in order, read block by block."""
        for start in range(0, len(self), BLOCK):
            yield from examples_in(self._part(start, start + BLOCK, *COLUMNS, *OPTIONAL))

    def columns(self, start: int, stop: int) -> tuple[list[str], list[str | None], list[int]]:
        """Texts, pairs and row numbers of the examples from `start` to before `stop`."""
        return tuple(column.to_pylist() for column in self._part(start, stop, *COLUMNS).columns)

    def pieces(self, start: int, stop: int) -> list[tuple[list[int], list[int]] | None]:
        """Pieces and token types that the examples came with; None where a text is to be read."""
        if "pieces" not in self._table.column_names:
            return [None] * (min(stop, len(self)) - start)
        given = zip(*(column.to_pylist() for column in self._part(start, stop, *ENCODED).columns), strict=True)
        return [None if pieces is None else (pieces, types) for pieces, types in given]

    @property
    def worded(self) -> bool:
        """Whether the examples are words that have, or are to get, a tag each."""
        return "words" in self._table.column_names

    def words(self, start: int, stop: int) -> list[list[str]]:
        """The words of the examples from `start` to before `stop`."""
        found: list[list[str]] = self._part(start, stop, "words").column(0).to_pylist()
        return found

    def tags(self, start: int, stop: int) -> list[list[int]] | None:
        """The tags of these words; None where the examples are unlabelled."""
        return self._part(start, stop, "tags").column(0).to_pylist() if "tags" in self._table.column_names else None

    @property
    def asked(self) -> bool:
        """Whether the examples are questions about a context each."""
        return not {"id", "start"}.isdisjoint(self._table.column_names)

    def answers(self, start: int, stop: int) -> list[Answer | None] | None:
        """Where the questions from `start` to before `stop` are answered; None where the examples are unlabelled."""
        if "start" not in self._table.column_names:
            return None
        spans = zip(*(column.to_pylist() for column in self._part(start, stop, *ANSWERED).columns), strict=True)
        return [None if first is None else Answer(first, last) for first, last in spans]

    @cached_property
    def ids(self) -> list[str]:
        """What each question is called; its row where it has no name."""
        named = "id" in self._table.column_names
        given = self._part(0, len(self), "id").column(0).to_pylist() if named else [None] * len(self)
        return [str(row) if name is None else name for name, row in zip(given, self.rows.tolist(), strict=True)]

    @cached_property
    def gold_texts(self) -> list[list[str]]:
        """The words of all gold answers to each question, none where it has no answer; empty where nothing is known."""
        if "answers" in self._table.column_names:
            found: list[list[str]] = self._part(0, len(self), "answers").column(0).to_pylist()
            return found
        if (answers := self.answers(0, len(self))) is None:
            return []
        return [
            [] if span is None else [(text or "")[slice(*span)]]
            for text, span in zip(self.columns(0, len(self))[1], answers, strict=True)
        ]

    def _part(self, start: int, stop: int, *names: str) -> pa.Table:
        table = self._table.select([name for name in names if name in self._table.column_names])
        if self._indices is None:
            return table.slice(start, stop - start)
        return table.take(pa.array(self._indices[start:stop]))

    def select(self, indices: Int[np.ndarray, " picked"]) -> "Examples":
        """A view on some of the examples, in the order of `indices`."""
        chosen = indices if self._indices is None else self._indices[indices]
        return Examples(self._table, chosen, self.notes, self.name)

    def with_labels(self, labels: Shaped[np.ndarray, "picked ..."]) -> "Examples":
        """The same examples with other labels, one for each, in order."""
        every = np.zeros((self._table.num_rows, *labels.shape[1:]), labels.dtype)
        every[slice(None) if self._indices is None else self._indices] = labels
        return Examples(with_labels(self._table, every), self._indices, self.notes, self.name)

    @cached_property
    def labels(self) -> Shaped[np.ndarray, "picked ..."] | None:
        """Classes as int64, scores as float64, or 0 and 1 for each label as uint8; None = unlabelled."""
        if LABEL not in self._table.column_names:
            return None
        every = label_values(self._table.column(LABEL))
        return every if self._indices is None else every[self._indices]

    def needed_labels(self) -> Shaped[np.ndarray, "picked ..."]:
        """The same; a `ValueError` where there are none."""
        if self.labels is None:
            raise ValueError("these examples have no labels")
        return self.labels

    @property
    def labelled(self) -> bool:
        """Whether the examples have labels."""
        return not {LABEL, "tags", "start"}.isdisjoint(self._table.column_names)

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
        parts += [self._digest_of(name) for name in (*TAGGED, *ANSWERED, "answers") if name in self._table.column_names]
        return hashlib.sha256(b"".join(parts)).hexdigest()

    def _digest_of(self, column: str) -> bytes:
        """sha256 of a column of words, tags, or answers and their positions."""
        found = hashlib.sha256(column.encode())
        for start in range(0, len(self), BLOCK):
            found.update(json.dumps(self._part(start, start + BLOCK, column).column(0).to_pylist()).encode())
        return found.digest()
