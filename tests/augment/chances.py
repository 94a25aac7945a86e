"""All that can come of something that draws, each with its exact probability."""

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np

from tinybert.augment.random import Random

_Item = TypeVar("_Item")
_Outcome = TypeVar("_Outcome", bound=Hashable)


class TooLongError(Exception):
    """More uniform numbers were asked for than the path may have."""


class ScriptedRandom(Random):
    """Draws that fall as written; beyond the script all fall on their first side."""

    def __init__(self, script: Sequence[int], bounds: Sequence[Fraction], most_uniform: int | None) -> None:
        super().__init__(np.random.default_rng(0))
        self.script, self.bounds, self.uniform_left = list(script), [Fraction(0), *bounds, Fraction(1)], most_uniform
        self.fallen: list[int] = []
        self.others: list[list[int]] = []
        self.probability = Fraction(1)

    def fall(self, shares: Sequence[Fraction]) -> int:
        position = len(self.fallen)
        if position == len(self.script):
            first, *others = [side for side, share in enumerate(shares) if share]
            self.others += [[*self.fallen, side] for side in others]
            self.script.append(first)
        self.fallen.append(self.script[position])
        self.probability *= shares[self.script[position]]
        return self.script[position]

    def uniform(self) -> float:
        if self.uniform_left is not None:
            self.uniform_left -= 1
            if self.uniform_left < 0:
                raise TooLongError
        position = self.fall([upper - lower for lower, upper in pairwise(self.bounds)])
        return float(self.bounds[position] + self.bounds[position + 1]) / 2

    def chance(self, probability: float) -> bool:
        share = Fraction(probability).limit_denominator(1000)
        return self.fall([share, 1 - share]) == 0

    def below(self, count: int) -> int:
        return self.fall([Fraction(1, count)] * count)

    def one_of(self, items: Sequence[_Item]) -> _Item:
        return items[self.below(len(items))]


def every_outcome(
    act: Callable[[Random], _Outcome], bounds: Sequence[Fraction] = (), most_uniform: int | None = None
) -> dict[_Outcome, Fraction]:
    """The distribution of what `act` gives.

    Args:
        act: Draws from what it is given.
        bounds: What uniform numbers are compared with, in ascending order.
        most_uniform: What would need more uniform numbers than these does not count; the rest is made to add up to 1.
    """
    found: Counter[Any] = Counter()
    scripts: list[list[int]] = [[]]
    while scripts:
        random = ScriptedRandom(scripts.pop(), bounds, most_uniform)
        try:
            outcome = act(random)
        except TooLongError:
            outcome = None
        scripts += random.others
        if outcome is not None:
            found[outcome] += random.probability
    whole = sum(found.values())
    return {outcome: share / whole for outcome, share in found.items() if share}
