"""Which pieces of a tokenizer belong to which word of a text."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from transformers import PreTrainedTokenizerFast

from tinybert.data.encode import truncating
from tinybert.data.words import Word, characters_of, words_of


class PieceSpan(NamedTuple):
    """Pieces from `start` to before `end`."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class TokenizedText:
    """A text as words and as pieces.

    Attributes:
        words: What `words_of` gives.
        pieces: What the tokenizer gives, with the special pieces at both ends.
        spans: The pieces of each word; None for a word that was cut off, or shares a piece with its neighbour.
    """

    words: Sequence[Word]
    pieces: Sequence[int]
    spans: Sequence[PieceSpan | None]

    def span_of(self, word: int) -> PieceSpan:
        """The pieces of a word that has its own; a `ValueError` for another."""
        span = self.spans[word]
        if span is None:
            raise ValueError(f"word {word} has no pieces of its own")
        return span

    def piece_of(self, word: int) -> int | None:
        """The only piece of a word; None where it has several, or none of its own."""
        span = self.spans[word]
        return self.pieces[span.start] if span is not None and span.end == span.start + 1 else None


def tokenize(texts: Sequence[str], tokenizer: PreTrainedTokenizerFast, max_length: int) -> list[TokenizedText]:
    """Words and pieces of some texts; each text is tokenised once.

    Args:
        texts: Single texts; of a pair, each side by itself.
        tokenizer: Its own padding and truncation are left aside, and left as they were.
        max_length: Pieces per text, special ones included; what goes beyond is cut off at the end.
    """
    with truncating(tokenizer.backend_tokenizer, max_length) as backend:
        encodings = backend.encode_batch(list(texts))
    return [_tokenized(text, encoding) for text, encoding in zip(texts, encodings, strict=True)]


def pieces_within(word: str, tokenizer: PreTrainedTokenizerFast, *, after_space: bool) -> list[int]:
    """The pieces of a word inside a text, without special ones; some tokenizers write a space into the first piece."""
    text = f" {word}" if after_space else word
    ids: list[int] = tokenizer.backend_tokenizer.encode(text, add_special_tokens=False).ids
    return ids


def _tokenized(text: str, encoding: Any) -> TokenizedText:
    words = words_of(text)
    named = zip(encoding.tokens, encoding.offsets, encoding.special_tokens_mask, strict=True)
    real = [
        (index, *span)
        for index, (piece, offsets, special) in enumerate(named)
        if not special and (span := characters_of(piece, offsets, text))
    ]
    spans: list[PieceSpan | None] = []
    position = 0
    for word in words:
        while position < len(real) and real[position][2] <= word.start:
            position += 1
        last = position
        while last < len(real) and real[last][1] < word.end:
            last += 1
        spans.append(_span(word, real[position:last]))
        position = max(position, last - 1)  # a piece that two words share is looked at again
    return TokenizedText(words, encoding.ids, spans)


def _span(word: Word, pieces: Sequence[tuple[int, int, int]]) -> PieceSpan | None:
    """The pieces that cover a word and nothing else."""
    if not pieces or pieces[0][1] != word.start or pieces[-1][2] != word.end:
        return None
    return PieceSpan(pieces[0][0], pieces[-1][0] + 1)
