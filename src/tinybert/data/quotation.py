"""What the text of a TSV or CSV file says about its dialect: delimiter, quotation marks, and rows that a mark swallows.

A quoted cell may run over several lines. Where each of these lines by itself could be a row, a stray quotation mark may
have swallowed rows.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice, zip_longest
from typing import NamedTuple

from tinybert.data.dialect import Cells, Dialect, records
from tinybert.data.problems import BadRow
from tinybert.data.settings import DataSettings

DELIMITER_NAMES = {",": "commas", "\t": "tabs", ";": "semicolons"}
_EXCEL = re.compile(r'"?sep=(.)"?[\r\n]*')  # a first line that tells Excel how to read the file
_LOOKED_AT = 10_000  # lines
_NEARLY_ALL = 0.9
_NUMBER = re.compile(r"-?[\d.]+([eE][-+]?\d+)?")
_NO_GROUP = re.compile(r"-?(\d+\.\d+|\d{4,})([eE][-+]?\d+)?")  # a number that prose has not after the comma of 5,200

Lines = Callable[[], Iterable[str]]  # of a file, from its beginning


class RunOn(NamedTuple):
    """The lines of one record, each cut into as many cells as the record has, as though it were a row.

    Attributes:
        column: Of the cell that runs over the lines.
        rows: One a line; of the first and the last one, some cells are really those of the record.
    """

    column: int
    rows: list[Cells]

    def columns(self) -> list[list[str]]:
        """By column, what the lines would have there; not what the record has there anyway."""
        rows, last = self.rows, len(self.rows)
        return [[row[n] for row in rows[n < self.column : last - (n > self.column)]] for n in range(len(rows[0]))]


def delimiter_of(head: Sequence[str], usual: str, settings: DataSettings) -> Dialect:
    """How the cells of a file are told apart, as far as its first lines show.

    Args:
        head: The first lines.
        usual: The delimiter of files with its ending.
        settings: The header, and without one the numbers of the columns.

    Returns:
        The dialect; a file with tabs still has to show whether its cells are quoted.
    """
    if said := _EXCEL.fullmatch(next(iter(head), "")):
        return Dialect(said[1], quoted=said[1] != "\t", skipped=1)
    dialects = [Dialect(delimiter, quoted=delimiter != "\t") for delimiter in (usual, *DELIMITER_NAMES)]
    return next((dialect for dialect in dialects if _fits(head, dialect, settings)), dialects[0])


def _fits(head: Iterable[str], dialect: Dialect, settings: DataSettings) -> bool:
    """Whether the header has several columns; without one, whether the first rows have all that are asked for."""
    widths = (len(cells) for _, cells in records(head, dialect) if not isinstance(cells, BadRow))
    if settings.header:
        return next(widths, 0) > 1
    asked = (settings.text, settings.text_a, settings.text_b, settings.label)
    return min(widths, default=0) > max(int(column) for column in asked if column is not None)


def why_not_csv(lines: Iterable[str], dialect: Dialect) -> tuple[int, str] | None:
    """Why lines are not strict CSV with the header's number of columns: the first such line; None when they are."""
    width = None
    for line, cells in records(lines, dialect._replace(quoted=True)):
        if isinstance(cells, BadRow):
            return line, cells.reason
        width = width or len(cells)
        if len(cells) != width:
            return line, f"{len(cells)} columns, the first line has {width}"
        if run_on(cells, dialect.delimiter) is not None:
            return line, "a quotation mark would swallow whole rows"
    return None


def quoted_column(lines: Iterable[str], dialect: Dialect, header: bool) -> int | None:
    """The first column, from 0, with nearly all of its cells, or its name, in quotation marks; None = there is none."""
    filled: Counter[int] = Counter()
    quoted: Counter[int] = Counter()
    width = None
    for _, cells in records(islice(lines, _LOOKED_AT), dialect._replace(quoted=False)):
        if isinstance(cells, BadRow):
            continue
        enclosed = [column for column, cell in enumerate(cells[:width]) if len(cell) > 1 and cell[0] == cell[-1] == '"']
        if width is None and header and enclosed:
            return enclosed[0]
        if width is not None or not header:
            quoted.update(enclosed)
            filled.update(column for column, cell in enumerate(cells[:width]) if cell)
        width = width or len(cells)
    return next((column for column in sorted(filled) if quoted[column] >= _NEARLY_ALL * filled[column]), None)


def run_on(cells: Cells, delimiter: str) -> RunOn | None:
    """The lines of a record as rows; None unless one of its cells runs over several, each of which could be a row."""
    if "\n" not in "".join(cells):
        return None
    indices = [index for index, cell in enumerate(cells) if "\n" in cell]
    if len(indices) != 1:
        return None
    (index,) = indices
    parts = [line.removesuffix("\r").split(delimiter) for line in cells[index].split("\n")]
    parts = [[*cells[:index], *parts[0]], *parts[1:-1], [*parts[-1], *cells[index + 1 :]]]
    if min(map(len, parts)) < len(cells):
        return None
    ends = [len(part) - (len(cells) - index - 1) for part in parts]  # what is too much belongs to the cell that runs on
    rows = [[*p[:index], delimiter.join(p[index:end]), *p[end:]] for p, end in zip(parts, ends, strict=True)]
    return RunOn(index, rows)


def run_ons(lines: Lines, dialect: Dialect) -> Mapping[int, RunOn]:
    """The records of a file that could be several rows, by the line where each begins."""
    parts = ((line, cells) for line, cells in records(lines(), dialect) if not isinstance(cells, BadRow))
    return {line: found for line, cells in parts if (found := run_on(cells, dialect.delimiter)) is not None}


def swallowing(found: Mapping[int, RunOn], lines: Lines, dialect: Dialect) -> Mapping[int, int]:
    """Which of some records are several rows: those whose lines have, in some column, only values of other rows.

    Prose over several lines may well have a comma in each, but after it hardly ever a label or an id of the file.

    Args:
        found: See `run_ons`.
        lines: Of the file.
        dialect: It is read in.

    Returns:
        From the line where a quotation mark swallows rows to the number of lines.
    """
    values = {line: one.columns() for line, one in found.items()}
    asked = [set[str]().union(*columns) for columns in zip_longest(*values.values(), fillvalue=())]
    known = _known(asked, lines, dialect) if any(asked) else asked
    return {
        line: len(found[line].rows)
        for line, columns in values.items()
        if any(cells and known[index].issuperset(cells) for index, cells in enumerate(columns))
    }


def _known(asked: Sequence[set[str]], lines: Lines, dialect: Dialect) -> list[set[str]]:
    """By column, which of some values it has, or could have since all that it has are numbers."""
    found: list[set[str]] = [set() for _ in asked]
    numbers = [True] * len(asked)
    for row, (_, cells) in enumerate(records(lines(), dialect)):
        if isinstance(cells, BadRow):
            continue
        for index, (cell, values) in enumerate(zip(cells, asked, strict=False)):
            if cell and cell in values:
                found[index].add(cell)
            if row and numbers[index]:  # the first may be a header
                numbers[index] = _NUMBER.fullmatch(cell) is not None
    for values, only, wanted in zip(found, numbers, asked, strict=True):
        values.update(filter(_NO_GROUP.fullmatch, wanted) if only else ())
    return found
