"""CBERT: conditional BERT contextual augmentation (Wu et al. 2019, arXiv:1812.06705), its generation.

A masked LM that has learnt to read a text's class in its token types fills some random pieces anew. Where this differs
from the authors' code: special pieces, marks and the parts of contractions are never hidden; a piece that begins a word
becomes another that does, one inside a word another inside, so that words stay where they were; of a pair one side is
rewritten, while the model reads both.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Literal, NamedTuple, final

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from tinybert.augment.method import (
    AugmentContext,
    AugmenterFactory,
    ConditionalTraining,
    MaskedLMAugmentSettings,
    Method,
    open_masked_lm,
)
from tinybert.augment.open_pieces import Pieces, Position, edit_of, pieces_of
from tinybert.augment.sides import rewritten, side_of
from tinybert.data.carried import Side
from tinybert.models.masked_lm import MaskedInput, MaskedLM
from tinybert.run import Run
from tinybert.samplers.masked_lm import drawn
from tinybert.tasks.base import Task
from tinybert.types import Example, Stream

BINS = 5  # of a score's quantiles, which stand for classes (methods: 3.6)
WINDOW = 1024  # copies whose positions are filled together


@dataclass(frozen=True)
class CbertSettings(MaskedLMAugmentSettings):
    """How a conditional masked LM rewrites; the defaults are those of the authors' code.

    Attributes:
        one_in: One piece in so many is masked in a copy, special ones counted; at least one. Drawn with replacement.
        temperature: Of the distribution that a masked piece is drawn from.
    """

    method: Literal["cbert"] = field(default="cbert", kw_only=True)
    one_in: int = 7
    temperature: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        super().__post_init__()
        if self.one_in < 1:
            raise ValueError(f"one_in must be at least 1, got {self.one_in}")
        if not 0 < self.temperature < float("inf"):
            raise ValueError(f"temperature must be positive and finite, got {self.temperature}")


class _Draft(NamedTuple):
    """A copy before its hidden positions are filled."""

    example: Example
    copy: int
    side: Side
    was: list[int]
    positions: list[Position]
    row: MaskedInput
    uniform: Float[np.ndarray, " position"]


@final
class Cbert:
    """Fills hidden pieces by a masked LM that knows the class."""

    def __init__(
        self,
        masked_lm: MaskedLM,
        class_of: Callable[[Example], int],
        settings: CbertSettings | None = None,
        max_length: int = 64,
    ) -> None:
        """Keep the model.

        Args:
            masked_lm: Trained to read a class as the token type of all pieces.
            class_of: The class of an example, as the model was trained with it.
            settings: How many pieces are masked, and how they are drawn.
            max_length: Pieces per text or pair.
        """
        self._lm, self._class_of, self._settings = masked_lm, class_of, settings or CbertSettings()
        self._max_length = max_length

    def __call__(self, examples: Sequence[Example], copies: int, stream: Stream) -> Iterator[Example]:
        """Yield copies 1 to `copies` of each example; see `types.Augmenter`."""
        drafts = self._drafts(examples, copies, stream)
        while window := list(islice(drafts, WINDOW)):
            yield from self._filled(window)

    def _drafts(self, examples: Sequence[Example], copies: int, stream: Stream) -> Iterator[_Draft]:
        for example in examples:
            original = pieces_of(example, self._lm.vocabulary, self._max_length)
            for copy in range(1, copies + 1):
                yield self._draft(example, original, copy, stream(example.row, copy))

    def _draft(self, example: Example, original: Pieces, copy: int, rng: np.random.Generator) -> _Draft:
        """Hide some positions of one side."""
        side = side_of(example, copy)
        usable = [position for position in original.positions if position.side == side]
        count = max(len(original.pieces) // self._settings.one_in, 1)
        # With replacement, as in the code: a position drawn twice is hidden once.
        chosen = sorted(set(rng.integers(len(usable), size=count).tolist())) if usable else []
        positions = [usable[number] for number in chosen]
        pieces, was = list(original.pieces), [original.pieces[position.number] for position in positions]
        for position in positions:
            pieces[position.number] = self._lm.vocabulary.mask
        types = [self._class_of(example)] * len(pieces)
        row = MaskedInput(pieces, [position.number for position in positions], types)
        return _Draft(example, copy, side, was, positions, row, rng.random(len(positions)))

    def _filled(self, drafts: Sequence[_Draft]) -> Iterator[Example]:
        """The copies of some drafts, their positions filled together."""
        hidden = [draft for draft in drafts if draft.positions]
        found = iter(self._fill(hidden).tolist() if hidden else [])
        for draft in drafts:
            edits = [edit_of(draft.example, position, next(found), self._lm.vocabulary) for position in draft.positions]
            yield rewritten(draft.example, draft.side, edits, draft.copy)

    def _fill(self, drafts: Sequence[_Draft]) -> Int[Tensor, " position"]:
        """A piece for each hidden position, of the kind that was there."""
        uniform = torch.from_numpy(np.concatenate([draft.uniform for draft in drafts]))
        hidden = torch.tensor([piece for draft in drafts for piece in draft.was])

        def draw(logits: Float[Tensor, "position vocabulary"], which: Int[Tensor, " position"]) -> tuple[Tensor, ...]:
            was, numbers = (known.to(which.device)[which] for known in (hidden, uniform))
            return drawn(logits, self._lm.alike(was), numbers, self._settings.temperature)

        return self._lm.fill([draft.row for draft in drafts], draw)[0]


def _factory(context: AugmentContext[CbertSettings], mlm: str, run: Run) -> AugmenterFactory:
    how = context.settings, mlm, _edges_of(context), run.device.type, context.conditional.max_length
    return AugmenterFactory(partial(_make, *how))


def _make(
    settings: CbertSettings, mlm: str, edges: Float[np.ndarray, " edge"] | None, device: str, max_length: int
) -> Cbert:
    return Cbert(open_masked_lm(mlm, device), partial(_class_of, edges), settings, max_length)


def _conditional(context: AugmentContext[CbertSettings]) -> ConditionalTraining:
    edges, labels = _edges_of(context), context.originals.labels
    assert labels is not None  # see `_refuses`
    classes = labels if edges is None else np.searchsorted(edges, labels, side="right")
    return ConditionalTraining(classes, context.conditional)


def _edges_of(context: AugmentContext[CbertSettings]) -> Float[np.ndarray, " edge"] | None:
    """Of scores, where one quantile ends and the next begins; fewer where many are equal. Classes have none."""
    labels = context.originals.labels
    if labels is None or labels.dtype.kind != "f":
        return None
    edges: Float[np.ndarray, " edge"] = np.unique(np.quantile(labels, np.arange(1, BINS) / BINS))
    return edges


def _class_of(edges: Float[np.ndarray, " edge"] | None, example: Example) -> int:
    assert isinstance(example.label, int | float)
    return int(example.label if edges is None else np.searchsorted(edges, example.label, side="right"))


def _refuses(task: Task) -> Iterator[str]:
    if not task.one_label:
        yield f"needs one class or score for each text; {task.kind} has none"


METHOD = Method(
    summary="a masked LM that knows the class fills hidden pieces",
    citation="Wu et al. 2019, arXiv:1812.06705",
    settings=CbertSettings,
    factory=_factory,
    uses=frozenset({"mlm"}),
    conditional=_conditional,
    refuses=_refuses,
)
