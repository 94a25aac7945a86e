"""What the quotation marks of a TSV or CSV file mean: do they enclose cells, and does one of them swallow rows.

A quoted cell may run over several lines. Where each of these lines by itself could be a row, a stray quotation mark may
have swallowed rows.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import NamedTuple

from tinybert.data.dialect import Cells, Dialect, records
from tinybert.data.problems import BadRow

_LOOKED_AT = 10_000  # lines
_NEARLY_ALL = 0.9
_NUMBER = re.compile(r"-?[\d.]+([eE][-+]?\d+)?")
_NO_GROUP = re.compile(r"-?(\d+\.\d+|\d{4,})([eE][-+]?\d+)?")  # a number that prose has not after the comma of 5,200

Lines = Callable[[], Iterable[str]]  # of a file, from its beginning


class Objection(NamedTuple):
    """The first line of a file that is not as a reading of the file wants it."""

    line: int
    reason: str


class RunOn(NamedTuple):
    """The lines of one record, each cut into as many cells as the record has, as though it were a row.

    Attributes:
        place: The column of the cell that runs over the lines.
        rows: One a line; of the first and the last one, some cells are really those of the record.
    """

    place: int
    rows: list[Cells]


def why_not_csv(lines: Iterable[str], dialect: Dialect) -> Objection | None:
    """Why lines are not strict CSV with the header's number of columns everywhere; None when they are."""
    width = None
    for line, cells in records(lines, dialect._replace(quoted=True)):
        if isinstance(cells, BadRow):
            return Objection(line, cells.reason)
        width = width or len(cells)
        if len(cells) != width:
            return Objection(line, f"{len(cells)} columns, the first line has {width}")
        if run_on(cells, dialect.delimiter) is not None:
            return Objection(line, "a quotation mark would swallow whole rows")
    return None


def quoted_column(lines: Iterable[str], dialect: Dialect, header: bool) -> int | None:
    """The first column, from 0, with nearly all of its cells, or its name, in quotation marks; None = there is none."""
    filled: Counter[int] = Counter()
    quoted: Counter[int] = Counter()
    width = None
    for _, cells in records(islice(lines, _LOOKED_AT), dialect._replace(quoted=False)):
        if isinstance(cells, BadRow):
            continue
        enclosed = [column for column, cell in enumerate(cells[:width]) if _enclosed(cell)]
        if width is None and header and enclosed:
            return enclosed[0]
        if width is not None or not header:
            quoted.update(enclosed)
            filled.update(column for column, cell in enumerate(cells[:width]) if cell)
        width = width or len(cells)
    return next((column for column in sorted(filled) if quoted[column] >= _NEARLY_ALL * filled[column]), None)


def _enclosed(cell: str) -> bool:
    return len(cell) > 1 and cell[0] == cell[-1] == '"'


def run_on(cells: Cells, delimiter: str) -> RunOn | None:
    """The lines of a record as rows; None unless one of its cells runs over several, each of which could be a row."""
    places = [place for place, cell in enumerate(cells) if "\n" in cell]
    if len(places) != 1:
        return None
    (place,) = places
    after = len(cells) - place - 1
    parts = [line.removesuffix("\r").split(delimiter) for line in cells[place].split("\n")]
    parts = [[*cells[:place], *parts[0]], *parts[1:-1], [*parts[-1], *cells[place + 1 :]]]
    if min(map(len, parts)) < len(cells):
        return None
    return RunOn(place, [_of_width(part, place, after, delimiter) for part in parts])


def _of_width(part: Cells, place: int, after: int, delimiter: str) -> Cells:
    """The cells of a line with all that is too much in the one that runs on."""
    end = len(part) - after
    return [*part[:place], delimiter.join(part[place:end]), *part[end:]]


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
    asked: dict[int, set[str]] = {}
    for one in found.values():
        for column, values in _values(one):
            asked.setdefault(column, set()).update(values)
    known = _known(asked, lines, dialect) if asked else {}
    return {
        line: len(one.rows)
        for line, one in found.items()
        if any(values and all(value in known[column] for value in values) for column, values in _values(one))
    }


def _values(one: RunOn) -> Iterator[tuple[int, list[str]]]:
    """By column, what the lines would have there; not what the record has there anyway."""
    for column in range(len(one.rows[0])):
        first = 1 if column < one.place else 0
        last = -1 if column > one.place else None
        yield column, [row[column] for row in one.rows[first:last]]


def _known(asked: Mapping[int, set[str]], lines: Lines, dialect: Dialect) -> Mapping[int, set[str]]:
    """By column, which of some values it has, or could have since all that it has are numbers."""
    found: dict[int, set[str]] = {column: set() for column in asked}
    numbers = dict.fromkeys(asked, True)
    for row, (_, cells) in enumerate(records(lines(), dialect)):
        if isinstance(cells, BadRow):
            continue
        for column, values in asked.items():
            if column < len(cells):
                if cells[column] and cells[column] in values:
                    found[column].add(cells[column])
                if row and numbers[column]:  # the first may be a header
                    numbers[column] = _NUMBER.fullmatch(cells[column]) is not None
    for column in (column for column, only in numbers.items() if only):
        found[column].update(filter(_NO_GROUP.fullmatch, asked[column]))
    return found
