"""What EDA needs to know of a text: which words may change, into what, and where words may come in."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from tinybert.augment.sides import open_words, text_of
from tinybert.data.carried import Side, carried
from tinybert.data.lexicon import STOP_WORDS, synonyms
from tinybert.data.words import Edit, Word, is_mark
from tinybert.types import Example

Clean = Literal["original", "paper"]


@dataclass(frozen=True, slots=True)
class Sentence:
    """What the operations need to know of a text.

    Attributes:
        text: The text.
        words: Its words that may change, in order.
        synonyms: By position in `words`: the synonyms of the word; words without any, and stop words, are missing.
        distinct: The positions that have synonyms, those of the same word together, whatever its case.
        gaps: Where a word may come in: before the word at this place, at the end where it is the number of words.
        like: By position: all positions a word may be swapped to, this one among them.
    """

    text: str
    words: Sequence[Word]
    synonyms: Mapping[int, Sequence[str]]
    distinct: Sequence[Sequence[int]]
    gaps: Sequence[int]
    like: Sequence[Sequence[int]]

    def changes(self, alpha: float) -> int:
        """How many words to change."""
        return max(1, math.floor(alpha * len(self.words)))


def sentence_of(example: Example, side: Side, clean: Clean = "original", outside: int | None = None) -> Sentence:
    """What the operations need to know of one side of an example."""
    words = open_words(example, side)
    found = {position: _synonyms_for(word.text, example, clean) for position, word in enumerate(words)}
    found = {position: others for position, others in found.items() if others}
    by_word: dict[str, list[int]] = {}
    for position in found:
        by_word.setdefault(words[position].text.lower(), []).append(position)
    gaps = [gap for gap in range(len(words) + 1) if words and _takes_a_word(example, side, words, gap, outside)]
    return Sentence(text_of(example, side), words, found, list(by_word.values()), gaps, _alike(example, side, words))


def removed(text: str, words: Sequence[Word]) -> list[Edit]:
    """Edits that take words out of a text, each with the spaces before it, or those after it where there are none.

    Example:
        >>> from tinybert.data.words import edited, spaced_words_of
        >>> text = "A fine, fine film."
        >>> edited(text, removed(text, spaced_words_of(text)[:2]))
        ', fine film.'
    """
    edits, end = [], 0
    for word in words:
        before = max(end, len(text[: word.start].rstrip()))
        after = len(text) - len(text[word.end :].lstrip())
        end = after if before == word.start else word.end
        edits.append(Edit(before, end, ""))
    return edits


def insertion(words: Sequence[Word], gap: int, text: str) -> Edit:
    """The edit that brings in a text before the word at a position, or behind the last word."""
    if gap < len(words):
        return Edit(words[gap].start, words[gap].start, f"{text} ")
    return Edit(words[-1].end, words[-1].end, f" {text}")


def cleaned(text: str) -> str:
    """A text as EDA's code has it: lower case, letters a to z and single spaces; empty where it has none.

    Example:
        >>> cleaned("Don't miss this low-tech film (2002)!")
        'dont miss this low tech film'
    """
    letters = re.sub(r"['\u2019]", "", text).lower()
    return re.sub(r"[^a-z]+", " ", letters).strip()


def _synonyms_for(word: str, example: Example, clean: Clean) -> tuple[str, ...]:
    if word.lower() in STOP_WORDS:
        return ()
    found = synonyms(word) if clean == "original" else _cleaned_synonyms(word)
    if example.words is not None:  # a tag belongs to one word
        found = tuple(synonym for synonym in found if " " not in synonym)
    return found


@lru_cache(1 << 16)
def _cleaned_synonyms(word: str) -> tuple[str, ...]:
    return tuple(synonym for synonym in dict.fromkeys(map(cleaned, synonyms(word))) if synonym and synonym != word)


def _takes_a_word(example: Example, side: Side, words: Sequence[Word], gap: int, outside: int | None) -> bool:
    """Whether tags allow a word to come in there; anything goes where there are none."""
    return example.words is None or carried(example, side, [insertion(words, gap, "x")], 1, outside) is not None


def _alike(example: Example, side: Side, words: Sequence[Word]) -> list[list[int]]:
    if example.words is None or not isinstance(example.label, tuple) or side == "pair":
        return [list(range(len(words)))] * len(words)
    tags = [tag for word, tag in zip(example.words, example.label, strict=True) if not is_mark(word)]
    return [[position for position, other in enumerate(tags) if other == tag] for tag in tags]
