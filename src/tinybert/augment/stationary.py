"""L2A's stationary distribution P_s(z|x) = P(d|x) P(o|d,x) P(w|o,d,x): Feng et al. 2021, arXiv:2101.08106, Eq. 10-12.

How many pieces d are replaced, and at which positions o: `samplers.edit_distance`. The pieces w that come there: a draw
from the masked LM's softmax(logits / T). No code of the paper is public; where it leaves room:

- Eq. 12 takes the softmax of probabilities, which is all but uniform; ours is that of logits, as in ARAML's code.
- A replacement is neither what was there nor special nor a mark, and it is of its kind: a piece that begins a word, or
  one inside a word. So d is the number of pieces that differ, and words do not come apart.
- Positions are the pieces of a text as the model reads it, cut to the largest length; those of a pair count together.
  Marks of punctuation and the parts of contractions are no positions: they stay.
- What the model sees of the other positions: with `joint` all are hidden together; with `independent` each is hidden
  alone in the original, as in ARAML; with `sequential` too, but what was filled to its left has come in.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from typing import Any, Literal, NamedTuple, final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from tinybert.augment.method import AugmentContext, AugmenterFactory, MaskedLMAugmentSettings, Method, open_masked_lm
from tinybert.augment.open_pieces import Pieces, Position, edit_of, pieces_of
from tinybert.augment.sides import rewritten
from tinybert.data.carried import Side
from tinybert.data.words import Edit
from tinybert.models.masked_lm import MaskedInput, MaskedLM
from tinybert.run import Run
from tinybert.samplers.edit_distance import EditDistance, Law, log_odds
from tinybert.samplers.masked_lm import drawn
from tinybert.tasks.base import Task
from tinybert.types import Example, Sample, Stream

Fill = Literal["joint", "independent", "sequential"]
WINDOW = 1024  # copies that are filled together


@dataclass(frozen=True)
class StationaryDistribution:
    """Settings of the stationary distribution.

    Attributes:
        alpha: The larger, the more pieces are replaced; the paper tries .6 to 1.
        word_temperature: T of Eq. 12: above 1 unlikely pieces become likelier.
        law: Which reading of Eq. 11; see `samplers.edit_distance.log_odds`.
        min_edits: So many pieces are replaced at least; 0 allows exact copies.
        fill: What the masked LM sees of the other replaced positions.
        word: What T divides; `probabilities` is Eq. 12 as it is printed, and draws almost uniformly.
    """

    alpha: float = 0.6
    word_temperature: float = 1.0
    law: Law = "positions"
    min_edits: int = 0
    fill: Fill = "joint"
    word: Literal["logits", "probabilities"] = "logits"

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if not 0 < self.word_temperature < float("inf"):
            raise ValueError(f"word_temperature must be positive and finite, got {self.word_temperature}")
        self.distance(vocabulary=3)

    def distance(self, vocabulary: int) -> EditDistance:
        """The law of the number of replacements, for a vocabulary of so many pieces."""
        return EditDistance(log_odds(self.alpha, vocabulary, self.law), self.min_edits)


@dataclass(frozen=True)
class StationarySettings(StationaryDistribution, MaskedLMAugmentSettings):
    """Settings of the augmenter: those of the distribution that copies are drawn from, and those of every method."""

    method: Literal["stationary"] = field(default="stationary", kw_only=True)

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        StationaryDistribution.__post_init__(self)
        MaskedLMAugmentSettings.__post_init__(self)


class _Draft(NamedTuple):
    """A copy before it is known what comes to its positions; one number draws what comes to each."""

    example: Example
    copy: int
    original: Pieces
    positions: list[Position]
    numbers: list[float]


class _Context(NamedTuple):
    """What the model is to read: all pieces, also those that are hidden; the token types; which are hidden."""

    pieces: tuple[int, ...]
    types: tuple[int, ...]
    hidden: tuple[int, ...]


class _Ask(NamedTuple):
    """Which of a context's hidden positions is asked for, and the number that draws what comes there."""

    context: _Context
    which: int
    number: float


_Filled = list[tuple[int, float]]  # by position: what came there, and the logarithm of its probability


