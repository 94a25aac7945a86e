"""Readers of rows: what all of them are, and those of JSON lines, lists, Parquet, frames and datasets."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tinybert.data.columns import Header
from tinybert.data.dialect import Cells, Dialect, plain_lines
from tinybert.data.problems import BadRow, listed, one_line
from tinybert.errors import UserError

BLOCK = 8192  # rows read at once
JSON_BEGUN = re.compile(r"\s*(?:(\[)\s*(?:\{|$)|\{\s*$)")  # a first line of JSON that is not one object a line

RawRecord = tuple[int, Mapping[str, Any] | BadRow]


@dataclass(frozen=True)
class RowReader:
    """Data whose columns are known and whose rows are still to be read.

    Attributes:
        header: Its columns.
        records: From the names of columns that are wanted to the records, to be called once. A record is the number a
            person would look for (the physical line of a text file, counted from 1 with the header; the row, from 1, of
            anything else) and values by column, possibly of more than the wanted ones, or why they could not be read.
        notes: What the log should say about how it is read.
        dialect: Of a TSV or CSV file.
        types: Of the columns of a Parquet file.
    """

    header: Header
    records: Callable[[Sequence[str]], Iterator[RawRecord]]
    notes: tuple[str, ...] = ()
    dialect: Dialect | None = None
    types: pa.Schema | None = None


def open_json_lines(name: str, lines: Iterable[str]) -> RowReader:
    """Read JSON lines.

    Raises:
        UserError: If there is none, or no line is an object.
    """
    rest = iter(lines)
    first = next(rest, "")
    if begun := JSON_BEGUN.match(first):
        what, program = ("an array of rows", "'.[]'") if begun[1] else ("an object over several lines", ".")
        raise UserError(f"{name}:1: {what}, not one object a line; convert it: jq -c {program} OLD > NEW.jsonl")
    return _open_mappings(name, (_parsed(line, cells) for line, cells in plain_lines(chain([first], rest))))


def open_list(name: str, rows: Iterable[Any]) -> RowReader:
    """Read a list of dictionaries, or a stream of them.

    Raises:
        UserError: If it is empty, or no entry is a dictionary.
    """
    wrong = "not a dictionary; a list of dictionaries is wanted"
    named = ({str(k): v for k, v in row.items()} if isinstance(row, Mapping) else BadRow(wrong, row) for row in rows)
    return _open_mappings(name, enumerate(named, start=1))


def _open_mappings(name: str, records: Iterator[RawRecord]) -> RowReader:
    """The first row that can be read says which columns there are; later ones may have more."""
    before: list[RawRecord] = []
    for line, row in records:
        before.append((line, row))
        if not isinstance(row, BadRow):
            header = Header(name, tuple(row), line, open_ended=True)
            return RowReader(header, lambda _: chain(before, records))
    bad = next((f":{line}: {row.reason}" for line, row in before if isinstance(row, BadRow)), ": no rows")
    raise UserError(f"{name}{bad}")


def _parsed(line: int, cells: Cells | BadRow) -> RawRecord:
    if isinstance(cells, BadRow):
        return line, cells
    try:
        value = json.loads(cells[0], object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        return line, BadRow(f"not valid JSON ({one_line(error)}); correct or remove the row", cells[0])
    if not isinstance(value, dict):
        return line, BadRow('not a JSON object; write one a line, as in {"text": "...", "label": "..."}', cells[0])
    return line, value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        raise ValueError(f"the key '{listed(repeated([name for name, _ in pairs]))}' occurs twice")
    return row


def repeated(names: Sequence[str]) -> list[str]:
    """The names that occur more than once, sorted."""
    return sorted({name for name in names if names.count(name) > 1})


def check_names(header: Header) -> None:
    """Refuse columns of the same name.

    Raises:
        UserError: If there are any.
    """
    if twins := repeated(header.names):
        raise UserError(f"{header.where}: the column '{listed(twins)}' occurs more than once; rename all but one")


def open_parquet(path: Path, at_once: int = BLOCK) -> RowReader:
    """Read a Parquet file.

    Args:
        path: The file.
        at_once: Rows read at once.

    Raises:
        UserError: If it is none, or damaged; the latter possibly only while its rows are read.
    """
    name = str(path)
    try:
        file = pq.ParquetFile(path, page_checksum_verification=True)
        types = file.schema_arrow
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _damaged(name, error) from error
    header = Header(name, tuple(types.names))
    check_names(header)
    return RowReader(header, lambda wanted: enumerate(_parquet_rows(file, name, wanted, at_once), start=1), types=types)


def _parquet_rows(file: Any, name: str, wanted: Sequence[str], at_once: int) -> Iterator[Mapping[str, Any]]:
    read = 0
    blocks = file.iter_batches(batch_size=at_once, columns=list(wanted))
    while True:
        try:
            if (block := next(blocks, None)) is None:
                break
            rows = block.to_pylist()
        except (pa.ArrowException, OSError, ValueError) as error:  # UnicodeDecodeError is a ValueError
            raise _damaged(f"{name}:{read + 1}", error) from error
        yield from rows
        read += len(rows)
    if read != file.metadata.num_rows:
        raise _damaged(name, f"{read} rows instead of {file.metadata.num_rows}")


def _damaged(where: str, error: object) -> UserError:
    return UserError(f"{where}: cannot be read as Parquet ({one_line(error)}); write or download the file again")


def is_frame(data: Any) -> bool:
    """Whether an object is a pandas frame, or one like it."""
    return hasattr(data, "iloc") and hasattr(data, "columns")


def is_dataset(data: Any) -> bool:
    """Whether an object is a table of the `datasets` library."""
    return hasattr(data, "column_names") and hasattr(data, "select_columns")


def open_frame(name: str, frame: Any) -> RowReader:
    """Read a pandas frame.

    Raises:
        UserError: If a column occurs twice.
    """
    named = frame.set_axis([str(column) for column in frame.columns], axis="columns")
    header = Header(name, tuple(named.columns))
    check_names(header)

    def rows(wanted: Sequence[str]) -> Iterator[Mapping[str, Any]]:
        for start in range(0, len(named), BLOCK):
            yield from named[list(wanted)].iloc[start : start + BLOCK].to_dict("records")

    return RowReader(header, lambda wanted: enumerate(rows(wanted), start=1))


def open_dataset(name: str, dataset: Any) -> RowReader:
    """Read a table of the `datasets` library; class numbers are given back their names, -1 is a missing label.

    Raises:
        UserError: If it is a dictionary of splits.
    """
    check_no_splits(name, dataset)

    def rows(wanted: Sequence[str]) -> Iterator[Mapping[str, Any]]:
        picked = dataset.select_columns(list(wanted)).with_format(None)
        class_names = {column: _class_names(feature) for column, feature in picked.features.items()}
        for block in picked.iter(batch_size=BLOCK):
            columns = [_named(block[column], class_names[column]) for column in wanted]
            yield from (dict(zip(wanted, values, strict=True)) for values in zip(*columns, strict=True))

    header = Header(name, tuple(dataset.column_names))
    return RowReader(header, lambda wanted: enumerate(rows(wanted), start=1))


def check_no_splits(name: str, dataset: Any) -> None:
    """Refuse a dictionary of splits.

    Raises:
        UserError: If it is one.
    """
    if isinstance(dataset.column_names, dict):
        raise UserError(f"{name}: has the splits {listed(dataset.column_names)}; hand in one of them")


def _class_names(feature: Any) -> Sequence[str] | None:
    """The names of a column of classes, or of lists of classes; None where it is another column."""
    return getattr(getattr(feature, "feature", feature), "names", None)


def _named(values: Sequence[Any], class_names: Sequence[str] | None) -> Sequence[Any]:
    if class_names is None:
        return values
    return [
        _named(value, class_names)
        if isinstance(value, list)
        else (None if value is None or value < 0 else class_names[value])
        for value in values
    ]
