"""Read whatever a user hands in, row by row: every row is checked; an error names the data and the row."""

import mmap
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any, cast

import pyarrow as pa

from tinybert.data.columns import Header, Labels, choose_columns
from tinybert.data.delimited import open_delimited
from tinybert.data.dialect import CellRecord, decoded, lines_of, plain_lines
from tinybert.data.hub import PREFIX, default_split, load_hub
from tinybert.data.problems import BadRow, Problems, unreadable_as_user_error
from tinybert.data.readers import (
    BLOCK,
    JSON_BEGUN,
    RawRecord,
    RowReader,
    is_dataset,
    is_frame,
    open_dataset,
    open_frame,
    open_json_lines,
    open_list,
    open_parquet,
)
from tinybert.data.recognise import LOOK_AT, check_recognised, wrong_form
from tinybert.data.rows import Row, checked
from tinybert.data.settings import DataSettings
from tinybert.errors import UserError
from tinybert.files import full_disk_as_resource_error

# A path, `hf:...`, `-`, a list of dictionaries, a pandas.DataFrame or a datasets.Dataset; the last two belong to
# packages that need not be installed, so they cannot be named here.
DataInput = Any
STDIN, STDIN_NAME = "-", "stdin"  # as users say it, and as messages do
SPILL_BYTES = 256 << 20  # what a data set may take of memory before it goes to disk

# `row` counts the rows of the data from 1, as outputs do; `line` is what messages say (see `readers.RowReader`).
ROW_SCHEMA = pa.schema(
    [
        ("text", pa.large_string()),
        ("pair", pa.large_string()),
        ("label", pa.large_string()),
        ("row", pa.int64()),
        ("line", pa.int64()),
    ]
)


@dataclass(frozen=True)
class RawRows:
    """Rows that were read, with labels as they are spelled there.

    Attributes:
        table: Columns of `ROW_SCHEMA`, a missing label is null; or of the schema of another kind of task.
        paired: Whether the rows are pairs of texts.
        problems: The rows that were put aside; `settle` says whether they are too many.
        notes: What the log should say.
    """

    table: pa.Table
    paired: bool
    problems: Problems
    notes: tuple[str, ...]

    @property
    def name(self) -> str:
        """What messages call the data."""
        return self.problems.name


def read(data: DataInput, settings: DataSettings, *, labels: Labels, name: str = "data") -> RawRows:
    """Read texts, or pairs of them, with or without labels.

    Args:
        data: See `open_rows`.
        settings: Columns, dialect and how many bad rows are tolerated.
        labels: `needed`: a column of labels without gaps; `optional`: whatever there is; `none`: not looked at.
        name: What messages call an object in memory.

    Raises:
        UserError: If the data or one of their rows cannot be used; or there is no row.
    """
    reader = open_rows(data, settings, name)
    check_recognised(reader.header, settings)
    columns = choose_columns(reader.header, settings, labels)
    wanted = columns.wanted
    problems = Problems(reader.header.name, settings.skip_bad)

    def check(row: Mapping[str, Any]) -> Row | BadRow:
        return checked([row.get(name) for name in wanted], columns, labels == "needed")

    table = gathered(reader.records(wanted), check, ROW_SCHEMA, problems)
    return RawRows(table, columns.pair is not None, problems, reader.notes)


def is_stdin(source: DataInput) -> bool:
    """Whether a source is standard input."""
    return isinstance(source, str | Path) and str(source) == STDIN


def path_of(source: DataInput) -> Path | None:
    """The file that a source is; None where it is none."""
    named = isinstance(source, str | Path) and not str(source).startswith(PREFIX) and not is_stdin(source)
    return Path(source) if named else None


def open_rows(data: DataInput, settings: DataSettings, name: str = "data") -> RowReader:
    """Open whatever a user may hand in.

    Args:
        data: A path, `hf:NAME[:CONFIG][:SPLIT]`, `-`, a list of dictionaries, a pandas frame or a `datasets` table; or
            rows that are open already.
        settings: Header and quoting of text files.
        name: What messages call an object in memory; `dev` and `test` also name the default split of a hub data set.

    Raises:
        UserError: If it cannot be read.
    """
    if isinstance(data, RowReader):
        return data
    if isinstance(data, str | Path):
        return _open_named(str(data), settings, name)
    if is_frame(data):
        return open_frame(name, data)
    if is_dataset(data):
        return open_dataset(name, data)
    if isinstance(data, Sequence) and not isinstance(data, bytes):
        return open_list(name, data)
    forms = "a path, a list of dictionaries, a pandas.DataFrame or a datasets.Dataset"
    raise UserError(f"{name}: {forms} is wanted, not {type(data).__name__}")


