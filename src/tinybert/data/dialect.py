"""Lines, TSV and CSV: from the bytes of a file to cells, each with the number of its line.

A row's number is the physical line it begins on, counted from 1 with the header, so that an editor finds it.
Blank lines at the end are ignored; anywhere else they are bad rows.
"""

import csv
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from tinybert.data.problems import BadRow, printable, readable
from tinybert.errors import UserError

_BOM = b"\xef\xbb\xbf"
_PACKED = {
    b"\x1f\x8b": "packed with gzip; unpack it first (gunzip < OLD > NEW)",
    b"\xfd7zXZ": "packed with xz; unpack it first (unxz < OLD > NEW)",
    b"PK\x03\x04": "a zip archive or an Excel workbook; unpack it, or save it as CSV in UTF-8",
}
# What the module csv says, in words for those who do not know how it reads.
_CSV_ERRORS = {
    "unexpected end of data": "a quotation mark that is never closed",
    "expected after": "text after a closing quotation mark",
    "new-line character": "a carriage return within a line",
}
csv.field_size_limit(2**31 - 1)  # a text may be longer than the 131,072 characters that are the module's default
NUL = "contains a NUL byte; remove it (a file full of them is UTF-16: save it as UTF-8)"

Cells = list[str]
CellRecord = tuple[int, Cells | BadRow]


class Dialect(NamedTuple):
    """How cells and rows are told apart; whatever is written keeps the dialect that was read."""

    delimiter: str
    quoted: bool
    line_end: str = "\n"  # written only; read is either
    skipped: int = 0  # lines before the first row that are no rows


def lines_of(path: Path) -> Iterator[str]:
    """The decoded lines of a file.

    Raises:
        UserError: If it cannot be read or is not UTF-8.
    """
    with readable(path), path.open("rb") as stream:
        yield from decoded(stream, str(path))


def line_end(path: Path) -> str:
    """How the first line of a file ends, so that what is made of the file ends its lines alike.

    Raises:
        UserError: If it cannot be read.
    """
    with readable(path), path.open("rb") as stream:
        return "\r\n" if stream.readline().endswith(b"\r\n") else "\n"


def decoded(lines: Iterable[bytes], name: str) -> Iterator[str]:
    """Decode lines as UTF-8, dropping a byte order mark.

    Raises:
        UserError: At the first line that is not UTF-8.
    """
    for number, raw in enumerate(_ended(lines), start=1):
        if number == 1:
            raw = without_mark(raw, name)
        try:
            yield raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise not_utf8(name, number, error) from error


def _ended(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Lines as they come; where they end with carriage returns only, as on old Macs, they came as a single one."""
    rest = iter(lines)
    first = next(rest, b"")
    if b"\r" in first and not first.endswith(b"\n"):
        yield from (line + b"\n" for line in first.removesuffix(b"\r").split(b"\r"))
    elif first:
        yield first
    yield from rest


def without_mark(first: bytes, name: str) -> bytes:
    """The first bytes of a file without a byte order mark.

    Raises:
        UserError: If the mark is that of UTF-16, or the file is packed.
    """
    if first.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UserError(f"{name}:1: UTF-16, not UTF-8; save the file as UTF-8")
    for mark, what in _PACKED.items():
        if first.startswith(mark):
            raise UserError(f"{name}: {what}")
    return first.removeprefix(_BOM)


def not_utf8(name: str, line: int, error: UnicodeDecodeError) -> UserError:
    """What to say of a line that cannot be decoded."""
    return UserError(f"{name}:{line}: not UTF-8 (byte 0x{error.object[error.start]:02x}); save the file as UTF-8")


def records(lines: Iterable[str], dialect: Dialect) -> Iterator[CellRecord]:
    """Cut lines into cells; the header, where there is one, is the first record."""
    cut = _quoted if dialect.quoted else _split
    if not dialect.skipped:
        return _without_blank_end(cut(lines, dialect.delimiter))
    parts = cut(islice(lines, dialect.skipped, None), dialect.delimiter)
    return _without_blank_end((line + dialect.skipped, cells) for line, cells in parts)


def plain_lines(lines: Iterable[str]) -> Iterator[CellRecord]:
    """One cell a line, whatever it holds."""
    return _without_blank_end(_split(lines, "\n"))


def _split(lines: Iterable[str], delimiter: str) -> Iterator[CellRecord]:
    for number, line in enumerate(lines, start=1):
        content = line.removesuffix("\n").removesuffix("\r")
        yield number, BadRow(NUL, content) if "\0" in content else content.split(delimiter)


def _quoted(lines: Iterable[str], delimiter: str) -> Iterator[CellRecord]:
    pending: list[str] = []  # the lines of the current row, for the report of a bad one
    reader = csv.reader(_kept(lines, pending.append), delimiter=delimiter, strict=True)
    while True:
        first = reader.line_num + 1
        cells: Cells | BadRow
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            cells = BadRow(f"not valid CSV ({_why(error)}); check the quotation marks", "".join(pending), len(pending))
        if any("\0" in line for line in pending):
            cells = BadRow(NUL, "".join(pending), len(pending))
        pending.clear()
        yield first, cells


def _why(error: csv.Error) -> str:
    return next((words for part, words in _CSV_ERRORS.items() if part in str(error)), printable(str(error)))


def _kept(lines: Iterable[str], keep: Callable[[str], None]) -> Iterator[str]:
    for line in lines:
        keep(line)
        yield line


def _without_blank_end(parts: Iterable[CellRecord]) -> Iterator[CellRecord]:
    blank: list[int] = []
    for line, cells in parts:
        if not isinstance(cells, BadRow) and len(cells) <= 1 and not "".join(cells).strip():
            blank.append(line)
            continue
        yield from ((number, BadRow("an empty line; remove it", "")) for number in blank)
        blank.clear()
        yield line, cells
