"""The pieces of an example as a masked LM reads them, and which of them may be rewritten."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final, NamedTuple

from tinybert.augment.sides import text_of
from tinybert.data.carried import Side
from tinybert.data.encode import truncating
from tinybert.data.words import Edit, cased_like, characters_of, contractions, is_mark, touches
from tinybert.models.vocabulary import Vocabulary
from tinybert.types import Example

_SIDES: Final[tuple[Side, Side]] = ("text", "pair")


class Position(NamedTuple):
    """A piece of a text.

    Attributes:
        number: Which of all pieces it is.
        side: Which text it belongs to.
        start: Where its characters begin there.
        end: Where they end.
    """

    number: int
    side: Side
    start: int
    end: int


class Pieces(NamedTuple):
    """An example as a masked LM reads it.

    Attributes:
        pieces: Of the text or both texts, special ones included.
        types: The token type of each piece.
        positions: The pieces that may be rewritten, in ascending order.
    """

    pieces: tuple[int, ...]
    types: tuple[int, ...]
    positions: tuple[Position, ...]


def pieces_of(example: Example, vocabulary: Vocabulary, max_length: int) -> Pieces:
    """An example in pieces.

    A piece may be rewritten if it has characters of its own. Special pieces have none, also where they are spelt out in
    the text; nor have pieces that share a letter, such as the parts of a Korean syllable. Marks of punctuation and the
    parts of contractions stay, as in bert_glove: another mark would seldom stand there without or with these spaces.

    Args:
        example: A text or a pair.
        vocabulary: What the pieces are.
        max_length: Pieces of a text or pair, special ones included.
    """
    tokenizer: Any = vocabulary.tokenizer
    with truncating(tokenizer.backend_tokenizer, max_length) as backend:
        found = backend.encode(example.text, example.pair)
    closed = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
    sides = (None if sequence is None else _SIDES[sequence] for sequence in found.sequence_ids)
    positions = [
        Position(number, side, *span)
        for number, (side, piece, offsets) in enumerate(zip(sides, found.tokens, found.offsets, strict=True))
        if side and (span := characters_of(piece, offsets, text_of(example, side)))
    ]
    shared = {position.number for pair in pairwise(positions) if _overlap(*pair) for position in pair}
    usable = [
        position for position in positions if position.number not in shared and found.ids[position.number] not in closed
    ]
    fixed = {side: contractions(text_of(example, side)) for side in _SIDES}
    usable = [
        position for position in usable if not _stays(position, text_of(example, position.side), fixed[position.side])
    ]
    return Pieces(tuple(found.ids), tuple(found.type_ids), tuple(usable))


def edit_of(example: Example, position: Position, piece: int, vocabulary: Vocabulary) -> Edit:
    """What a text becomes where another piece comes to a position: it takes over the capitals of what was there."""
    was = text_of(example, position.side)[position.start : position.end]
    return Edit(position.start, position.end, cased_like(vocabulary.text_of(piece), was))


def _stays(position: Position, text: str, fixed: Sequence[tuple[int, int]]) -> bool:
    """Whether a piece is a mark, or a part of what is fixed."""
    return is_mark(text[position.start : position.end]) or touches(position.start, position.end, fixed)


def _overlap(position: Position, following: Position) -> bool:
    return position.side == following.side and following.start < position.end
