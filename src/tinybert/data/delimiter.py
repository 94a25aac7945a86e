"""What separates the cells of a file: the character that its ending says, unless its first lines say another."""

import re
from collections.abc import Iterable
from itertools import islice

from tinybert.data.dialect import Dialect, records
from tinybert.data.problems import BadRow
from tinybert.data.quotation import Lines
from tinybert.data.settings import DataSettings

NAMES = {",": "commas", "\t": "tabs", ";": "semicolons"}
_LOOKED_AT = 100  # lines
_SAID = re.compile(r'"?sep=(.)"?[\r\n]*')  # the first line, where Excel is to read the file


def separated(lines: Lines, usual: str, settings: DataSettings) -> Dialect:
    """How the cells of a file are told apart, as far as its first lines show.

    Args:
        lines: Of the file.
        usual: The delimiter of files with its ending.
        settings: The header, and without one the numbers of the columns.

    Returns:
        The dialect; a file with tabs still has to show whether its cells are quoted.
    """
    if said := _SAID.fullmatch(next(iter(lines()), "")):
        return _dialect(said[1])._replace(skipped=1)
    others = [delimiter for delimiter in NAMES if delimiter != usual]
    return _dialect(next((other for other in (usual, *others) if _fits(lines(), _dialect(other), settings)), usual))


def _dialect(delimiter: str) -> Dialect:
    return Dialect(delimiter, quoted=delimiter != "\t")


def _fits(lines: Iterable[str], dialect: Dialect, settings: DataSettings) -> bool:
    """Whether the header has several columns; without one, whether the first rows have all that are asked for."""
    parts = records(islice(lines, _LOOKED_AT), dialect)
    widths = (len(cells) for _, cells in parts if not isinstance(cells, BadRow))
    if settings.header:
        return next(widths, 0) > 1
    asked = (settings.text, settings.text_a, settings.text_b, settings.label)
    return min(widths, default=0) > max(int(column) for column in asked if column is not None)
