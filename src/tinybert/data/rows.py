"""One row: what may stand in it. Cells of any source become text, pair and the label as it is spelled."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

from tinybert.data.columns import Columns
from tinybert.data.problems import BadRow, shown
from tinybert.data.spelling import clean

NO_LABEL = "the label is missing; give it one or remove the row"
_ADVICE = "; correct or remove the row"


class Row(NamedTuple):
    """A row that can be used; `label` is None where it is missing."""

    text: str
    pair: str | None
    label: str | None


def checked(cells: Sequence[Any], columns: Columns, label_needed: bool) -> Row | BadRow:
    """Check the wanted cells of a row.

    Args:
        cells: Values in the order of `columns.wanted`.
        columns: What the cells are.
        label_needed: Whether a missing label makes the row bad.

    Returns:
        The row, or why it cannot be used.
    """
    text, pair = cells[0], None if columns.pair is None else cells[1]
    reason = text_problem(text, columns.text) or (columns.pair and text_problem(pair, columns.pair))
    if reason:
        return BadRow(reason + _ADVICE, list(cells))
    if columns.label is None:
        return Row(text, pair, None)
    label = spelled(cells[-1])
    if isinstance(label, Unfit):
        return BadRow(f"the label {shown(cells[-1])} {label.reason}", list(cells))
    if label is None and label_needed:
        return BadRow(NO_LABEL, list(cells))
    return Row(text, pair, label)


def text_problem(value: Any, column: str) -> str | None:
    """Why a value is no text to learn from; None where it is one."""
    if type(value) is str:
        if not value or value.isspace():
            return f"'{column}' is empty"
        if "\0" in value:
            return f"'{column}' contains a NUL character"
        if not value.isascii() and not is_encodable(value):
            return f"'{column}' contains half of a surrogate pair"
        return None
    if is_missing(value):
        return f"'{column}' is missing"
    if isinstance(value, str):  # numpy.str_ and the like
        return text_problem(str(value), column)
    return f"'{column}' is not text but {shown(value)}"


@dataclass(frozen=True)
class Unfit:
    """The spelling of a value that cannot be a label: why, and what to do."""

    reason: str = f"is neither text nor a finite number{_ADVICE}"


def spelled(value: Any) -> str | Unfit | None:
    """A label as text, see `spelling.clean`; None = missing. A list of one label is that label.

    Whole floats keep their ".0", which `labels` reads as a whole number.
    """
    if is_missing(value):
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return _word(value)
    if isinstance(value, int | float | Decimal):
        return _number(value)
    if isinstance(value, list | tuple):
        return _only(value)
    return spelled(value.tolist()) if hasattr(value, "tolist") and hasattr(value, "ndim") else Unfit()


@lru_cache(maxsize=4096)
def _word(value: str) -> str | Unfit | None:
    if not is_encodable(value) or "\0" in value:
        return Unfit()
    label = clean(value)
    return label if label and label.lower() != "nan" else None


def _only(labels: Sequence[Any]) -> str | Unfit | None:
    if len(labels) > 1:
        return Unfit("is several: keep one, remove the row, or say --kind multi-label")
    return spelled(labels[0]) if labels else None


def _number(value: int | float | Decimal) -> str | Unfit:
    try:
        return str(value) if math.isfinite(value) else Unfit()
    except (ValueError, OverflowError):  # more digits than Python is willing to print, or a float to hold
        return Unfit()


def is_missing(value: Any) -> bool:
    """None, a float NaN, or pandas' own NA and NaT (known by name: pandas need not be installed)."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float) and value != value


def is_encodable(text: str) -> bool:
    """Whether a text can be written as UTF-8; one with half of a surrogate pair, as JSON's escapes allow, cannot."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
