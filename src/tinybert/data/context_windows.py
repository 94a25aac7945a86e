"""Contexts of questions as windows of pieces; where an answer begins and ends in them."""

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

from tinybert.data.windows import NO_WINDOWS, Windows
from tinybert.data.words import characters_of
from tinybert.types import Answer


class ContextWindow(NamedTuple):
    """A question and a part of its context, as a network reads them.

    An answer begins at a piece of the context, ends at one, or is not there at all: of that the first piece speaks,
    BERT's [CLS] (Devlin et al. 2019, section 4.3). These are the *positions*, counted through all windows of a context.

    Attributes:
        pieces: The whole question, a part of the context, and the special ones.
        types: The token type of each.
        words: For each piece which position it is; -1 = none.
        begins: For each piece of the context from which character of it the piece stands; -1 elsewhere.
        ends: Likewise to before which.
        tags: For each position 1 where the answer begins, 2 where it ends, 3 where it does both, else 0; -1 elsewhere.
            A window that does not hold the whole answer has none.
    """

    pieces: list[int]
    types: list[int]
    words: list[int]
    begins: list[int]
    ends: list[int]
    tags: list[int]


def context_windows(
    sides: Sequence[tuple[str, str]],
    answers: Sequence[Answer | None],
    backend: Any,
    max_length: int,
    windows: Windows = NO_WINDOWS,
) -> Iterator[list[ContextWindow]]:
    """The windows of some questions and their contexts; the question is whole in each of them.

    Args:
        sides: Questions and contexts.
        answers: Where each is answered.
        backend: A tokenizer of the library tokenizers; truncation and padding are the caller's to put back.
        max_length: Pieces of a window, special ones included.
        windows: How many pieces of the context they share.

    Raises:
        ValueError: If a question leaves no piece for its context.
    """
    backend.no_truncation()
    backend.no_padding()
    for encoding, (_, context), answer in zip(backend.encode_batch(list(sides)), sides, answers, strict=True):
        yield _context_windows(encoding, context, answer, max_length, windows)


def _context_windows(
    encoding: Any, context: str, answer: Answer | None, max_length: int, windows: Windows
) -> list[ContextWindow]:
    ids, types, sides = encoding.ids, encoding.type_ids, encoding.sequence_ids  # each is made anew when it is asked for
    inside = [piece for piece, side in enumerate(sides) if side == 1]
    first, stop = (inside[0], inside[-1] + 1) if inside else (len(ids), len(ids))
    others = len(ids) - (stop - first)
    if (room := max_length - others) < 1:
        raise ValueError(f"{others} pieces of {max_length} are the question's and special ones")
    read = zip(encoding.tokens, encoding.offsets, sides, strict=True)
    spans = [(side == 1 and characters_of(piece, offsets, context)) or (-1, -1) for piece, offsets, side in read]
    tags = [0, *(min(begin, 0) for begin, _ in spans[1:])]
    answering = answer and [p for p in inside if answer.start < spans[p][1] and spans[p][0] < answer.end]
    found, known, shared = [], 0, windows.shared(room)
    for start in range(first, max(stop - shared, first + 1), room - shared):
        shown = range(start, min(start + room, stop))
        marks, begun = _cut(tags, first, shown, stop), first - start
        if answering and answering[0] in shown and answering[-1] in shown:
            marks[begun + answering[0]] |= 1
            marks[begun + answering[-1]] |= 2
        elif answering or answering is None:  # an answer without a piece is nowhere, and still there
            marks[0] = 3
        numbers = accumulate((mark >= 0 for mark in marks), initial=known)
        words = [number if mark >= 0 else -1 for number, mark in zip(numbers, marks, strict=False)]
        known = max(words) + 1
        begins, ends = zip(*_cut(spans, first, shown, stop), strict=True)
        pieces, kinds = (_cut(values, first, shown, stop) for values in (ids, types))
        found.append(ContextWindow(pieces, kinds, words, [*begins], [*ends], marks))
    return found


def _cut(values: Sequence[Any], first: int, shown: range, stop: int) -> list[Any]:
    """What belongs to the pieces of a window: all before and behind the context, and a part of the context."""
    return [*values[:first], *values[shown.start : shown.stop], *values[stop:]]
