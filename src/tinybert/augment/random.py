"""Single draws from a stream: uniform numbers are taken in blocks, because a call of NumPy costs more than a draw."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

import numpy as np

_BLOCK = 32
_Item = TypeVar("_Item")


class Random:
    """Draws of one copy, each from the next uniform number of its stream.

    Example:
        >>> random = Random(np.random.default_rng(0))
        >>> random.below(6), random.one_of("abc"), random.chance(0.5)
        (3, 'a', True)
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self._next = _uniform(rng).__next__

    def uniform(self) -> float:
        """A number of [0, 1)."""
        return self._next()

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return self._next() < probability

    def below(self, count: int) -> int:
        """A whole number of 0 ... `count` - 1; `count` is at least 1."""
        return int(self._next() * count)

    def one_of(self, items: Sequence[_Item]) -> _Item:
        """One of the items, each as likely."""
        return items[int(self._next() * len(items))]

    def some_of(self, items: Sequence[_Item], count: int) -> list[_Item]:
        """So many different items in random order; all where there are fewer."""
        rest = list(items)
        count = min(count, len(rest))
        for position in range(count):
            other = position + self.below(len(rest) - position)
            rest[position], rest[other] = rest[other], rest[position]
        return rest[:count]


def _uniform(rng: np.random.Generator) -> Iterator[float]:
    while True:
        yield from rng.random(_BLOCK).tolist()
