"""Lines, TSV and CSV: from the bytes of a file to cells, each with the number of its line.

A row's number is the physical line it begins on, counted from 1 with the header, so that an editor finds it.
Blank lines at the end are ignored; anywhere else they are bad rows.
"""

import csv
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from tinybert.data.problems import Bad
from tinybert.errors import UserError

_BOM = b"\xef\xbb\xbf"
NUL = "contains a NUL byte; remove it (a file full of them is UTF-16: save it as UTF-8)"

Cells = list[str]
CellRecord = tuple[int, Cells | Bad]


class Dialect(NamedTuple):
    """How cells and rows are told apart; whatever is written keeps the dialect that was read."""

    delimiter: str
    quoted: bool
    line_end: str = "\n"  # written only; read is either


def decoded(lines: Iterable[bytes], name: str) -> Iterator[str]:
    """Decode lines as UTF-8, dropping a byte order mark.

    Raises:
        UserError: At the first line that is not UTF-8.
    """
    for number, raw in enumerate(lines, start=1):
        if number == 1:
            raw = without_mark(raw, name)
        try:
            yield raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise not_utf8(name, number, error) from error


def without_mark(first: bytes, name: str) -> bytes:
    """The first bytes of a file without a byte order mark.

    Raises:
        UserError: If the mark is that of UTF-16.
    """
    if first.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UserError(f"{name}:1: UTF-16, not UTF-8; save the file as UTF-8")
    return first.removeprefix(_BOM)


def not_utf8(name: str, line: int, error: UnicodeDecodeError) -> UserError:
    """What to say of a line that cannot be decoded."""
    return UserError(f"{name}:{line}: not UTF-8 (byte 0x{error.object[error.start]:02x}); save the file as UTF-8")


def records(lines: Iterable[str], dialect: Dialect) -> Iterator[CellRecord]:
    """Cut lines into cells; the header, where there is one, is the first record."""
    parts = _quoted(lines, dialect.delimiter) if dialect.quoted else _split(lines, dialect.delimiter)
    return _without_blank_end(parts)


def plain_lines(lines: Iterable[str]) -> Iterator[CellRecord]:
    """One cell a line, whatever it holds."""
    return _without_blank_end(_split(lines, "\n"))


def why_not_csv(lines: Iterable[str], delimiter: str) -> str | None:
    """Why lines are not strict CSV with the header's number of columns everywhere; None when they are.

    A quoted cell may run over several lines. Where it does although every line by itself has the header's number of
    columns, the quotes are letters that happen to pair up, and reading them as CSV would swallow rows.
    """
    counts: list[int] = []
    width, runs_on = None, 0
    for line, cells in _without_blank_end(_quoted(_counting(lines, delimiter, counts), delimiter)):
        if isinstance(cells, Bad):
            return f"line {line}: {cells.reason}"
        width = width or len(cells)
        if len(cells) != width:
            return f"line {line} has {len(cells)} columns, the first line {width}"
        runs_on = runs_on or (line if any("\n" in cell for cell in cells) else 0)
    if runs_on and set(counts) == {width}:
        return f"a quotation mark in line {runs_on} would swallow whole rows"
    return None


def _counting(lines: Iterable[str], delimiter: str, counts: list[int]) -> Iterator[str]:
    """Pass lines on, noting the different numbers of columns they have when quotes are letters."""
    known: set[int] = set()
    for line in lines:
        columns = line.count(delimiter) + 1
        if columns not in known and line.strip():
            known.add(columns)
            counts.append(columns)
        yield line


def _split(lines: Iterable[str], delimiter: str) -> Iterator[CellRecord]:
    for number, line in enumerate(lines, start=1):
        content = line.removesuffix("\n").removesuffix("\r")
        yield number, Bad(NUL, content) if "\0" in content else content.split(delimiter)


def _quoted(lines: Iterable[str], delimiter: str) -> Iterator[CellRecord]:
    pending: list[str] = []  # the lines of the current row, for the report of a bad one
    reader = csv.reader(_kept(lines, pending.append), delimiter=delimiter, strict=True)
    while True:
        first = reader.line_num + 1
        cells: Cells | Bad
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            cells = Bad(f"not valid CSV ({error}); check the quotation marks", "".join(pending), len(pending))
        if any("\0" in line for line in pending):
            cells = Bad(NUL, "".join(pending), len(pending))
        pending.clear()
        yield first, cells


def _kept(lines: Iterable[str], keep: Callable[[str], None]) -> Iterator[str]:
    for line in lines:
        keep(line)
        yield line


def _without_blank_end(parts: Iterable[CellRecord]) -> Iterator[CellRecord]:
    blank: list[int] = []
    for line, cells in parts:
        if not isinstance(cells, Bad) and len(cells) <= 1 and not "".join(cells).strip():
            blank.append(line)
            continue
        yield from ((number, Bad("an empty line; remove it", "")) for number in blank)
        blank.clear()
        yield line, cells