@final
class Stationary:
    """Draws copies from the stationary distribution; `Example.sample` says what was drawn, and how probable it is.

    Attributes:
        distance: How many pieces are replaced, and which.
    """

    def __init__(self, masked_lm: MaskedLM, settings: StationaryDistribution, max_length: int = 128) -> None:
        """Keep the model.

        Args:
            masked_lm: P(w|o,d,x).
            settings: See there.
            max_length: Pieces of a text or pair that the model reads; what goes beyond is never replaced.
        """
        self.distance = settings.distance(len(masked_lm.vocabulary.pieces))
        self._lm, self._settings = masked_lm, settings
        self._max_length = min(max_length, masked_lm.longest)

    def __call__(self, examples: Sequence[Example], copies: int, stream: Stream) -> Iterator[Example]:
        """Yield copies 1 to `copies` of each example; see `types.Augmenter`."""
        return self._finished(self._drafts(examples, copies, stream))

    def refilled(self, samples: Sequence[Example], originals: Sequence[Example], stream: Stream) -> Iterator[Example]:
        """Draw the words of some samples anew, at the positions where they are: P(w|o,d,x) of this masked LM.

        Args:
            samples: Copies that were drawn for the same largest length.
            originals: What each of them was drawn from, in the same order.
            stream: Another one than drew them before; otherwise old and new words hang together.

        Yields:
            A copy for each of the samples, with the log-probability of what stands there now.

        Raises:
            ValueError: If a copy has no sample, or one that is not of its original.
        """
        return self._finished(
            self._again(sample, original, stream) for sample, original in zip(samples, originals, strict=True)
        )

    def _drafts(self, examples: Sequence[Example], copies: int, stream: Stream) -> Iterator[_Draft]:
        for example in examples:
            original = pieces_of(example, self._lm.vocabulary, self._max_length)
            for copy in range(1, copies + 1):
                rng = stream(example.row, copy)
                positions = [
                    original.positions[position] for position in self.distance.draw(len(original.positions), rng)
                ]
                yield _Draft(example, copy, original, positions, rng.random(len(positions)).tolist())

    def _again(self, made: Example, example: Example, stream: Stream) -> _Draft:
        if made.sample is None:
            raise ValueError(f"copy {made.copy} of row {made.row} was not drawn from this distribution")
        original = pieces_of(example, self._lm.vocabulary, self._max_length)
        positions = [position for position in original.positions if position.number in made.sample.positions]
        if (len(positions), len(original.positions)) != (len(made.sample.positions), made.sample.open):
            raise ValueError(f"copy {made.copy} of row {made.row} was drawn from another text than row {example.row}")
        return _Draft(
            example, made.copy, original, positions, stream(made.row, made.copy).random(len(positions)).tolist()
        )

    def _finished(self, drafts: Iterator[_Draft]) -> Iterator[Example]:
        while window := list(islice(drafts, WINDOW)):
            for draft, filled in zip(window, self._filled(window), strict=True):
                yield self._sample(draft, filled)

    def _filled(self, drafts: Sequence[_Draft]) -> list[_Filled]:
        """What comes to the positions of all drafts; all that can be known at once goes through the model together."""
        found: list[_Filled] = [[] for _ in drafts]
        pairs = list(zip(drafts, found, strict=True))
        while asked := [(filled, ask) for draft, filled in pairs for ask in self._next(draft, filled)]:
            for (filled, _), answer in zip(asked, self._answers([ask for _, ask in asked]), strict=True):
                filled.append(answer)
        return found

    def _next(self, draft: _Draft, filled: _Filled) -> list[_Ask]:
        """Which positions of a draft can be filled now: all of them, or the next."""
        turn = len(filled)
        if turn == len(draft.positions):
            return []
        positions, (pieces, types, _) = tuple(position.number for position in draft.positions), draft.original
        match self._settings.fill:
            case "joint":
                together = _Context(pieces, types, positions)
                return [_Ask(together, which, number) for which, number in enumerate(draft.numbers)]
            case "independent":
                alone = [_Context(pieces, types, (position,)) for position in positions]
                return [_Ask(context, 0, number) for context, number in zip(alone, draft.numbers, strict=True)]
            case "sequential":
                so_far = _Context(_with(draft, filled), types, positions[turn : turn + 1])
                return [_Ask(so_far, 0, draft.numbers[turn])]

    def _answers(self, asks: Sequence[_Ask]) -> _Filled:
        """A draw for each ask; a context that several share goes through the model once."""
        first: dict[_Context, int] = {}  # of its hidden positions among those of all contexts
        numbers: list[list[float]] = []
        slots = []
        for ask in asks:
            if ask.context not in first:
                first[ask.context] = len(numbers)
                numbers += [[] for _ in ask.context.hidden]
            position = first[ask.context] + ask.which
            slots.append((position, len(numbers[position])))
            numbers[position].append(ask.number)
        pieces, log_probabilities = self._draw(list(first), numbers)
        return [(int(pieces[slot]), float(log_probabilities[slot])) for slot in slots]

    def _draw(self, contexts: Sequence[_Context], numbers: Sequence[Sequence[float]]) -> tuple[Tensor, ...]:
        """For each hidden position as many draws as it has numbers, behind them some that nobody asked for."""
        uniform = torch.zeros(len(numbers), max(map(len, numbers)), dtype=torch.float64)
        for position, some in enumerate(numbers):
            uniform[position, : len(some)] = torch.tensor(some, dtype=torch.float64)
        was = torch.tensor([context.pieces[position] for context in contexts for position in context.hidden])

        def draw(logits: Float[Tensor, "position vocabulary"], which: Int[Tensor, " position"]) -> tuple[Tensor, ...]:
            hidden, wanted = (known.to(which.device)[which] for known in (was, uniform))
            allowed = self._lm.alike(hidden).scatter(1, hidden[:, None], False)
            scores = logits if self._settings.word == "logits" else logits.double().softmax(dim=1)
            return drawn(scores, allowed, wanted, self._settings.word_temperature)

        return self._lm.fill([self._row(context) for context in contexts], draw)

    def _row(self, context: _Context) -> MaskedInput:
        pieces = list(context.pieces)
        for position in context.hidden:
            pieces[position] = self._lm.vocabulary.mask
        return MaskedInput(pieces, context.hidden, context.types)

    def _sample(self, draft: _Draft, filled: _Filled) -> Example:
        """The copy as a text, and as what was drawn."""
        edits: dict[Side, list[Edit]] = {"text": [], "pair": []}
        for position, (piece, _) in zip(draft.positions, filled, strict=True):
            edits[position.side].append(edit_of(draft.example, position, piece, self._lm.vocabulary))
        made = draft.example
        for side, of_side in edits.items():
            made = rewritten(made, side, of_side, draft.copy)
        open_positions = len(draft.original.positions)
        log_p = self.distance.log_probability(len(filled), open_positions) + sum(log for _, log in filled)
        positions = tuple(position.number for position in draft.positions)
        return replace(
            made, sample=Sample(_with(draft, filled), draft.original.types, positions, open_positions, log_p)
        )


