"""Examples as people write them: texts with labels, before they are encoded."""

from dataclasses import dataclass
from typing import Literal, NamedTuple


class Answer(NamedTuple):
    """Where in the context (`Example.pair`) an answer stands: characters from `start` to before `end`."""

    start: int
    end: int


# Class index | score | tag per word | 0 or 1 per label, of which several may hold | answer (None where the context has
# none) | None = unlabelled. A tuple is tags where the example has words.
Label = int | float | Answer | tuple[int, ...] | None
Kind = Literal["classification", "regression", "multi-label", "token-classification", "question-answering"]


@dataclass(frozen=True, slots=True)
class Sample:
    """How a copy was drawn from a distribution over texts near its original (L2A's P_s).

    Attributes:
        pieces: The copy as it was drawn, special pieces included; reading its text may give other pieces.
        types: The token type of each piece.
        positions: Which of the pieces were replaced, in ascending order; their number is the distance d.
        open: How many pieces could have been replaced (m).
        log_probability: Logarithm of P_s.
    """

    pieces: tuple[int, ...]
    types: tuple[int, ...]
    positions: tuple[int, ...]
    open: int
    log_probability: float


@dataclass(frozen=True, slots=True)
class Example:
    """One training example: a text or a pair of texts, with its label where it has one.

    Attributes:
        text: The only text, the first of a pair, or the question.
        pair: The second text, or the context of a question; None where there is one text.
        label: See `Label`.
        row: Which row of its file it comes from, counted from 1; 0 = not from a file.
        copy: Which augmented copy of that row it is, counted from 1; 0 = the original itself.
        words: The words that tags belong to; `text` is these, joined by spaces. None where words have no tags.
        sample: How this copy was drawn; None unless it comes from a distribution that says so.
    """

    text: str
    pair: str | None = None
    label: Label = None
    row: int = 0
    copy: int = 0
    words: tuple[str, ...] | None = None
    sample: Sample | None = None
