"""Bad rows: the first one ends the run, unless `data.skip_bad` tolerates a share; then they are put aside."""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tinybert.errors import UserError
from tinybert.files import seen_from, write_text

_SHOWN = 60  # characters of a user's text in a message
_TOLERANCE = "data.skip_bad=0.01 tolerates one bad row in a hundred"


class BadRow(NamedTuple):
    """Why a row cannot be used."""

    reason: str  # what, what to do
    content: object  # the row as far as it could be read
    rows: int = 1  # a broken quote can swallow several


def shown(value: object) -> str:
    """A user's own value as one short printable piece of a message."""
    text = f"'{printable(value)}'" if isinstance(value, str) else _written(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def listed(values: Iterable[str], limit: int = 20) -> str:
    """Names one after the other; a long list is cut and counted."""
    names = [printable(name)[:_SHOWN] for name in values]
    rest = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + rest


def one_line(error: object) -> str:
    """The first line of a library's message, which can be a page, or hold bytes of a damaged file."""
    return printable((str(error).strip().splitlines() or [type(error).__name__])[0][:200])


@contextmanager
def unreadable_as_user_error(path: Path) -> Iterator[None]:
    """Turn what the system says about a file into a `UserError`."""
    try:
        yield
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file") from error
    except IsADirectoryError as error:
        raise UserError(f"{path}: is a folder, not a file") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({one_line(error.strerror or error)})") from error


def _written(value: object) -> str:
    try:
        return printable(repr(value))
    except ValueError:  # a number with more digits than Python is willing to print
        return f"a {type(value).__name__}"


def printable(text: str) -> str:
    """A text on one line, without anything that a terminal would act on."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text[: 10 * _SHOWN])


class Problems:
    """The bad rows of one source.

    Attributes:
        name: What messages call the source.
        rejected: What `rejected.jsonl` will say of it.
    """

    def __init__(self, name: str, tolerated: float) -> None:
        self.name = printable(name)
        self.tolerated = tolerated
        self.rejected: list[dict[str, Any]] = []
        self._rows = 0

    def add(self, line: int, bad: BadRow, row: int | None = None) -> None:
        """Put a row aside.

        Args:
            line: Where a person looks for it, see `RowReader`.
            bad: What is wrong with it.
            row: Which row of the source it is, from 1, as `predict` and `augment` count; None = the same as `line`.

        Raises:
            UserError: If no bad row is tolerated.
        """
        where = {"line": line, "row": line if row is None else row}
        if not self.tolerated:
            raise UserError(self._message(where, bad.reason, _TOLERANCE))
        self._rows += bad.rows
        self.rejected.append({"file": self.name, **where, "reason": bad.reason, "content": bad.content})

    @property
    def rows(self) -> int:
        """How many rows were put aside so far."""
        return self._rows

    def settle(self, good: int) -> tuple[str, ...]:
        """Say how many rows were put aside, now that the number of good ones is known.

        Raises:
            UserError: If they are more than tolerated.
        """
        if not self.rejected:
            return ()
        count = f"{self._rows:,} of {good + self._rows:,} rows are bad"
        first, tolerated = self.rejected[0], f"data.skip_bad={self.tolerated:g}"
        if self._rows > self.tolerated * (good + self._rows):
            raise UserError(self._message(first, first["reason"], f"{count}, more than {tolerated} tolerates"))
        return (f"{self.name}: {count} and left out ({tolerated}); the first: row {first['row']}, {first['reason']}",)

    def _message(self, where: Mapping[str, Any], reason: str, also: str) -> str:
        row = "" if where["row"] == where["line"] else f"row {where['row']}; "
        return f"{self.name}:{where['line']}: {reason} ({row}{also})"


def write_rejected(target: Path, sources: Iterable[Problems], *, added: bool = False) -> None:
    """Write one JSON object per rejected row (file, line, row, reason, content); no file where there is none.

    Args:
        target: The file; files in it are named from its folder, which may move together with its data.
        sources: What was read.
        added: To what the file has; otherwise it is replaced.
    """
    rows = [row | {"file": seen_from(target.parent, row["file"])} for problems in sources for row in problems.rejected]
    # Content can hold lone surrogates and NaN, which only ASCII escapes and strings survive.
    text = "".join(f"{json.dumps(row, default=str)}\n" for row in rows)
    if added and target.exists():
        text = target.read_text(encoding="utf-8") + text
    if text:
        write_text(target, text)
    else:
        target.unlink(missing_ok=True)
