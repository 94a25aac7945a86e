"""Originals and their copies as rows of columns: TSV, CSV, JSON lines and Parquet.

What was read keeps its dialect. Every row says where it comes from: `origin` is the row of the original, `copy` which
copy it is, 0 the original itself.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from tinybert.data.columns import Columns, Header, choose_columns
from tinybert.data.dialect import Dialect
from tinybert.data.problems import BadRow, one_line, shown
from tinybert.data.read import DataInput, numbered, open_rows
from tinybert.data.readers import BLOCK, RowReader
from tinybert.data.rows import is_encodable, is_missing
from tinybert.data.settings import DataSettings
from tinybert.data.tagged import TagNames
from tinybert.errors import UserError
from tinybert.types import Example

ORIGIN, COPY = "origin", "copy"  # the columns that are added
_DELIMITERS = {".tsv": "\t", ".csv": ","}

Fields = Mapping[str, Any]
RowFilter = Callable[[int], bool]
Patch = Callable[[Fields, Example], Fields]
T = TypeVar("T")


def merge_by_row(
    originals: Iterable[tuple[int, T]], copies: Iterable[Example]
) -> Iterator[tuple[int, T, list[Example]]]:
    """Give each original its copies; both come sorted by row, and only one row is held.

    Raises:
        ValueError: If a copy is left: they were not sorted, or it is of a row that was not there.
    """
    rest = iter(copies)
    following = next(rest, None)
    for row, original in originals:
        found = []
        while following is not None and following.row == row:
            found.append(following)
            following = next(rest, None)
        yield row, original, found
    if following is not None:
        raise ValueError(f"copy {following.copy} of row {following.row} is out of order, or its row is not there")


def rewrite_table(
    data: DataInput,
    settings: DataSettings,
    chosen: RowFilter,
    copies: Iterable[Example],
    target: Path,
    ending: str,
    patch: Patch | None = None,
) -> int:
    """Write originals and copies.

    Args:
        data: See `read.open_rows`.
        settings: Of the group `data`.
        chosen: Says which rows of the data to write.
        copies: Of these, sorted by row and copy.
        target: The file.
        ending: Which form it gets.
        patch: From an original and a copy to a row; None = the rows are texts with a label each.

    Returns:
        How many rows were written.

    Raises:
        UserError: If a value cannot be written in that form.
    """
    reader = open_rows(data, settings, "train")
    dialect = _dialect(reader, ending)
    patch = patch or patched_texts(choose_columns(reader.header, settings, "none"), dialect)
    rows = _together(_originals(reader, chosen), copies, patch)
    if ending == ".parquet" and reader.types is None and reader.dialect is None:
        originals = (row for _, row in _originals(open_rows(data, settings, "train"), chosen))
        types = _common_types(map(_without_gaps, originals))
        return _write_parquet(target, map(_without_gaps, rows), types)
    if ending == ".parquet":
        return _write_parquet(target, rows, _types(reader))
    if dialect is None:
        return _write_lines(target, map(_json_line, rows))
    names = list(reader.header.names)
    if reader.header.open_ended:
        names = list(dict.fromkeys(n for _, row in _originals(open_rows(data, settings, "train"), chosen) for n in row))
    return _write_delimited(target, rows, [*names, ORIGIN, COPY], dialect, header=not reader.header.numbered)


def check_columns(header: Header) -> None:
    """Refuse columns of the names of those that are added.

    Raises:
        UserError: If there is one.
    """
    for name in (ORIGIN, COPY):
        if name in header.names:
            raise UserError(f"{header.where}: has a column '{name}' already, which augment writes; rename or remove it")


def patched_texts(columns: Columns, dialect: Dialect | None) -> Patch:
    """From an original and a copy to a row: the texts are the copy's, on one line where quotes are letters."""
    one_line = dialect is not None and not dialect.quoted

    def patch(original: Fields, copy: Example) -> Fields:
        texts = {columns.text: copy.text} | ({} if columns.pair is None else {columns.pair: copy.pair})
        return {**original, **{n: re.sub(r"[\t\r\n]", " ", t or "") if one_line else t for n, t in texts.items()}}

    return patch


def patched_words(columns: Columns, names: TagNames) -> Patch:
    """From an original and a copy to a row: columns with a value per word follow the words; those put in have none."""

    def patch(original: Fields, copy: Example) -> Fields:
        row = {name: value.tolist() if hasattr(value, "tolist") else value for name, value in original.items()}
        words, tags = row[columns.text], row[str(columns.label)]
        indices, tags = names.followed(words, tags, copy)
        for name, value in row.items():
            if isinstance(value, list | tuple) and len(value) == len(words):
                row[name] = [None if index is None else value[index] for index in indices]
        return {**row, columns.text: list(copy.words or ()), str(columns.label): tags}

    return patch


