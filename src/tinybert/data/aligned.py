"""Which word of a sentence is which word of its copy, so that what belongs to words can follow them."""

from collections.abc import Sequence

_Tagged = tuple[str, object]


def aligned(original: Sequence[_Tagged], copy: Sequence[_Tagged]) -> list[int | None]:
    """Pair the words of a copy with those of its original by the fewest changes.

    A word may have been replaced, put in or taken out; its tag is kept, so words with different tags are never paired.

    Args:
        original: Words with their tags.
        copy: Words with their tags.

    Returns:
        For each word of the copy which word of the original it is, in ascending order; None = it was put in.

    Example:
        >>> aligned([("a", 0), ("fine", 0), ("film", 0)], [("a", 0), ("very", 0), ("good", 0), ("film", 0)])
        [0, 1, None, 2]
    """
    if len(original) == len(copy) and all(a[1] == b[1] for a, b in zip(original, copy, strict=True)):
        return list(range(len(copy)))
    start = 0
    while start < min(len(original), len(copy)) and original[start] == copy[start]:
        start += 1
    stop = 0
    while stop < min(len(original), len(copy)) - start and original[-1 - stop] == copy[-1 - stop]:
        stop += 1
    inner = _fewest(original[start : len(original) - stop], copy[start : len(copy) - stop])
    shifted = [None if index is None else index + start for index in inner]
    return [*range(start), *shifted, *range(len(original) - stop, len(original))]


def _fewest(original: Sequence[_Tagged], copy: Sequence[_Tagged]) -> list[int | None]:
    """The same for what differs: changes that are left from any place of both, then one way from the beginning."""
    left = [[len(original) - i + len(copy) - j for j in range(len(copy) + 1)] for i in range(len(original) + 1)]
    for i in reversed(range(len(original))):
        for j in reversed(range(len(copy))):
            left[i][j] = 1 + min(left[i + 1][j], left[i][j + 1])
            if original[i][1] == copy[j][1]:
                left[i][j] = min(left[i][j], (original[i] != copy[j]) + left[i + 1][j + 1])
    found: list[int | None] = []
    i = 0
    for j in range(len(copy)):
        while not _pairs(original, copy, left, i, j) and i < len(original) and left[i][j] == 1 + left[i + 1][j]:
            i += 1
        if _pairs(original, copy, left, i, j):
            found.append(i)
            i += 1
        else:
            found.append(None)
    return found


def _pairs(original: Sequence[_Tagged], copy: Sequence[_Tagged], left: Sequence[Sequence[int]], i: int, j: int) -> bool:
    """Whether pairing these two words is on a way of the fewest changes."""
    if i == len(original) or original[i][1] != copy[j][1]:
        return False
    return left[i][j] == (original[i] != copy[j]) + left[i + 1][j + 1]
