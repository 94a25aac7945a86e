"""Originals and their copies as rows of columns: TSV, CSV, JSON lines, Parquet, out of any source of rows."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from tinybert.data.columns import Columns, Header, choose
from tinybert.data.dialect import Dialect
from tinybert.data.problems import BadRow
from tinybert.data.read import DataInput, numbered, open_rows
from tinybert.data.readers import RowReader
from tinybert.data.settings import DataSettings
from tinybert.data.tagged import TagNames, list_columns
from tinybert.data.written import Row, common_types, write_delimited, write_json_lines, write_parquet
from tinybert.errors import UserError
from tinybert.types import Example

ORIGIN, COPY = "origin", "copy"  # the columns that are added
_DELIMITERS = {".tsv": "\t", ".csv": ","}

Chosen = Callable[[int], bool]
Patch = Callable[[Row, Example], Row]


class Waiting:
    """Copies that wait for their originals: both come sorted by row, and neither is held."""

    def __init__(self, copies: Iterable[Example]) -> None:
        """Take copies sorted by row and copy."""
        self._rest = iter(copies)
        self._next = next(self._rest, None)

    def of(self, row: int) -> Iterator[Example]:
        """The copies of the row that comes next."""
        while self._next is not None and self._next.row == row:
            copy = self._next
            self._next = next(self._rest, None)
            yield copy

    def finish(self) -> None:
        """Make sure that none is left.

        Raises:
            ValueError: If one is: they were not sorted, or it is of a row that was not there.
        """
        if self._next is not None:
            raise ValueError(f"copy {self._next.copy} of row {self._next.row} is out of order, or its row is not there")


def write_table(
    source: DataInput,
    settings: DataSettings,
    chosen: Chosen,
    copies: Waiting,
    target: Path,
    ending: str,
    tags: TagNames | None,
) -> int:
    """Write originals and copies.

    Args:
        source: See `read.open_rows`.
        settings: Of the group `data`.
        chosen: Says which rows of the source to write.
        copies: Of these.
        target: The file.
        ending: Which form it gets.
        tags: Of token classification; None = the rows are texts with a label each.

    Returns:
        How many rows were written.
    """
    reader = open_rows(source, settings, "train")
    if tags is None:
        patch = patched_texts(choose(reader.header, settings, "none"))
    else:
        patch = patched_words(list_columns(reader.header, settings), tags)

    def originals() -> Iterator[tuple[int, Row]]:
        return _originals(open_rows(source, settings, "train"), chosen)

    if ending == ".jsonl":
        return write_json_lines(target, _together(originals(), copies, patch))
    if ending == ".parquet":
        gaps = reader.types is None
        return write_parquet(target, _together(originals(), copies, patch), _types(reader, originals), gaps)
    names = _names(reader.header, originals)
    dialect = _dialect(reader, ending)
    if not dialect.quoted:
        patch = _without_breaks(patch)
    return write_delimited(target, _together(originals(), copies, patch), names, dialect, not reader.header.numbered)


def refuse_marks(header: Header) -> None:
    """Refuse a source that has a column of the name of one that is added.

    Raises:
        UserError: If it has.
    """
    for name in (ORIGIN, COPY):
        if name in header.names:
            raise UserError(f"{header.where}: has a column '{name}' already, which augment writes; rename or remove it")


def patched_texts(columns: Columns) -> Patch:
    """From an original and a copy to a row: the texts are the copy's."""

    def patch(original: Row, copy: Example) -> Row:
        texts = {columns.text: copy.text} | ({} if columns.pair is None else {columns.pair: copy.pair})
        return {**original, **texts}

    return patch


def patched_words(columns: Columns, names: TagNames) -> Patch:
    """From an original and a copy to a row: columns with a value per word follow the words; those put in have none."""

    def patch(original: Row, copy: Example) -> Row:
        row = {name: value.tolist() if hasattr(value, "tolist") else value for name, value in original.items()}
        words, tags = row[columns.text], row[str(columns.label)]
        places, tags = names.followed(words, tags, copy)
        for name, value in row.items():
            if isinstance(value, list | tuple) and len(value) == len(words):
                row[name] = [None if place is None else value[place] for place in places]
        return {**row, columns.text: list(copy.words or ()), str(columns.label): tags}

    return patch


def _originals(reader: RowReader, chosen: Chosen) -> Iterator[tuple[int, Row]]:
    for row, line, values in numbered(reader.whole()):
        if chosen(row) and not isinstance(values, BadRow):
            if ORIGIN in values or COPY in values:
                refuse_marks(Header(reader.header.name, tuple(values), line))
            yield row, values


def _together(originals: Iterable[tuple[int, Row]], copies: Waiting, patch: Patch) -> Iterator[Row]:
    for row, original in originals:
        yield {**original, ORIGIN: row, COPY: 0}
        for copy in copies.of(row):
            yield {**patch(original, copy), ORIGIN: row, COPY: copy.copy}
    copies.finish()


def _names(header: Header, originals: Callable[[], Iterable[tuple[int, Row]]]) -> Sequence[str]:
    names: Iterable[str] = header.names
    if header.open_ended:
        names = dict.fromkeys(name for _, original in originals() for name in original)
    return (*names, ORIGIN, COPY)


def _types(reader: RowReader, originals: Callable[[], Iterable[tuple[int, Row]]]) -> pa.Schema:
    if reader.types is not None:
        types = pa.schema([field.with_type(_plain(field.type)) for field in reader.types])
    elif reader.dialect is not None:
        types = pa.schema([(name, pa.string()) for name in reader.header.names])
    else:
        types = common_types(original for _, original in originals())
    return types.append(pa.field(ORIGIN, pa.int64())).append(pa.field(COPY, pa.int64()))


def _plain(kind: pa.DataType) -> pa.DataType:
    """The type of the values themselves: the numbers of a dictionary may be too few for the texts of copies."""
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _dialect(reader: RowReader, ending: str) -> Dialect:
    delimiter, read = _DELIMITERS[ending], reader.dialect
    if read is None:
        return Dialect(delimiter, quoted=True)
    if reader.header.name.lower().endswith(ending):
        return read
    return read._replace(delimiter=delimiter, quoted=read.quoted or ending == ".csv")


def _without_breaks(patch: Patch) -> Patch:
    def clean(original: Row, copy: Example) -> Row:
        changed = patch(original, copy)
        return {n: v if v == original[n] else re.sub(r"[\t\r\n]", " ", v) for n, v in changed.items()}

    return clean