def _open_named(data: str, settings: DataSettings, name: str) -> RowReader:
    if data == STDIN:
        return open_lines(standard_input()[1], settings)
    if data.startswith(PREFIX):
        return open_dataset(data, load_hub(data, default_split(name)))
    return open_file(Path(data), settings)


def open_file(path: Path, settings: DataSettings) -> RowReader:
    """Open a file by the ending of its name.

    Raises:
        UserError: If it cannot be read, is empty, or is no table of texts.
    """
    with unreadable_as_user_error(path):
        if not path.is_dir() and path.stat().st_size == 0:
            raise UserError(f"{path}: the file is empty")
        match path.suffix.lower():
            case ".tsv":
                return open_delimited(path, "\t", settings)
            case ".csv":
                return open_delimited(path, ",", settings)
            case ".jsonl":
                return open_json_lines(str(path), lines_of(path))
            case ".parquet":
                return open_parquet(path)
            case _:
                raise wrong_form(path)


def standard_input() -> tuple[list[str], Iterator[str]]:
    """The first lines of standard input, to be looked at, and all of them.

    Raises:
        UserError: If there is nothing, or one of the first is not UTF-8.
    """
    lines = decoded(sys.stdin.buffer, STDIN_NAME)
    if not (head := list(islice(lines, LOOK_AT))):
        raise UserError(f"{STDIN_NAME}: nothing to read")
    return head, chain(head, lines)


def open_lines(lines: Iterator[str], settings: DataSettings, name: str = STDIN_NAME) -> RowReader:
    """Open lines, one at least: JSON lines where they begin as JSON does, otherwise one text a line."""
    first = next(lines)
    everything = chain([first], lines)
    if first.startswith("{") or JSON_BEGUN.match(first):
        return open_json_lines(name, everything)
    column = settings.text or "text"
    return RowReader(Header(name, (column,)), lambda _: _as_texts(plain_lines(everything), column))


def _as_texts(records: Iterable[CellRecord], column: str) -> Iterator[RawRecord]:
    for line, cells in records:
        yield line, cells if isinstance(cells, BadRow) else {column: cells[0]}


def gathered(
    records: Iterable[tuple[int, Any]],
    check: Callable[[Any], Sequence[Any] | BadRow],
    schema: pa.Schema,
    problems: Problems,
) -> pa.Table:
    """Gather the records that pass a check.

    Args:
        records: As `RowReader.records` gives them.
        check: From a record's content to a row of the schema without its last two columns, `row` and `line`; or to why
            there is none.
        schema: Of the table.
        problems: Takes those that do not pass.

    Raises:
        UserError: If none is left, or one does not pass that is not tolerated.
    """

    def good() -> Iterator[Sequence[Any]]:
        for row, line, content in numbered(records):
            result = content if isinstance(content, BadRow) else check(content)
            if isinstance(result, BadRow):
                problems.add(line, result, row - result.rows + 1)
            else:
                yield (*result, row, line)

    table = arrow_table(good(), schema)
    if len(table) == 0:
        problems.settle(0)  # raises where every row is bad
        raise UserError(f"{problems.name}: no rows after the header")
    return table


def numbered(records: Iterable[tuple[int, Any]]) -> Iterator[tuple[int, int, Any]]:
    """Records with the number of their row put first; a bad one can be several rows."""
    row = 0
    for line, content in records:
        row += content.rows if isinstance(content, BadRow) else 1
        yield row, line, content


def arrow_table(rows: Iterator[Sequence[Any]], schema: pa.Schema, spill_bytes: int = SPILL_BYTES) -> pa.Table:
    """Gather rows, their values in the order of the schema; many of them lie in an unnamed file, memory-mapped.

    Raises:
        ResourceError: If the disk is full.
    """
    folder = Path(tempfile.gettempdir())
    with full_disk_as_resource_error(folder), tempfile.SpooledTemporaryFile(spill_bytes) as file:
        with pa.ipc.new_stream(cast(Any, file), schema) as writer:
            while block := list(islice(rows, BLOCK)):
                columns = zip(zip(*block, strict=True), schema, strict=True)
                arrays = [pa.array(column, field.type) for column, field in columns]
                writer.write_batch(pa.record_batch(arrays, schema=schema))
        file.flush()
        if file.tell() > spill_bytes:
            content: Any = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)  # outlives the file
        else:
            file.seek(0)
            content = file.read()
    return pa.ipc.open_stream(pa.py_buffer(content)).read_all()
