"""Which text of an example a copy rewrites, which words of it may be rewritten, and the copy that comes of it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from tinybert.data.carried import Side, carried, protected
from tinybert.data.words import Edit, Word, is_mark, kept_apart, spaced_words_of, touches
from tinybert.types import Answer, Example

_IN_TURN: Final[tuple[Side, Side]] = ("text", "pair")


def side_of(example: Example, copy: int) -> Side:
    """The one text that a copy rewrites; the other stays as it is.

    Of pairs each side in turn, so that a row has as many copies as a single text, half of them of each side. Of a
    question with its answer the context only. An unanswerable question looks like any pair and is rewritten in turn.

    Example:
        >>> [side_of(Example("A film.", "A movie.", row=1), copy) for copy in (1, 2, 3)]
        ['text', 'pair', 'text']
    """
    if example.pair is None or example.words is not None:
        return "text"
    if isinstance(example.label, Answer):
        return "pair"
    return _IN_TURN[(example.row + copy) % 2]


def text_of(example: Example, side: Side) -> str:
    """The text of one side; empty where there is none."""
    return (example.pair if side == "pair" else example.text) or ""


def open_words(example: Example, side: Side) -> list[Word]:
    """The words that may be rewritten: none of an answer; where words have tags, those with a letter or digit."""
    if example.words is not None and side == "text":
        return _tagged_words(example.words)
    closed = protected(example, side)
    words = spaced_words_of(text_of(example, side))
    return [word for word in words if not touches(word.start, word.end, closed)]


def rewritten(example: Example, side: Side, edits: Sequence[Edit], copy: int, outside: int | None = None) -> Example:
    """The copy with as many of the edits, in their order, as its answer or tags allow; see `carried` and `kept_apart`.

    Without any edit it is the original's text again.
    """

    def made(some: Sequence[Edit]) -> Example | None:
        return carried(example, side, kept_apart(text_of(example, side), some), copy, outside)

    if not edits:
        return replace(example, copy=copy)
    if (whole := made(edits)) is not None:
        return whole
    kept: list[Edit] = []
    for edit in edits:
        if made([*kept, edit]) is not None:
            kept.append(edit)
    return rewritten(example, side, kept, copy, outside)


def _tagged_words(words: Sequence[str]) -> list[Word]:
    found, start = [], 0
    for word in words:
        if not is_mark(word):
            found.append(Word(word, start, start + len(word)))
        start += len(word) + 1
    return found
