"""TSV and CSV files."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any

from tinybert.data.columns import Known
from tinybert.data.dialect import CellRecord, Dialect, decoded, records, why_not_csv
from tinybert.data.opened import Opened, Record, readable, refuse_twins
from tinybert.data.problems import Bad
from tinybert.data.refusals import looks_like_conll, refusal
from tinybert.data.settings import DataSettings
from tinybert.errors import UserError


def lines_of(path: Path) -> Iterator[str]:
    """The decoded lines of a file.

    Raises:
        UserError: If it cannot be read or is not UTF-8.
    """
    with readable(path), path.open("rb") as stream:
        yield from decoded(stream, str(path))


def open_delimited(path: Path, delimiter: str, settings: DataSettings) -> Opened:
    """Open a TSV or CSV file.

    Raises:
        UserError: If it has no header that can be read, or the header names a column twice.
    """
    dialect, notes = _dialect(path, delimiter, settings)
    first, cells = next(records(lines_of(path), dialect), (1, Bad("nothing but blank lines", "")))
    if isinstance(cells, Bad):
        raise UserError(f"{path}:{first}: {cells.reason}")
    known = _known(str(path), first, cells, settings)
    if "text" not in known.names and looks_like_conll(path):
        raise refusal(path)

    def rows(wanted: Sequence[str]) -> Iterator[Record]:
        parts = records(lines_of(path), dialect)
        if settings.header:
            next(parts)
        return _of_width(parts, len(known.names), [known.names.index(name) for name in wanted], dialect)

    return Opened(known, rows, notes, dialect=dialect._replace(line_end=line_end(path)))


def line_end(path: Path) -> str:
    """How the first line of a file ends, so that what is made of the file ends its lines alike.

    Raises:
        UserError: If it cannot be read.
    """
    with readable(path), path.open("rb") as stream:
        return "\r\n" if stream.readline().endswith(b"\r\n") else "\n"


def _dialect(path: Path, delimiter: str, settings: DataSettings) -> tuple[Dialect, tuple[str, ...]]:
    if delimiter == ",":
        return Dialect(delimiter, quoted=True), ()
    if settings.quoting != "auto":
        return Dialect(delimiter, quoted=settings.quoting == "csv"), ()
    reason = why_not_csv(lines_of(path), delimiter)
    name = "csv" if reason is None else f"none ({reason})"
    return Dialect(delimiter, quoted=reason is None), (f"{path}: data.quoting=auto chose {name}",)


def _known(name: str, line: int, cells: Sequence[str], settings: DataSettings) -> Known:
    if not settings.header:
        return Known(name, tuple(str(number) for number in range(len(cells))), line, numbered=True)
    names = tuple(cell.strip() for cell in cells)
    refuse_twins(f"{name}:{line}", names)
    return Known(name, names, line)


def _of_width(parts: Iterable[CellRecord], width: int, positions: Sequence[int], dialect: Dialect) -> Iterator[Record]:
    pick: Callable[[list[str]], Any] = itemgetter(*positions) if len(positions) > 1 else lambda c: (c[positions[0]],)
    hint = "" if dialect.delimiter == "," else f" (read with data.quoting={'csv' if dialect.quoted else 'none'})"
    for line, cells in parts:
        if isinstance(cells, Bad):
            yield line, cells
        elif len(cells) != width:
            reason = f"{len(cells)} columns instead of {width}{hint}; correct or remove the row"
            yield line, Bad(reason, cells)
        else:
            yield line, pick(cells)
