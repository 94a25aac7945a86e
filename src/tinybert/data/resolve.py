"""From rows with spelled labels to `Examples` with values; labels without a value are bad rows."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Int, Shaped

from tinybert.data.example_table import with_labels
from tinybert.data.examples import Examples
from tinybert.data.labels import Meaning
from tinybert.data.problems import BadRow, listed
from tinybert.data.read import RawRows

_MISSING = "the label is missing, though other rows have one; give it one, or remove the row"
_NONE_NEEDED = "; a test set may have no labels: leave the column out or empty, or say data.label_map={{{}: null}}"


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


def spellings(rows: RawRows) -> Spellings:
    """Gather the labels of rows."""
    column = rows.table.column("label").combine_chunks()
    encoded = (column if isinstance(column, pa.Array) else pa.concat_arrays(column.chunks)).dictionary_encode()
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    return Spellings(encoded.dictionary.to_pylist(), codes)


def line_of(rows: RawRows, found: Spellings, name: str) -> int:
    """What messages call the first row that has a spelling."""
    row = int(np.argmax(found.codes == found.names.index(name)))
    return int(rows.table.column("line")[row].as_py())


def unlabelled(rows: RawRows, notes: tuple[str, ...] = (), kept: Int[np.ndarray, " kept"] | None = None) -> Examples:
    """Rows without their labels.

    Args:
        rows: As read.
        notes: What else the log should say of them.
        kept: Which of them; None = all.
    """
    return Examples(with_labels(rows.table, None), kept, (*rows.notes, *rows.problems.settle(len(rows.table)), *notes))


def resolve_labels(rows: RawRows, meaning: Meaning, *, needed: bool = True) -> Examples:
    """Give every label its value; leave out the rows whose labels mean that they have none.

    Args:
        rows: As read.
        meaning: Of the labels.
        needed: Whether rows without labels are of no use.

    Returns:
        The examples; unlabelled where not a single row has a label and none is needed.

    Raises:
        UserError: If a label is missing while others are there, or has no value; more often than is tolerated.
    """
    found = spellings(rows)
    out = left_out(found, meaning)
    if not needed and out[found.codes >= 0].all():
        return unlabelled(rows, noted(rows, found, out, "are read without a label"))
    labels, known = valued(found, meaning)
    advice = "" if needed or known.any() else _NONE_NEEDED
    for index in np.flatnonzero(~known & ~out):
        rows.problems.add(*_problem(rows, int(index), meaning, advice))
    notes = (*rows.notes, *rows.problems.settle(int(known.sum())), *noted(rows, found, out, "are left out"))
    return Examples(with_labels(rows.table, labels), None if known.all() else np.flatnonzero(known), notes)


def valued(found: Spellings, meaning: Meaning) -> tuple[Shaped[np.ndarray, " rows"], Bool[np.ndarray, " rows"]]:
    """The value of each row's label (classes as int64, scores as float64), and whether it has one (0 where not)."""
    values = [meaning.value(name) for name in found.names]
    known = np.array([value is not None for value in values] + [False])
    table = np.array([0 if value is None else value for value in values] + [0], meaning.dtype)
    return table[found.codes], known[found.codes]


def left_out(found: Spellings, meaning: Meaning) -> Bool[np.ndarray, " rows"]:
    """Which rows have a label that means that they have none."""
    out: Bool[np.ndarray, " rows"] = np.array([meaning.leaves_out(name) for name in found.names] + [False])[found.codes]
    return out


def noted(rows: RawRows, found: Spellings, out: Bool[np.ndarray, " rows"], what: str) -> tuple[str, ...]:
    """What the log should say of rows whose labels mean that they have none, and of what happens to them."""
    if not out.any():
        return ()
    codes, counts = np.unique(found.codes[out], return_counts=True)
    labels = listed(f"{found.names[code]} {count:,}" for code, count in zip(codes, counts, strict=True))
    return (f"{rows.name}: {out.sum():,} of {len(out):,} rows {what}, their labels stand for none: {labels}",)


def _problem(rows: RawRows, index: int, meaning: Meaning, advice: str) -> tuple[int, BadRow, int]:
    row = rows.table.slice(index, 1).to_pylist()[0]
    reason = _MISSING if row["label"] is None else f"{meaning.why_not(row['label'])}{advice.format(row['label'])}"
    return row["line"], BadRow(reason, [row["text"], row["pair"], row["label"]]), row["row"]
