"""Words of a text with their positions, and rewriting that touches nothing but the words it names.

A word is what BERT's pre-tokeniser gives: letters and digits between spaces, each mark of punctuation by itself; where
text is rewritten, each Chinese character too.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from tinybert.types import Answer
from tinybert.types.words import word_splitter

_ABBREVIATION = re.compile(r"(?:[^\W\d]\.)+[^\W\d]|mrs?|ms|dr|st|[js]r|vs|inc|corp|co|ltd", re.IGNORECASE)
_CLITIC = re.compile(r"['\u2019](?:s|d|m|re|ve|ll)\b", re.IGNORECASE)
# Corpora split into words write "do n't" and "it 's".
_CONTRACTION = re.compile(rf"\b\w+(?: ?n| )?['\u2019]t\b|{_CLITIC.pattern}", re.IGNORECASE)
_SPACE = "▁"  # how SentencePiece writes the space before a word


class Word(NamedTuple):
    """A word and the characters it stands at: from `start` to before `end`."""

    text: str
    start: int
    end: int


class Edit(NamedTuple):
    """Characters from `start` to before `end` become `text`; an insertion where the two are equal."""

    start: int
    end: int
    text: str


def words_of(text: str, *, ideographs: bool = True) -> list[Word]:
    """The words of a text; `ideographs`: each Chinese character is one, else a whole run of them.

    Example:
        >>> words_of("A fine film.")[2:]
        [Word(text='film', start=7, end=11), Word(text='.', start=11, end=12)]
        >>> [word.text for word in words_of("看film")]
        ['看', 'film']
    """
    return [
        Word(word, start, end) for word, (start, end) in word_splitter(ideographs=ideographs).pre_tokenize_str(text)
    ]


def spaced_words_of(text: str) -> list[Word]:
    """What stands between spaces, without the punctuation around it: "don't" and "low-tech" are one word each.

    Where a contraction stands apart ("it 's"), its mark belongs to it, and so does the dot of an abbreviation ("U.S.").

    Example:
        >>> [word.text for word in spaced_words_of("(Low-tech, he wrote ...) don't go!")]
        ['Low-tech', 'he', 'wrote', "don't", 'go']
    """
    found = []
    for match in re.finditer(r"\S+", text):
        start, end = match.span()
        while start < end and _is_punctuation(text[start]):
            start += 1
        while start < end and _is_punctuation(text[end - 1]):
            end -= 1
        if match.start() < start < end and _CLITIC.match(text, start - 1, end):
            start -= 1
        if text[end : match.end()].startswith(".") and _ABBREVIATION.fullmatch(text, start, end):
            end += 1
        if start < end:
            found.append(Word(text[start:end], start, end))
    return found


def characters_of(piece: str, offsets: tuple[int, int], text: str) -> tuple[int, int] | None:
    """Which characters of a text a piece stands for, without the space before them; None where there are none.

    Tokenizers in SentencePiece's form count that space to the piece, and where it is a piece of its own, some give it
    the first letter of the word.

    Example:
        >>> characters_of("▁film", (4, 9), "good film"), characters_of("▁", (0, 1), "film")
        ((5, 9), None)
    """
    start, end = offsets
    start += len(text[start:end]) - len(text[start:end].lstrip())
    return None if piece == _SPACE or start >= end else (start, end)


def edited(text: str, edits: Iterable[Edit]) -> str:
    """A text with some characters exchanged and all others as they were.

    Args:
        text: The original.
        edits: In any order; none may overlap another.

    Raises:
        ValueError: If two edits overlap.

    Example:
        >>> edited("A fine film.", [Edit(2, 6, "good")])
        'A good film.'
    """
    parts, end = [], 0
    for edit in sorted(edits):
        if edit.start < end:
            raise ValueError(f"edits overlap at character {edit.start}")
        parts += [text[end : edit.start], edit.text]
        end = edit.end
    return "".join([*parts, text[end:]])


def kept_apart(text: str, edits: Sequence[Edit]) -> list[Edit]:
    """Edits with a space wherever words would grow together, as where one replaces a mark that stood close to another.

    Nothing comes between the parts of what is one word in the original.

    Args:
        text: The original.
        edits: None may overlap another.

    Returns:
        The edits in the order given.

    Example:
        >>> text = "It's a fine pan."
        >>> edited(text, kept_apart(text, [Edit(2, 3, "not"), Edit(15, 16, "at")]))
        'It not s a fine pan at'
    """
    spaced = dict[Edit, Edit]()
    behind = Edit(len(text) + 1, len(text) + 1, "")
    end, last = 0, ""
    for edit, following in pairwise([*sorted(edits), behind]):
        before = last if last and edit.start == end else text[edit.start - 1 : edit.start]
        after = "" if following.start == edit.end else text[edit.end : edit.end + 1]
        left = " " if _join(before, edit.text[:1]) and not _within_word(text, edit.start) else ""
        right = " " if _join(edit.text[-1:], after) and not _within_word(text, edit.end) else ""
        spaced[edit] = Edit(edit.start, edit.end, f"{left}{edit.text}{right}")
        end, last = edit.end, spaced[edit].text[-1:]
    return [spaced[edit] for edit in edits]


def moved(span: Answer, edits: Sequence[Edit]) -> Answer | None:
    """Where a span of the original stands after the edits; None where an edit goes over its border.

    Edits inside the span change its length; an insertion at its border stays outside.

    Example:
        >>> moved(Answer(7, 11), [Edit(2, 6, "splendid")])
        Answer(start=11, end=15)
    """
    shift, grown = 0, 0
    for start, end, text in edits:
        if end <= span.start:
            shift += len(text) - (end - start)
        elif span.start <= start and end <= span.end and (start, end) != (span.end, span.end):
            grown += len(text) - (end - start)
        elif start < span.end:
            return None
    start, end = span.start + shift, span.end + shift + grown
    return Answer(start, end) if end > start else None


def contractions(text: str) -> list[tuple[int, int]]:
    """Where English contractions stand: the clitic with its apostrophe, and what comes before "n't".

    Example:
        >>> text = "It's a film I can't sit through."
        >>> [text[start:end] for start, end in contractions(text)]
        ["'s", "can't"]
    """
    return [match.span() for match in _CONTRACTION.finditer(text)]


def touches(start: int, end: int, spans: Iterable[tuple[int, int]]) -> bool:
    """Whether characters from `start` to before `end` are in any of some spans."""
    return any(first < end and start < last for first, last in spans)


def is_mark(word: str) -> bool:
    """Whether a word has neither a letter nor a digit."""
    return not any(letter.isalnum() for letter in word)


def cased_like(word: str, original: str) -> str:
    """A word with the capitals of the one it replaces.

    Example:
        >>> cased_like("good", "Fine"), cased_like("good", "FINE"), cased_like("Paris", "fine")
        ('Good', 'GOOD', 'Paris')
    """
    if len(original) > 1 and original.isupper():
        return word.upper()
    if original[:1].isupper():
        return word[:1].upper() + word[1:]
    return word


def _is_punctuation(letter: str) -> bool:
    return unicodedata.category(letter)[0] in "PS"


@lru_cache(1 << 12)
def _join(one: str, other: str) -> bool:
    """Whether two letters beside each other are of one word."""
    return bool(one and other) and words_of(one + other) == [Word(one + other, 0, 2)]


def _within_word(text: str, index: int) -> bool:
    return _join(text[index - 1 : index], text[index : index + 1])
