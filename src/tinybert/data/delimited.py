"""TSV and CSV files."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any

from tinybert.data.columns import Header
from tinybert.data.delimiter import NAMES, separated
from tinybert.data.dialect import CellRecord, Cells, Dialect, line_end, lines_of, records
from tinybert.data.problems import BadRow, listed, shown
from tinybert.data.quotation import quoted_column, run_ons, swallowing, why_not_csv
from tinybert.data.readers import Record, RowReader, refuse_twins
from tinybert.data.refusals import looks_like_conll, refusal
from tinybert.data.settings import DataSettings
from tinybert.errors import UserError

_OFTEN = 0.01, 3  # share and number of the rows of a file without a header that make a number of columns usual


def open_delimited(path: Path, delimiter: str, settings: DataSettings) -> RowReader:
    """Open a TSV or CSV file.

    Args:
        path: The file.
        delimiter: What its ending says; see `delimiter.separated`.
        settings: Header and quoting.

    Raises:
        UserError: If it has no header that can be read, or the header names a column twice.
    """
    dialect, notes = _dialect(path, delimiter, settings)
    first, cells = next(records(lines_of(path), dialect), (1, BadRow("nothing but blank lines", "")))
    if isinstance(cells, BadRow):
        raise UserError(f"{path}:{first}: {cells.reason}")
    widths = {len(cells): 0} if settings.header else _usual_widths(records(lines_of(path), dialect))
    names = [cell.strip() for cell in cells] if settings.header else [str(number) for number in range(max(widths))]
    header = _header(str(path), first, names, settings.header)
    if "text" not in header.names and looks_like_conll(path):
        raise refusal(path)
    swallowed, found = _swallowed(path, dialect, settings)

    def rows(wanted: Sequence[str]) -> Iterator[Record]:
        parts = _apart(records(lines_of(path), dialect), swallowed)
        if settings.header:
            next(parts)
            parts = _without_header(parts, cells)
        return _of_width(parts, widths, [names.index(name) for name in wanted], dialect)

    notes = (*notes, *found, *_told_widths(path, widths))
    return RowReader(header, rows, notes, dialect=dialect._replace(line_end=line_end(path), skipped=0))


def _dialect(path: Path, delimiter: str, settings: DataSettings) -> tuple[Dialect, tuple[str, ...]]:
    lines = partial(lines_of, path)
    dialect = separated(lines, delimiter, settings)
    name = NAMES.get(dialect.delimiter, shown(dialect.delimiter))
    notes = () if dialect.delimiter == delimiter else (f"{path}: the cells are separated by {name}",)
    if dialect.delimiter != "\t":
        return dialect, notes
    if settings.quoting != "auto":
        return dialect._replace(quoted=settings.quoting == "csv"), notes
    objection = why_not_csv(lines(), dialect)
    if objection is None:
        return dialect._replace(quoted=True), (*notes, f"{path}: data.quoting=auto chose csv")
    if (column := quoted_column(lines(), dialect, settings.header)) is not None:
        raise UserError(
            f"{path}:{objection.line}: {objection.reason}; column {column + 1} is quoted, and a quotation mark in a "
            "quoted cell is written twice; to read the file as it is, say data.quoting=csv or data.quoting=none"
        )
    return dialect, (*notes, f"{path}: data.quoting=auto chose none (line {objection.line}: {objection.reason})")


def _header(name: str, line: int, names: Sequence[str], header: bool) -> Header:
    """The columns; those without a name are left aside."""
    named = tuple(column for column in names if column)
    refuse_twins(f"{name}:{line}", named)
    return Header(name, named, line, numbered=not header)


def _usual_widths(parts: Iterable[CellRecord]) -> Mapping[int, int]:
    """The numbers of columns that rows without a header may have, with how many have them.

    Some files give only part of their rows further cells, such as where a sentence is from. What few rows have comes
    of a delimiter too many or too few, after which other cells stand in the columns that are read.
    """
    found = Counter(len(cells) for _, cells in parts if not isinstance(cells, BadRow))
    (most, _), share, number = found.most_common(1)[0], *_OFTEN
    often = max(share * found.total(), number)
    return {width: count for width, count in sorted(found.items()) if width == most or count >= often}


def _told_widths(path: Path, widths: Mapping[int, int]) -> tuple[str, ...]:
    if len(widths) == 1:
        return ()
    counts = listed(f"{width} ({count:,} rows)" for width, count in widths.items())
    return (f"{path}: not all rows have the same number of columns: {counts}; those that some lack are empty there",)


def _swallowed(path: Path, dialect: Dialect, settings: DataSettings) -> tuple[Mapping[int, int], tuple[str, ...]]:
    """Where a quotation mark swallows rows of a CSV file, and how many; and what the log says of doubtful ones."""
    if dialect.delimiter == "\t" or settings.quoting == "csv":
        return {}, ()
    lines = partial(lines_of, path)
    found = run_ons(lines, dialect)
    if not (doubtful := found.keys() - (swallowed := swallowing(found, lines, dialect) if found else {}).keys()):
        return swallowed, ()
    count = f"{len(doubtful):,} {'row' if len(doubtful) == 1 else 'rows'}"
    where = f"the first begins in line {min(doubtful)}"
    return swallowed, (f"{path}: {count} over several lines, each of which could be a row; {where}",)


def _apart(parts: Iterable[CellRecord], swallowed: Mapping[int, int]) -> Iterator[CellRecord]:
    """The records, but those that are several rows are bad."""
    for line, cells in parts:
        if line in swallowed:
            reason = (
                f"a quotation mark swallows the rows up to line {line + swallowed[line] - 1}; remove it, or say "
                "data.quoting=csv if they are one text"
            )
            yield line, BadRow(reason, cells, swallowed[line])
        else:
            yield line, cells


def _without_header(parts: Iterable[CellRecord], header: Cells) -> Iterator[CellRecord]:
    for line, cells in parts:
        again = (
            not isinstance(cells, BadRow) and cells[1:] == header[1:] and cells[0].removeprefix("\ufeff") == header[0]
        )
        yield line, BadRow("the header once more; remove the line", cells) if again else cells


def _of_width(
    parts: Iterable[CellRecord], widths: Collection[int], positions: Sequence[int], dialect: Dialect
) -> Iterator[Record]:
    pick: Callable[[list[str]], Any] = itemgetter(*positions) if len(positions) > 1 else lambda c: (c[positions[0]],)
    width = max(widths)
    for line, cells in parts:
        if isinstance(cells, BadRow):
            yield line, cells
        elif len(cells) == width:
            yield line, pick(cells)
        elif len(cells) in widths:
            yield line, pick(cells + [""] * (width - len(cells)))
        else:
            yield line, BadRow(_misfit(cells, widths, dialect), cells)


def _misfit(cells: Cells, widths: Collection[int], dialect: Dialect) -> str:
    hint = "" if dialect.delimiter != "\t" else f" (read with data.quoting={'csv' if dialect.quoted else 'none'})"
    if more := sum(cell.count("\n") for cell in cells):
        hint += f"; its quotation marks enclose {more + 1} lines"
    return f"{len(cells)} columns instead of {' or '.join(map(str, sorted(widths)))}{hint}; correct or remove the row"
