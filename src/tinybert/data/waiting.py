"""Copies that wait for their originals: both come sorted by row, and neither is held."""

from collections.abc import Iterable, Iterator

from tinybert.types import Example


class Waiting:
    """Gives the copies of one row after the other."""

    def __init__(self, copies: Iterable[Example]) -> None:
        """Take copies sorted by row and copy."""
        self._rest = iter(copies)
        self._next = next(self._rest, None)

    def of(self, row: int) -> Iterator[Example]:
        """The copies of the row that comes next."""
        while self._next is not None and self._next.row == row:
            copy = self._next
            self._next = next(self._rest, None)
            yield copy

    def finish(self) -> None:
        """Make sure that none is left.

        Raises:
            ValueError: If one is: they were not sorted, or it is of a row that was not there.
        """
        if self._next is not None:
            raise ValueError(f"copy {self._next.copy} of row {self._next.row} is out of order, or its row is not there")
