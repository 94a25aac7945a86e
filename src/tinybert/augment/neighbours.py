"""Words that are near a word in meaning: of word vectors, or of a masked language model's own embeddings."""

from collections.abc import Sequence
from functools import cached_property
from typing import Protocol, final, runtime_checkable

import numpy as np
from jaxtyping import Float, Int

from tinybert.data.pieces import pieces_within
from tinybert.data.vectors import nearest_rows, unit_rows
from tinybert.models.masked_lm import MaskedLM


@runtime_checkable
class Neighbours(Protocol):
    """What can be asked for near words; `data.vectors.WordVectors` is one."""

    def nearest(self, words: Sequence[str], count: int) -> list[tuple[str, ...]]:
        """By word: up to `count` others, the same whatever words are asked for together."""


@final
class PieceNeighbours:
    """Near words without word vectors: whole-word pieces whose input embedding has the largest cosine to a word's.

    A word's vector is the mean of its pieces' embeddings. Its own pieces are not among its neighbours: they would be
    the nearest by construction, not by meaning. Nor are pieces of one or two letters, most of which are no words.
    """

    def __init__(self, mlm: MaskedLM) -> None:
        """Use the embeddings of a masked language model."""
        self._mlm = mlm
        self._known: dict[tuple[str, int], tuple[str, ...]] = {}

    def nearest(self, words: Sequence[str], count: int) -> list[tuple[str, ...]]:
        """The nearest whole-word pieces of each word."""
        for word in dict.fromkeys(words):
            if (word, count) not in self._known:
                self._known[word, count] = self._nearest(word, count)
        return [self._known[word, count] for word in words]

    def _nearest(self, word: str, count: int) -> tuple[str, ...]:
        vocabulary = self._mlm.vocabulary
        pieces = pieces_within(word, vocabulary.tokenizer, after_space=True)
        if not pieces or vocabulary.special[pieces].any():  # letters the vocabulary does not know
            return ()
        query = unit_rows(self._vectors[pieces].mean(axis=0, keepdims=True))
        own = np.flatnonzero(np.isin(self._words, pieces))
        found = nearest_rows([self._of_words], query, [own], count)[0]
        return tuple(vocabulary.text_of(int(piece)) for piece in self._words[found])

    @cached_property
    def _vectors(self) -> Float[np.ndarray, "vocabulary width"]:
        vectors: Float[np.ndarray, "vocabulary width"] = self._mlm.piece_vectors.numpy()
        return vectors

    @cached_property
    def _words(self) -> Int[np.ndarray, " words"]:
        """The ids of the pieces that are whole words."""
        vocabulary = self._mlm.vocabulary
        texts = {piece: vocabulary.text_of(piece) for piece in np.flatnonzero(vocabulary.starts_word).tolist()}
        return np.array([piece for piece, text in texts.items() if text.isalpha() and len(text) > 2], np.int64)

    @cached_property
    def _of_words(self) -> Float[np.ndarray, "words width"]:
        return unit_rows(self._vectors[self._words])