def _originals(reader: RowReader, chosen: RowFilter) -> Iterator[tuple[int, Fields]]:
    for row, line, values in numbered(reader.records(reader.header.names)):
        if chosen(row) and not isinstance(values, BadRow):
            if ORIGIN in values or COPY in values:
                check_columns(Header(reader.header.name, tuple(values), line))
            yield row, values


def _together(originals: Iterable[tuple[int, Fields]], copies: Iterable[Example], patch: Patch) -> Iterator[Fields]:
    for row, original, found in merge_by_row(originals, copies):
        yield {**original, ORIGIN: row, COPY: 0}
        for copy in found:
            yield {**patch(original, copy), ORIGIN: row, COPY: copy.copy}


def _dialect(reader: RowReader, ending: str) -> Dialect | None:
    """The dialect of what is written; None where it is no TSV or CSV."""
    if ending not in _DELIMITERS:
        return None
    delimiter, read = _DELIMITERS[ending], reader.dialect
    if read is None:
        return Dialect(delimiter, quoted=True)
    if reader.header.name.lower().endswith(ending):
        return read
    return read._replace(delimiter=delimiter, quoted=read.quoted or ending == ".csv")


def _types(reader: RowReader) -> pa.Schema:
    """The columns of Parquet: those of the file that was read, without dictionaries, too small for texts of copies."""
    kinds = [pa.string()] * len(reader.header.names) if reader.types is None else reader.types.types
    plain = [kind.value_type if pa.types.is_dictionary(kind) else kind for kind in kinds]
    return _marked(zip(reader.header.names, plain, strict=True))


def _common_types(rows: Iterator[Fields]) -> pa.Schema:
    """The columns of Parquet where nothing says their types: each has one that fits all its values.

    Raises:
        UserError: If the values of a column have no type in common.
    """
    found: dict[str, pa.DataType] = {}
    while block := list(islice(rows, BLOCK)):
        for name in dict.fromkeys(name for row in block for name in row):
            try:
                kinds = [found.get(name, pa.null()), pa.array([row.get(name) for row in block]).type]
                merged = pa.unify_schemas([pa.schema([(name, k)]) for k in kinds], promote_options="permissive")
            except (pa.ArrowException, TypeError) as error:
                reason = f"the values of the column {shown(name)} have no common type ({one_line(error)})"
                raise UserError(f"{reason}; write .jsonl") from error
            found[name] = merged.field(0).type
    return _marked((name, pa.string() if pa.types.is_null(kind) else kind) for name, kind in found.items())


def _marked(columns: Iterable[tuple[str, pa.DataType]]) -> pa.Schema:
    return pa.schema([*columns, (ORIGIN, pa.int64()), (COPY, pa.int64())])


def _without_gaps(row: Fields) -> Fields:
    """A row of Python's own values, with None where a value is missing, which pandas writes as NaN."""
    values = ((name, _item(value)) for name, value in row.items())
    return {name: None if is_missing(value) else value for name, value in values}


def _write_parquet(target: Path, rows: Iterator[Fields], types: pa.Schema) -> int:
    count = 0
    with pq.ParquetWriter(target, types) as writer:
        while block := list(islice(rows, BLOCK)):
            writer.write_table(pa.Table.from_pylist(block, types))
            count += len(block)
    return count


def _write_delimited(
    target: Path, rows: Iterable[Fields], names: Sequence[str], dialect: Dialect, *, header: bool
) -> int:
    """Quoted only where a cell needs it, or never where quotes are letters; columns that a row has not are empty."""
    special = (dialect.delimiter, '"', "\r", "\n") if dialect.quoted else ()

    def line(values: Iterable[Any]) -> str:
        cells = map(_cell, values)
        quoted = ['"' + c.replace('"', '""') + '"' if any(mark in c for mark in special) else c for c in cells]
        return dialect.delimiter.join(quoted) + dialect.line_end

    first = [line(names)] if header else []
    return _write_lines(target, chain(first, (line(map(row.get, names)) for row in rows))) - len(first)


def _json_line(row: Fields) -> str:
    line = json.dumps(row, ensure_ascii=False, default=_plain)
    # Half a surrogate pair is no text, but JSON can hold it as an escape.
    return (line if is_encodable(line) else json.dumps(row, default=_plain)) + "\n"


def _write_lines(target: Path, lines: Iterable[str]) -> int:
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
