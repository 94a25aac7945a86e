"""The packaged table of WordNet 3.0: synonyms by sense, how often a word was seen as what, irregular forms.

Made by tools/make_wordnet_table.py, which says what its lines look like. The table stays the text it is: it is unpacked
at the first question, and a word is found by halving, so that nothing is spent on words that nobody asks for.
"""

import gzip
from bisect import bisect_left
from dataclasses import dataclass
from functools import cache
from importlib.resources import files as resources
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

TABLE = ("assets", "wordnet", "table.txt.gz")


class Entry(NamedTuple):
    """A word as one part of speech.

    Attributes:
        part: `n`, `v`, `a` or `r`: noun, verb, adjective, adverb.
        seen: How often it was seen as such in the tagged texts that come with WordNet.
        senses: The words that share each sense, as they are written; the frequent sense first.
    """

    part: str
    seen: int
    senses: tuple[tuple[str, ...], ...]


class Irregular(NamedTuple):
    """An irregular form: of which part of speech, and of which words; of none if it only looks like a regular form."""

    part: str
    bases: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """Lines of text in the order of their first field.

    Attributes:
        text: All lines, each with its end.
        ends: Where the lines end.
    """

    text: bytes
    ends: Int[np.ndarray, " lines"]

    @classmethod
    def of(cls, text: bytes) -> "Table":
        """A table out of its text."""
        return cls(text, np.flatnonzero(np.frombuffer(text, np.uint8) == ord("\n")).astype(np.int32))

    def __getitem__(self, word: str) -> list[Entry | Irregular]:
        """What is said of a word in lower case; nothing of a word that is not there."""
        key = word.encode()
        found = bisect_left(range(len(self.ends)), key, key=self._key)
        if found == len(self.ends) or self._key(found) != key:
            return []
        return [_field(field) for field in self._line(found).decode().split("\t")[1:]]

    def _key(self, line: int) -> bytes:
        return self._line(line).partition(b"\t")[0]

    def _line(self, line: int) -> bytes:
        return self.text[self.ends[line - 1] + 1 if line else 0 : self.ends[line]]


@cache
def packaged() -> Table:
    """The table that comes with the package."""
    return Table.of(gzip.decompress(resources("tinybert").joinpath(*TABLE).read_bytes()))


def _field(field: str) -> Entry | Irregular:
    part, rest = field[0], field[1:]
    if rest.startswith(">"):
        return Irregular(part, tuple(filter(None, rest[1:].split(","))))
    count, _, senses = rest.partition(":")
    return Entry(part, int(count), tuple(tuple(filter(None, sense.split(","))) for sense in senses.split(";")))
