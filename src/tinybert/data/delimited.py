"""TSV and CSV files."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from itertools import chain, islice
from pathlib import Path

from tinybert.data.columns import Header
from tinybert.data.dialect import CellRecord, Cells, Dialect, line_end, lines_of, records
from tinybert.data.problems import BadRow, listed, shown
from tinybert.data.quotation import DELIMITER_NAMES, delimiter_of, quoted_column, run_ons, swallowing, why_not_csv
from tinybert.data.readers import RawRecord, RowReader, check_names
from tinybert.data.recognise import looks_like_conll, wrong_form
from tinybert.data.settings import DataSettings
from tinybert.errors import UserError

_HEAD = 100  # lines
_OFTEN = 0.01, 3  # share and number of the rows of a file without a header that make a number of columns usual


def open_delimited(path: Path, delimiter: str, settings: DataSettings) -> RowReader:
    """Open a TSV or CSV file.

    Args:
        path: The file.
        delimiter: What its ending says; see `quotation.delimiter_of`.
        settings: Header and quoting.

    Raises:
        UserError: If it has no header that can be read, or the header names a column twice.
    """
    head = list(islice(lines_of(path), _HEAD))
    dialect, notes = _dialect(path, head, delimiter, settings)
    rows = records(lines_of(path), dialect)
    first, cells = next(rows, (1, BadRow("nothing but blank lines", "")))
    if isinstance(cells, BadRow):
        raise UserError(f"{path}:{first}: {cells.reason}")
    names = [cell.strip() for cell in cells]
    widths: Mapping[int, int] = {len(cells): 0}
    if not settings.header:
        rows = chain([(first, cells)], rows)
        widths = _usual_widths(*_stamp(path), dialect)
        names = [str(number) for number in range(max(widths))]
    header = Header(str(path), tuple(filter(None, names)), first, numbered=not settings.header)
    check_names(header)
    if "text" not in header.names and looks_like_conll(path):
        raise wrong_form(path)
    swallowed, found = _swallowed(path, dialect, settings)
    checked = _checked(rows, cells if settings.header else [], widths, swallowed, dialect)

    def by_column(wanted: Sequence[str]) -> Iterator[RawRecord]:
        columns = [(name, names.index(name)) for name in wanted]
        for line, cells in checked:
            yield line, cells if isinstance(cells, BadRow) else {name: cells[index] for name, index in columns}

    notes = (*notes, *found, *_told_widths(path, widths))
    return RowReader(header, by_column, notes, dialect._replace(line_end=line_end(path), skipped=0))


def _dialect(
    path: Path, head: Sequence[str], delimiter: str, settings: DataSettings
) -> tuple[Dialect, tuple[str, ...]]:
    dialect = delimiter_of(head, delimiter, settings)
    name = DELIMITER_NAMES.get(dialect.delimiter, shown(dialect.delimiter))
    notes = () if dialect.delimiter == delimiter else (f"{path}: the cells are separated by {name}",)
    if dialect.delimiter != "\t":
        return dialect, notes
    if settings.quoting != "auto":
        return dialect._replace(quoted=settings.quoting == "csv"), notes
    objection = _objection(*_stamp(path), dialect)
    if objection is None:
        return dialect._replace(quoted=True), (*notes, f"{path}: data.quoting=auto chose csv")
    line, reason = objection
    if (column := quoted_column(lines_of(path), dialect, settings.header)) is not None:
        raise UserError(
            f"{path}:{line}: {reason}; column {column + 1} is quoted, and a quotation mark in a quoted cell is written "
            "twice; to read the file as it is, say data.quoting=csv or data.quoting=none"
        )
    return dialect, (*notes, f"{path}: data.quoting=auto chose none (line {line}: {reason})")


def _stamp(path: Path) -> tuple[Path, int, int]:
    """Which file it is, and of when: what was found in all of it holds until it changes, however often it is opened."""
    there = path.stat()
    return path, there.st_mtime_ns, there.st_size


@lru_cache
def _objection(path: Path, changed: int, size: int, dialect: Dialect) -> tuple[int, str] | None:  # noqa: ARG001
    return why_not_csv(lines_of(path), dialect)


@lru_cache
def _usual_widths(path: Path, changed: int, size: int, dialect: Dialect) -> Mapping[int, int]:  # noqa: ARG001
    """The numbers of columns that rows without a header may have, with how many have them.

    Some files give only part of their rows further cells, such as where a sentence is from. What few rows have comes
    of a delimiter too many or too few, after which other cells stand in the columns that are read.
    """
    parts = records(lines_of(path), dialect)
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
    swallowed = swallowing(found, lines, dialect)
    if not (doubtful := found.keys() - swallowed.keys()):
        return swallowed, ()
    count = f"{len(doubtful):,} {'row' if len(doubtful) == 1 else 'rows'}"
    where = f"the first begins in line {min(doubtful)}"
    return swallowed, (f"{path}: {count} over several lines, each of which could be a row; {where}",)


def _checked(
    rows: Iterable[CellRecord], header: Cells, widths: Mapping[int, int], swallowed: Mapping[int, int], dialect: Dialect
) -> Iterator[CellRecord]:
    """The records, each as wide as the widest; bad are those that are several rows, the header again, or too narrow."""
    width, last = max(widths), header[-1] if header else "\n"
    for line, cells in rows:
        if isinstance(cells, BadRow):
            yield line, cells
        elif line in swallowed:
            reason = (
                f"a quotation mark swallows the rows up to line {line + swallowed[line] - 1}; remove it, or say "
                "data.quoting=csv if they are one text"
            )
            yield line, BadRow(reason, cells, swallowed[line])
        elif len(cells) not in widths:
            yield line, BadRow(_misfit(cells, widths, dialect), cells)
        elif cells[-1].endswith(last) and [cells[0].removeprefix("\ufeff"), *cells[1:]] == header:
            yield line, BadRow("the header once more; remove the line", cells)
        else:
            yield line, cells if len(cells) == width else cells + [""] * (width - len(cells))


def _misfit(cells: Cells, widths: Iterable[int], dialect: Dialect) -> str:
    hint = "" if dialect.delimiter != "\t" else f" (read with data.quoting={'csv' if dialect.quoted else 'none'})"
    if more := sum(cell.count("\n") for cell in cells):
        hint += f"; its quotation marks enclose {more + 1} lines"
    return f"{len(cells)} columns instead of {' or '.join(map(str, sorted(widths)))}{hint}; correct or remove the row"
