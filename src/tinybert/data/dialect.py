"""Lines, TSV and CSV: from the bytes of a file to cells, each with the number of its line.

A row's number is the physical line it begins on, counted from 1 with the header, so that an editor finds it.
Blank lines at the end are ignored; anywhere else they are bad rows.
"""

import csv
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

from tinybert.data.problems import BadRow, printable, unreadable_as_user_error
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
    line_end: str = "\n"  # written only; read is any
    skipped: int = 0  # lines before the first row that are no rows


def lines_of(path: Path) -> Iterator[str]:
    """The decoded lines of a file.

    Raises:
        UserError: If it cannot be read or is not UTF-8.
    """
    with unreadable_as_user_error(path), path.open("rb") as stream:
        yield from decoded(stream, str(path))


def line_end(path: Path) -> str:
    """How the first line of a file ends, so that what is made of the file ends its lines alike."""
    with path.open("rb") as stream:
        first = stream.readline()
    if first.endswith(b"\n"):
        return "\r\n" if first.endswith(b"\r\n") else "\n"
    return "\r" if b"\r" in first else "\n"


def decoded(lines: Iterable[bytes], name: str) -> Iterator[str]:
    """Decode lines as UTF-8, dropping a byte order mark.

    Raises:
        UserError: At the first line that is not UTF-8.
    """
    rest = iter(lines)
    first = [without_mark(next(rest, b""), name)]
    if b"\r" in first[0] and not first[0].endswith(b"\n"):  # all lines end as on old Macs, so they came as a single one
        first = [line + b"\n" for line in first[0].removesuffix(b"\r").split(b"\r")]
    number = 0
    try:
        for number, raw in enumerate(chain(filter(None, first), rest), start=1):  # noqa: B007
            yield raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise not_utf8(name, number, error) from error


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
    blank: list[int] = []
    for line, cells in (_quoted if dialect.quoted else _split)(lines, dialect):
        if len(cells) < 2 and not "".join(cells).strip():  # a bad row has more parts
            blank.append(line)
            continue
        if blank:
            yield from ((number, BadRow("an empty line; remove it", "")) for number in blank)
            blank.clear()
        yield line, cells


def plain_lines(lines: Iterable[str]) -> Iterator[CellRecord]:
    """One cell a line, whatever it holds."""
    return records(lines, Dialect("\n", quoted=False))


def _split(lines: Iterable[str], dialect: Dialect) -> Iterator[CellRecord]:
    for number, line in enumerate(islice(lines, dialect.skipped, None), start=1 + dialect.skipped):
        content = line.removesuffix("\n").removesuffix("\r")
        yield number, BadRow(NUL, content) if "\0" in content else content.split(dialect.delimiter)


def _quoted(lines: Iterable[str], dialect: Dialect) -> Iterator[CellRecord]:
    pending: list[str] = []  # the lines of the current row, for the report of a bad one
    kept = (pending.append(line) or line for line in islice(lines, dialect.skipped, None))  # type: ignore[func-returns-value]
    reader = csv.reader(kept, delimiter=dialect.delimiter, strict=True)
    while True:
        first = reader.line_num + 1 + dialect.skipped
        cells: Cells | BadRow
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            cells = BadRow(f"not valid CSV ({_why(error)}); check the quotation marks", "".join(pending), len(pending))
        if "\0" in (content := "".join(pending)):
            cells = BadRow(NUL, content, len(pending))
        pending.clear()
        yield first, cells


def _why(error: csv.Error) -> str:
    return next((words for part, words in _CSV_ERRORS.items() if part in str(error)), printable(str(error)))
