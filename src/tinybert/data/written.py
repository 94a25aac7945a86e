"""Rows as files: TSV, CSV, JSON lines and Parquet."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tinybert.data.dialect import Dialect
from tinybert.data.problems import one_line, shown
from tinybert.data.readers import BLOCK
from tinybert.data.rows import is_encodable, is_missing
from tinybert.errors import UserError

Row = Mapping[str, Any]


def write_delimited(target: Path, rows: Iterable[Row], names: Sequence[str], dialect: Dialect, header: bool) -> int:
    """Write TSV or CSV; quoted only where a cell needs it, or never where quotes are letters.

    Args:
        target: The file.
        rows: A column that a row has not is left empty.
        names: The columns, in order.
        dialect: To be written.
        header: Whether the first line names the columns.

    Returns:
        How many rows there were.
    """
    cell = _quoting(dialect) if dialect.quoted else _as_text
    count = 0
    with target.open("w", encoding="utf-8", newline="") as stream:
        if header:
            stream.write(dialect.delimiter.join(map(cell, names)) + dialect.line_end)
        for count, row in enumerate(rows, start=1):  # noqa: B007
            stream.write(dialect.delimiter.join([cell(row.get(name)) for name in names]) + dialect.line_end)
    return count


def write_json_lines(target: Path, rows: Iterable[Row]) -> int:
    """Write JSON lines, and say how many."""
    count = 0
    with target.open("w", encoding="utf-8", newline="") as stream:
        for count, row in enumerate(rows, start=1):  # noqa: B007
            line = json.dumps(row, ensure_ascii=False, default=_plain)
            # Half a surrogate pair is no text, but JSON can hold it as an escape.
            stream.write((line if is_encodable(line) else json.dumps(row, default=_plain)) + "\n")
    return count


def write_parquet(target: Path, rows: Iterable[Row], types: pa.Schema, gaps: bool = False) -> int:
    """Write Parquet, block by block.

    Args:
        target: The file.
        rows: To be written.
        types: The columns, in order.
        gaps: Whether NaN means that a value is missing, as in pandas.

    Returns:
        How many rows there were.
    """
    count = 0
    with pq.ParquetWriter(target, types) as writer:
        for block in _blocks(rows):
            columns = [pa.array([row.get(f.name) for row in block], f.type, from_pandas=gaps) for f in types]
            writer.write_batch(pa.record_batch(columns, schema=types))
            count += len(block)
    return count


def common_types(rows: Iterable[Row]) -> pa.Schema:
    """Types that fit all values of each column; columns in order of appearance.

    Raises:
        UserError: If values of a column have nothing in common.
    """
    found: dict[str, pa.DataType] = {}
    for block in _blocks(rows):
        names = dict.fromkeys(name for row in block for name in row)
        for name in names:
            found[name] = _common(name, [row.get(name) for row in block], found.get(name))
    return pa.schema([(name, pa.string() if pa.types.is_null(kind) else kind) for name, kind in found.items()])


def _common(name: str, values: Sequence[Any], known: pa.DataType | None) -> pa.DataType:
    try:
        kind = pa.array([_item(value) for value in values], from_pandas=True).type
        parts = [pa.schema([(name, part)]) for part in (known, kind) if part is not None]
        return pa.unify_schemas(parts, promote_options="permissive").field(0).type
    except UnicodeEncodeError:
        raise
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise UserError(f"the column {shown(name)} has no type of its own ({one_line(error)}); write .jsonl") from error


def _blocks(rows: Iterable[Row]) -> Iterator[list[Row]]:
    source = iter(rows)
    while block := list(islice(source, BLOCK)):
        yield block


def _quoting(dialect: Dialect) -> Callable[[Any], str]:
    special = (dialect.delimiter, '"', "\r", "\n")

    def quoted(value: Any) -> str:
        text = _as_text(value)
        return '"' + text.replace('"', '""') + '"' if any(mark in text for mark in special) else text

    return quoted


def _as_text(value: Any) -> str:
    """A value as a cell: nothing where it is missing, JSON where it is a list or a mapping."""
    if isinstance(value, str):
        if "\0" in value:
            raise UserError(f"{shown(value)}: a NUL character, which a table of text cannot hold; write .jsonl")
        return value
    value = _item(value)
    if is_missing(value):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return json.dumps(value, ensure_ascii=False, default=_plain) if isinstance(value, list | dict) else str(value)


def _plain(value: Any) -> Any:
    """What JSON makes of a value that it does not know."""
    found = _item(value)
    if is_missing(found):
        return None
    return str(found) if found is value else found


def _item(value: Any) -> Any:
    """A value of NumPy as one of Python."""
    return value.tolist() if type(value).__module__ == "numpy" else value
