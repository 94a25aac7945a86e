"""From rows with spelled labels to `Examples` with values; labels without a value are bad rows."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Int, Shaped

from tinybert.data.examples import Examples
from tinybert.data.labels import Meaning
from tinybert.data.problems import Bad
from tinybert.data.read import Rows


@dataclass(frozen=True)
class Spellings:
    """The labels of rows as they are spelled: the different ones, and which of them each row has.

    Attributes:
        names: Every spelling once, in order of appearance.
        codes: Index into `names` for every row; -1 = missing.
    """

    names: list[str]
    codes: Int[np.ndarray, " rows"]

    def counted(self) -> Int[np.ndarray, " names"]:
        """How many rows have each spelling."""
        return np.bincount(self.codes[self.codes >= 0], minlength=len(self.names))


def spellings(rows: Rows) -> Spellings:
    """Gather the labels of rows."""
    column = rows.table.column("label").combine_chunks()
    encoded = (column if isinstance(column, pa.Array) else pa.concat_arrays(column.chunks)).dictionary_encode()
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    return Spellings(encoded.dictionary.to_pylist(), codes)


def unlabelled(rows: Rows, notes: tuple[str, ...] = ()) -> Examples:
    """Rows without their labels; `notes` are what else the log should say of them."""
    return Examples(rows.table, None, notes=(*rows.notes, *rows.problems.settle(len(rows.table)), *notes))


def resolve(rows: Rows, meaning: Meaning, found: Spellings | None = None) -> Examples:
    """Give every label its value.

    Args:
        rows: As read.
        meaning: Of the labels.
        found: The labels, where they have been gathered already.

    Returns:
        The examples; unlabelled where not a single row has a label.

    Raises:
        UserError: If a label is missing while others are there, or has no value; more often than is tolerated.
    """
    found = found or spellings(rows)
    if not rows.has_labels or not found.names:
        return unlabelled(rows)
    labels, known = valued(found, meaning)
    for index in np.flatnonzero(~known):
        rows.problems.add(*_problem(rows, int(index), meaning))
    notes = (*rows.notes, *rows.problems.settle(int(known.sum())))
    return Examples(rows.table, labels, None if known.all() else np.flatnonzero(known), notes)


def valued(found: Spellings, meaning: Meaning) -> tuple[Shaped[np.ndarray, " rows"], Bool[np.ndarray, " rows"]]:
    """The value of each row's label (classes as int64, scores as float64), and whether it has one (0 where not)."""
    values = [meaning.value(name) for name in found.names]
    known = np.array([value is not None for value in values] + [False])
    kind = np.int64 if meaning.classes else np.float64
    table = np.array([0 if value is None else value for value in values] + [0], kind)
    return table[found.codes], known[found.codes]


def _problem(rows: Rows, index: int, meaning: Meaning) -> tuple[int, Bad]:
    row = rows.table.slice(index, 1).to_pylist()[0]
    reason = (
        "the label is missing, though other rows have one" if row["label"] is None else meaning.why_not(row["label"])
    )
    return row["line"], Bad(reason, [row["text"], row["pair"], row["label"]])
