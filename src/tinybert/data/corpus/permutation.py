"""A random order of any length that is computed index by index: nothing is stored, nothing is shuffled.

A Feistel network (Luby & Rackoff 1988) permutes the numbers of an even count of bits, the fewest that hold all indices;
one that lands outside is sent through again until it lands inside ("cycle walking", Black & Rogaway 2002, Ciphers with
arbitrary finite domains). The network is a bijection, so the walk is one too: an index lies on a cycle, which leads
back inside. At most three in four numbers lie outside, so a walk has at most four steps on average.

Not for secrets: the round function is a mixing hash (splitmix64's, Steele et al. 2014), not a cipher.
"""

import numpy as np
from jaxtyping import Int
from numpy.typing import NDArray

ROUNDS = 10  # as in NIST's FF1, which has the same reason: few bits need more than the four rounds of the proof
_WORD = (1 << 64) - 1
_STEP = 0x9E3779B97F4A7C15  # 2^64 / golden ratio
_FIRST, _SECOND = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_LARGEST = 1 << 62  # what leaves room for the sign in an int64

_Words = NDArray[np.uint64]


class Permutation:
    """A bijection of range(size): the same on every machine for the same size and key.

    Attributes:
        key: Which of the permutations.

    Example:
        >>> order = Permutation(5, key=1)
        >>> sorted(order(np.arange(5)).tolist())
        [0, 1, 2, 3, 4]
    """

    def __init__(self, size: int, key: int) -> None:
        """Draw a permutation.

        Args:
            size: How many indices there are, up to 2^62.
            key: Which of the permutations, from 0 to 2^64 - 1.

        Raises:
            ValueError: If either is out of range.
        """
        if not 0 <= size <= _LARGEST:
            raise ValueError(f"a permutation has from 0 to 2^62 indices, got {size}")
        if not 0 <= key <= _WORD:
            raise ValueError(f"a key is a number of 64 bits, got {key}")
        self.key = key
        self._size = size
        self._half = np.uint64(max(1, (max(size - 1, 0).bit_length() + 1) // 2))  # bits of each half
        keys = _mixed(np.array([(key + number * _STEP) & _WORD for number in range(1, ROUNDS + 1)], np.uint64))
        self._keys: list[np.uint64] = list(keys)

    def __len__(self) -> int:
        """How many indices there are."""
        return self._size

    def __call__(self, indices: Int[np.ndarray, " _"]) -> Int[np.ndarray, " _"]:
        """Where some indices go, int64.

        Raises:
            IndexError: If one is negative, or not below the size.
        """
        if len(indices) and (indices.min() < 0 or indices.max() >= self._size):
            raise IndexError(f"an index is not in range({self._size})")
        numbers = self._through(indices.astype(np.uint64))
        outside = np.flatnonzero(numbers >= self._size)
        while len(outside):
            numbers[outside] = self._through(numbers[outside])
            outside = outside[numbers[outside] >= self._size]
        return numbers.astype(np.int64)

    def _through(self, numbers: _Words) -> _Words:
        """One way through the network."""
        mask = np.uint64((1 << int(self._half)) - 1)
        left, right = numbers >> self._half, numbers & mask
        for key in self._keys:
            left, right = right, left ^ (_mixed(right + key) & mask)
        return (left << self._half) | right


def _mixed(words: _Words) -> _Words:
    """Splitmix64's finaliser: every bit of the result depends on every bit of the word."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(_FIRST)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(_SECOND)
    mixed: _Words = words ^ (words >> np.uint64(31))
    return mixed
