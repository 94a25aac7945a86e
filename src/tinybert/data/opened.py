"""What every source of rows becomes, whatever its form."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from tinybert.data.columns import Known
from tinybert.data.dialect import Dialect
from tinybert.data.problems import Bad, listed, printable
from tinybert.errors import UserError

BLOCK = 8192  # rows read at once

Record = tuple[int, Sequence[Any] | Bad]
WholeRecord = tuple[int, Mapping[str, Any] | Bad]


@dataclass(frozen=True)
class Opened:
    """A source whose columns are known and whose rows are still to be read.

    Attributes:
        known: Its columns.
        records: From names of columns to the records, to be called once. A record is the number a person would look
            for (the physical line of a text file, counted from 1 with the header; the row, from 1, of anything else)
            and the cells in the order of the names, or why they could not be read.
        notes: What the log should say about how it is read.
        mappings: The records with all they hold, to be called once and instead of `records`; None = by the columns.
        dialect: Of a TSV or CSV file.
        types: Of the columns of a Parquet file.
    """

    known: Known
    records: Callable[[Sequence[str]], Iterator[Record]]
    notes: tuple[str, ...] = ()
    mappings: Callable[[], Iterator[WholeRecord]] | None = None
    dialect: Dialect | None = None
    types: pa.Schema | None = None

    def whole(self) -> Iterator[WholeRecord]:
        """The records with all their columns, by name; to be called once and instead of `records`."""
        if self.mappings is not None:
            yield from self.mappings()
            return
        names = self.known.names
        for line, cells in self.records(names):
            yield line, cells if isinstance(cells, Bad) else dict(zip(names, cells, strict=True))


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn what the system says about a file into a `UserError`."""
    try:
        yield
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file") from error
    except IsADirectoryError as error:
        raise UserError(f"{path}: is a folder, not a file") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({one_line(error.strerror or error)})") from error


def refuse_twins(where: str, names: Sequence[str]) -> None:
    """Refuse columns of the same name.

    Raises:
        UserError: If there are any.
    """
    twins = sorted({name for name in names if names.count(name) > 1})
    if twins:
        raise UserError(f"{where}: the column '{listed(twins)}' occurs more than once; rename all but one")


def one_line(error: object) -> str:
    """The first line of a library's message, which can be a page, or hold bytes of a damaged file."""
    return printable((str(error).strip().splitlines() or [type(error).__name__])[0][:200])
