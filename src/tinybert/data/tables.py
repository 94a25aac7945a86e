"""Rows out of columns: Parquet files, pandas frames, tables of the `datasets` library."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tinybert.data.columns import Known
from tinybert.data.opened import BLOCK, Opened, Record, one_line, refuse_twins
from tinybert.data.problems import listed
from tinybert.errors import UserError


def open_parquet(path: Path, at_once: int = BLOCK) -> Opened:
    """Open a Parquet file.

    Args:
        path: The file.
        at_once: Rows read at once.

    Raises:
        UserError: If it is none, or damaged; the latter possibly only while its rows are read.
    """
    name = str(path)
    try:
        file = pq.ParquetFile(path, page_checksum_verification=True)
        names = tuple(file.schema_arrow.names)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _damaged(name, error) from error
    refuse_twins(name, names)
    types = file.schema_arrow
    return Opened(Known(name, names), lambda wanted: _parquet_rows(file, name, wanted, at_once), types=types)


def _parquet_rows(file: Any, name: str, wanted: Sequence[str], at_once: int) -> Iterator[Record]:
    read = 0
    blocks = file.iter_batches(batch_size=at_once, columns=list(wanted))
    while True:
        try:
            block = next(blocks, None)
            columns = [] if block is None else [block.column(column).to_pylist() for column in wanted]
        except (pa.ArrowException, OSError, ValueError) as error:  # UnicodeDecodeError is a ValueError
            raise _damaged(f"{name}:{read + 1}", error) from error
        if block is None:
            break
        yield from enumerate(zip(*columns, strict=True), start=read + 1)
        read += block.num_rows
    if read != file.metadata.num_rows:
        raise _damaged(name, f"{read} rows instead of {file.metadata.num_rows}")


def _damaged(where: str, error: object) -> UserError:
    return UserError(f"{where}: cannot be read as Parquet ({one_line(error)}); write or download the file again")


def is_frame(source: Any) -> bool:
    """Whether an object is a pandas frame, or one like it."""
    return hasattr(source, "iloc") and hasattr(source, "columns")


def is_dataset(source: Any) -> bool:
    """Whether an object is a table of the `datasets` library."""
    return hasattr(source, "column_names") and hasattr(source, "select_columns")


def open_frame(name: str, frame: Any) -> Opened:
    """Open a pandas frame.

    Raises:
        UserError: If a column occurs twice.
    """
    names = tuple(str(column) for column in frame.columns)
    refuse_twins(name, names)

    def rows(wanted: Sequence[str]) -> Iterator[Record]:
        picked = frame.iloc[:, [names.index(column) for column in wanted]]
        for start in range(0, len(picked), BLOCK):
            block = picked.iloc[start : start + BLOCK]
            columns = [block.iloc[:, position].tolist() for position in range(len(wanted))]
            yield from enumerate(zip(*columns, strict=True), start=start + 1)

    return Opened(Known(name, names), rows)


def open_dataset(name: str, dataset: Any) -> Opened:
    """Open a table of the `datasets` library; class numbers are given back their names, -1 is a missing label.

    Raises:
        UserError: If it is a dictionary of splits.
    """
    refuse_splits(name, dataset)

    def rows(wanted: Sequence[str]) -> Iterator[Record]:
        picked = dataset.select_columns(list(wanted)).with_format(None)
        class_names = [_class_names(picked.features[column]) for column in wanted]
        start = 1
        for block in picked.iter(batch_size=BLOCK):
            columns = [_named(block[column], names) for column, names in zip(wanted, class_names, strict=True)]
            yield from enumerate(zip(*columns, strict=True), start)
            start += len(columns[0])

    return Opened(Known(name, tuple(dataset.column_names)), rows)


def refuse_splits(name: str, dataset: Any) -> None:
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
