"""Rows of any values as a file: Parquet, TSV or CSV, JSON lines."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tinybert.data.dialect import Dialect
from tinybert.data.problems import shown
from tinybert.data.readers import BLOCK
from tinybert.data.rows import is_encodable, is_missing
from tinybert.errors import UserError

Fields = Mapping[str, Any]


def without_gaps(row: Fields) -> Fields:
    """A row of Python's own values, with None where a value is missing, which pandas writes as NaN."""
    values = ((name, _item(value)) for name, value in row.items())
    return {name: None if is_missing(value) else value for name, value in values}


def write_parquet(target: Path, rows: Iterator[Fields], types: pa.Schema) -> int:
    """Parquet; how many rows there were."""
    count = 0
    with pq.ParquetWriter(target, types) as writer:
        while block := list(islice(rows, BLOCK)):
            writer.write_table(pa.Table.from_pylist(block, types))
            count += len(block)
    return count


def write_delimited(
    target: Path, rows: Iterable[Fields], names: Sequence[str], dialect: Dialect, *, header: bool
) -> int:
    """Quoted only where a cell needs it, or never where quotes are letters; columns that a row has not are empty."""
    special = (dialect.delimiter, '"', "\r", "\n") if dialect.quoted else ()

    def line(values: Iterable[Any]) -> str:
        cells = map(_cell, values)
        quoted = ['"' + c.replace('"', '""') + '"' if any(mark in c for mark in special) else c for c in cells]
        return dialect.delimiter.join(quoted) + dialect.line_end

    first = [line(names)] if header else []
    return write_lines(target, chain(first, (line(map(row.get, names)) for row in rows))) - len(first)


def json_line(row: Fields) -> str:
    """A row as a line of JSON."""
    line = json.dumps(row, ensure_ascii=False, default=_plain)
    # Half a surrogate pair is no text, but JSON can hold it as an escape.
    return (line if is_encodable(line) else json.dumps(row, default=_plain)) + "\n"


def write_lines(target: Path, lines: Iterable[str]) -> int:
    """Lines as they are; how many there were."""
    count = 0
    with target.open("w", encoding="utf-8", newline="") as stream:
        for count, line in enumerate(lines, start=1):  # noqa: B007
            stream.write(line)
    return count


def _cell(value: Any) -> str:
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
