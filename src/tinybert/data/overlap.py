"""Leakage: rows of train that dev or test shows as well.

Texts are compared by their letters and digits in lower case, without what stands between them, so that neither
punctuation nor another tokeniser's spaces hide a copy ("Don't." is "do n't ."). A text without any letter or digit is
compared as it is.

`exact`: the same text; of pairs, both sides, in either order.
`contained`: also a text of `FEW` or more words inside the other, either way round, beginning and ending at the boundary
of a word; of pairs, both sides, in either order, each the same or contained. A word is a run of letters and digits.

Looking for one text inside many goes by an index of the `LONG` characters that follow every beginning of a word, and
a comparison of what the index finds.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from itertools import accumulate
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool

from tinybert.data.examples import Examples
from tinybert.data.readers import BLOCK

FEW = 5  # words a text needs before being contained means anything
LONG = 12  # characters of an index entry; fewer find too much, more miss short texts
_WORD = re.compile(r"[^\W_]+")

_Place = tuple[int, int]  # which text, and at which character a word of it begins


class _Text(NamedTuple):
    """A text without what stands between its words, and at which characters words begin."""

    letters: str
    begins: list[int]

    def holds(self, other: "_Text", begin: int) -> bool:
        """Whether another text stands here from the beginning of a word to the end of one."""
        end = begin + len(other.letters)
        return self.letters.startswith(other.letters, begin) and (end == len(self.letters) or end in self.begins)


def normalised(text: str) -> str:
    """Letters and digits in lower case; the stripped text itself where it has none."""
    return "".join(_WORD.findall(text.lower())) or text.strip()


def exact(examples: Examples, held_out: Examples) -> Bool[np.ndarray, " rows"]:
    """Which examples are the same as one that was held out."""
    known = set(_keys(held_out))
    return np.fromiter((key in known for key in _keys(examples)), np.bool_, len(examples))


def contained(examples: Examples, held_out: Examples) -> Bool[np.ndarray, " rows"]:
    """Which examples are the same as, inside of, or around one that was held out."""
    index = _Index(held_out)
    return np.fromiter((index.meets(*sides) for sides in _sides(examples)), np.bool_, len(examples))


def contradicted(examples: Examples) -> Bool[np.ndarray, " rows"]:
    """Which examples have a text that another one gives another class, capitals and spaces aside; pairs in order."""
    labels = examples.labels
    if labels is None:
        raise ValueError("the examples have no labels")
    keys = (hash(tuple(text and " ".join(text.lower().split()) for text in sides)) for sides in _sides(examples))
    _, first, text = np.unique(np.fromiter(keys, np.int64), return_index=True, return_inverse=True)
    several = np.zeros(len(first), np.bool_)
    several[text[labels != labels[first][text]]] = True
    return several[text]


def _sides(examples: Examples) -> Iterator[tuple[str, str | None]]:
    for start in range(0, len(examples), BLOCK):
        texts, pairs, _ = examples.columns(start, start + BLOCK)
        yield from zip(texts, pairs, strict=True)


def _keys(examples: Examples) -> Iterator[tuple[str, ...]]:
    for text, pair in _sides(examples):
        first = normalised(text)
        if pair is None:
            yield (first,)
        else:
            second = normalised(pair)
            yield (first, second) if first <= second else (second, first)


def _words(text: str) -> _Text:
    words = _WORD.findall(text.lower())
    return _Text("".join(words) or text.strip(), [0, *accumulate(map(len, words[:-1]))])


class _Index:
    """Texts that were held out, by what they are and what they hold. Side s of row r is text 2 r + s."""

    def __init__(self, held_out: Examples) -> None:
        self._texts: dict[int, _Text] = {}
        self._same: defaultdict[str, list[int]] = defaultdict(list)
        self._inside: dict[int, defaultdict[str, list[_Place]]] = {n: defaultdict(list) for n in (FEW, LONG)}
        self._openings: dict[int, defaultdict[str, list[int]]] = {n: defaultdict(list) for n in (FEW, LONG)}
        for row, sides in enumerate(_sides(held_out)):
            for side, text in enumerate(sides):
                if text is not None:
                    self._add(2 * row + side, _words(text))

    def _add(self, number: int, text: _Text) -> None:
        self._texts[number] = text
        self._same[text.letters].append(number)
        for size, places in self._inside.items():
            for begin in text.begins:
                places[text.letters[begin : begin + size]].append((number, begin))
        if len(text.begins) >= FEW:
            size = _size(text)
            self._openings[size][text.letters[:size]].append(number)

    def meets(self, first: str, second: str | None) -> bool:
        """Whether a text, or both sides of a pair in either order, meet the same row."""
        found = self._related(_words(first))
        if second is None:
            return next(found, None) is not None
        left = set(found)
        return bool(left) and any(number ^ 1 in left for number in self._related(_words(second)))

    def _related(self, text: _Text) -> Iterator[int]:
        yield from self._same.get(text.letters, ())
        if len(text.begins) >= FEW:
            yield from self._around(text)
        for size, openings in self._openings.items():
            if openings:
                yield from self._within(text, size)

    def _around(self, text: _Text) -> Iterator[int]:
        size = _size(text)
        for number, begin in self._inside[size].get(text.letters[:size], ()):
            if self._texts[number].holds(text, begin):
                yield number

    def _within(self, text: _Text, size: int) -> Iterator[int]:
        openings = self._openings[size]
        for begin in text.begins:
            for number in openings.get(text.letters[begin : begin + size], ()):
                if text.holds(self._texts[number], begin):
                    yield number


def _size(text: _Text) -> int:
    """How many characters of a text its index entry has: every text of `FEW` words has as many."""
    return LONG if len(text.letters) >= LONG else FEW