def _with(draft: _Draft, filled: _Filled) -> tuple[int, ...]:
    """The pieces of a draft, so far as they are filled."""
    pieces = list(draft.original.pieces)
    for position, (piece, _) in zip(draft.positions, filled, strict=False):
        pieces[position.number] = piece
    return tuple(pieces)


def _factory(context: AugmentContext[StationarySettings], mlm: str, run: Run) -> AugmenterFactory:
    return AugmenterFactory(partial(_make, context.settings, mlm, run.device.type, context.max_length))


def _make(settings: StationarySettings, mlm: str, device: str, max_length: int) -> Stationary:
    return Stationary(open_masked_lm(mlm, device), settings, max_length)


def _inputs(context: AugmentContext[StationarySettings]) -> dict[str, Any]:
    return {"data.max_length": context.max_length}


def _refuses(task: Task) -> Iterator[str]:
    if not task.one_label:
        yield (
            f"is for texts with one class or score each, not for {task.kind}; take bert_glove, and instead of the "
            "recipe l2a augmented_kd"
        )


METHOD = Method(
    summary="a number of pieces, drawn near the text, is filled by a masked LM (L2A)",
    citation="Feng et al. 2021, arXiv:2101.08106",
    settings=StationarySettings,
    factory=_factory,
    inputs=_inputs,
    uses=frozenset({"mlm"}),
    refuses=_refuses,
)
