"""Originals and their copies as rows of columns: TSV, CSV, JSON lines and Parquet.

What was read keeps its dialect. Every row says where it comes from: `origin` is the row of the original, `copy` which
copy it is, 0 the original itself.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TypeVar

import pyarrow as pa

from tinybert.data.columns import Columns, Header
from tinybert.data.dialect import Dialect
from tinybert.data.problems import BadRow, one_line, shown
from tinybert.data.read import DataInput, numbered, open_rows
from tinybert.data.readers import BLOCK, RowReader
from tinybert.data.settings import DataSettings
from tinybert.data.tagged import TagNames
from tinybert.data.write_rows import Fields, json_line, without_gaps, write_delimited, write_lines, write_parquet
from tinybert.errors import UserError
from tinybert.types import Example

ORIGIN, COPY = "origin", "copy"  # the columns that are added
_DELIMITERS = {".tsv": "\t", ".csv": ","}

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
    patch_of: Callable[[Header, Dialect | None], Patch],
) -> int:
    """Write originals and copies.

    Args:
        data: See `read.open_rows`.
        settings: Of the group `data`.
        chosen: Says which rows of the data to write.
        copies: Of these, sorted by row and copy.
        target: The file.
        ending: Which form it gets.
        patch_of: From the header, and the dialect that is written (None = no TSV or CSV), to what makes a row out of an
            original and a copy.

    Returns:
        How many rows were written.

    Raises:
        UserError: If a value cannot be written in that form.
    """
    reader = open_rows(data, settings, "train")
    dialect = _dialect(reader, ending)
    rows = _together(_originals(reader, chosen), copies, patch_of(reader.header, dialect))
    if ending == ".parquet" and reader.types is None and reader.dialect is None:
        originals = (row for _, row in _originals(open_rows(data, settings, "train"), chosen))
        types = _common_types(map(without_gaps, originals))
        return write_parquet(target, map(without_gaps, rows), types)
    if ending == ".parquet":
        return write_parquet(target, rows, _types(reader))
    if dialect is None:
        return write_lines(target, map(json_line, rows))
    names = list(reader.header.names)
    if reader.header.open_ended:
        names = list(dict.fromkeys(n for _, row in _originals(open_rows(data, settings, "train"), chosen) for n in row))
    return write_delimited(target, rows, [*names, ORIGIN, COPY], dialect, header=not reader.header.numbered)


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
