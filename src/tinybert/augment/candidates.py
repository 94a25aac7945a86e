"""What a masked language model would put in positions of texts: its K best whole words, cached by context."""

from collections.abc import Iterable
from typing import NamedTuple, final

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from tinybert.models.masked_lm import MaskedInput, MaskedLM
from tinybert.samplers.masked_lm import NONE, top_candidates


class Context(NamedTuple):
    """A text with hidden positions.

    Attributes:
        pieces: All pieces as they are, also the hidden ones.
        hidden: The positions that the model reads as masks, in ascending order.
    """

    pieces: tuple[int, ...]
    hidden: tuple[int, ...]


@final
class Candidates:
    """The K best pieces for hidden positions; contexts that were seen before cost nothing.

    A candidate is of the hidden piece's kind: it begins a word or continues one, is a word or a mark, as that does.
    Special and reserved pieces are none, nor those without text.
    """

    def __init__(self, mlm: MaskedLM, count: int, *, keep_original: bool, marks_are_words: bool = False) -> None:
        """Ask a model.

        Args:
            mlm: The model.
            count: K.
            keep_original: Whether the hidden piece may be among its own candidates.
            marks_are_words: Whether marks may be candidates for words, and words for marks.
        """
        self._mlm, self._count = mlm, count
        self._keep_original, self._marks_are_words = keep_original, marks_are_words
        self._known: dict[Context, Int[np.ndarray, "hidden candidate"]] = {}

    def learn(self, contexts: Iterable[Context]) -> None:
        """Find the candidates in all contexts that are new; together, because that is fast."""
        new = [context for context in dict.fromkeys(contexts) if context not in self._known]
        if not new:
            return
        hidden = torch.tensor([context.pieces[position] for context in new for position in context.hidden])
        mask = self._mlm.vocabulary.mask

        def best(logits: Float[Tensor, "position vocabulary"], which: Int[Tensor, " position"]) -> tuple[Tensor, ...]:
            was = hidden.to(which.device)[which]
            allowed = self._mlm.alike(was, marks_are_words=self._marks_are_words)
            if not self._keep_original:
                allowed = allowed.scatter(1, was[:, None], False)
            return (top_candidates(logits, allowed, self._count),)

        (found,) = self._mlm.fill([MaskedInput(_masked(context, mask), context.hidden) for context in new], best)
        ends = np.cumsum([len(context.hidden) for context in new])
        self._known |= zip(new, np.split(found.numpy(), ends[:-1]), strict=True)

    def of(self, context: Context, position: int) -> list[int]:
        """The candidates for a hidden position of a context that was learnt, in ascending order; at most K."""
        found = self._known[context][context.hidden.index(position)].tolist()
        return [piece for piece in found if piece != NONE]


def _masked(context: Context, mask: int) -> list[int]:
    pieces = list(context.pieces)
    for position in context.hidden:
        pieces[position] = mask
    return pieces
