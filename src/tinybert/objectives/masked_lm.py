"""Predicting hidden pieces: the masked language model of BERT (Devlin et al. 2019, arXiv:1810.04805, section 3.1).

Of the pieces of an example 15 % are to be predicted; of these 80 % are masked, 10 % become another piece, 10 % stay.
With labels as token types this is the conditional masked LM of CBERT (Wu et al. 2019, arXiv:1812.06705).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import final

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from tinybert.objectives.numerics import at_least_float32
from tinybert.types import MASKED_LOGITS, Batch, Objective, Trace

MASKED, REPLACED = 0.8, 0.1  # of the pieces to be predicted; the rest stays as it is


@dataclass(frozen=True)
class Hiding:
    """Which pieces are to be predicted.

    Attributes:
        share: Of an example's pieces, special ones not counted; at least one piece, however short the example.
        at_most: Pieces per example; None = no limit.
        whole_words: All pieces of a word or none.
        from_the_same_text: What replaces a piece is another piece of the same example, not any of the vocabulary.
    """

    share: float = 0.15
    at_most: int | None = None
    whole_words: bool = False
    from_the_same_text: bool = False

    def __post_init__(self) -> None:
        """Refuse what would hide nothing."""
        if not 0 < self.share <= 1:
            raise ValueError(f"share is a part of the pieces, above 0 and at most 1, got {self.share}")
        if self.at_most is not None and self.at_most < 1:
            raise ValueError(f"at_most must be at least 1, got {self.at_most}")


def places_to_fill(
    usable: Bool[Tensor, "batch seq"], starts: Bool[Tensor, "batch seq"], hiding: Hiding
) -> Bool[Tensor, "batch seq"]:
    """Draw which places of each example are to be predicted.

    Units (pieces, or whole words) are taken in random order until the share is reached, so that every example has
    `round(share * usable)` places; with whole words the last word may bring a few more.

    Args:
        usable: True where a piece may be hidden: neither padding nor special.
        starts: True where a piece begins a word.
        hiding: How many, and whether in whole words.

    Returns:
        True at the places drawn; none in an example without a usable piece.
    """
    noise = torch.rand(usable.shape, device=usable.device)
    place = torch.arange(usable.shape[1], device=usable.device).expand_as(usable)
    # The first place of the unit that each place belongs to.
    owner = torch.where(starts | ~usable, place, 0).cummax(dim=1).values if hiding.whole_words else place
    by_unit = noise.gather(1, owner).masked_fill(~usable, 2.0)  # what may not be hidden comes last
    rank = by_unit.argsort(dim=1, stable=True).argsort(dim=1)
    wanted = (hiding.share * usable.sum(dim=1)).round().clamp(min=1, max=hiding.at_most)
    return (rank.gather(1, owner) < wanted[:, None]) & usable


def masked_cross_entropy(
    logits: Float[Tensor, "place vocabulary"], targets: Int[Tensor, "batch seq"]
) -> Float[Tensor, " batch"]:
    """Mean negative log-likelihood of the hidden pieces of each example.

    Args:
        logits: Scores at the places to fill, in the order of the examples and their places.
        targets: The hidden piece at each place to fill; -1 elsewhere.

    Returns:
        One value per example in nats; 0 for an example without such a place.

    Raises:
        ValueError: If there is not one row of logits per place.

    Example:
        >>> masked_cross_entropy(torch.zeros(2, 8), torch.tensor([[-1, 3, 7], [-1, -1, -1]])).exp()
        tensor([8., 1.])
    """
    return negative_log_likelihood(logits, targets) / (targets >= 0).sum(dim=1).clamp(min=1)


def negative_log_likelihood(
    logits: Float[Tensor, "place vocabulary"], targets: Int[Tensor, "batch seq"]
) -> Float[Tensor, " batch"]:
    """Of all hidden pieces of each example together, in nats; arguments and errors as of `masked_cross_entropy`."""
    places = targets >= 0
    if len(logits) != (count := int(places.sum())):
        raise ValueError(f"{len(logits)} rows of logits for {count} places to fill")
    losses = F.cross_entropy(at_least_float32(logits), targets[places], reduction="none")
    return losses.new_zeros(len(targets)).index_add(0, places.nonzero()[:, 0], losses)


@final
class MaskedCrossEntropy(Objective):
    """Term `masked_lm`: hidden pieces are predicted; what is hidden is drawn anew each time an example is read."""

    special: Bool[Tensor, " vocabulary"]
    starts: Bool[Tensor, " vocabulary"]
    ordinary: Int[Tensor, " ordinary"]

    def __init__(
        self,
        mask: int,
        special: Bool[Tensor, " vocabulary"],
        starts: Bool[Tensor, " vocabulary"],
        hiding: Hiding,
        *,
        labels_as_types: bool = False,
    ) -> None:
        """Keep what the pieces are.

        Args:
            mask: The id of the mask.
            special: True for pieces that are never hidden and never replace another.
            starts: True for pieces that begin a word.
            hiding: Which pieces are hidden.
            labels_as_types: The network reads each example's class as the token type of all its pieces (CBERT).
        """
        super().__init__()
        self.needs_student, self.needs_teacher = frozenset({MASKED_LOGITS}), frozenset()
        self.mask, self.hiding, self.labels_as_types = mask, hiding, labels_as_types
        known = {"special": special, "starts": starts, "ordinary": (~special).nonzero()[:, 0]}
        for name, tensor in known.items():
            self.register_buffer(name, tensor, persistent=False)

    def reads(self, batch: Batch) -> Batch:
        """The batch with some pieces hidden; all draws are from torch's own stream."""
        usable = batch.real & ~self.special[batch.input_ids]
        places = places_to_fill(usable, self.starts[batch.input_ids], self.hiding)
        drawn = torch.rand(places.shape, device=places.device)
        masked = places & (drawn < MASKED)
        replaced = places & (drawn >= MASKED) & (drawn < MASKED + REPLACED)
        shown = torch.where(replaced, self._others(batch.input_ids, usable), batch.input_ids)
        return replace(
            batch,
            input_ids=shown.masked_fill(masked, self.mask),
            token_type_ids=self._types(batch),
            targets=batch.input_ids.masked_fill(~places, -1),
        )

    def terms(self, student: Trace, teacher: Trace, batch: Batch) -> dict[str, Float[Tensor, " batch"]]:  # noqa: ARG002
        """The mean cross-entropy of each example's hidden pieces."""
        return {"masked_lm": masked_cross_entropy(student.needed_masked_logits(), batch.needed_targets())}

    def _others(self, ids: Int[Tensor, "batch seq"], usable: Bool[Tensor, "batch seq"]) -> Int[Tensor, "batch seq"]:
        """A random piece for each place."""
        if not self.hiding.from_the_same_text:
            return self.ordinary[torch.randint(len(self.ordinary), ids.shape, device=ids.device)]
        some = usable.float() + (~usable.any(dim=1, keepdim=True)).float()  # multinomial needs a row with some weight
        return ids.gather(1, torch.multinomial(some, ids.shape[1], replacement=True))

    def _types(self, batch: Batch) -> Int[Tensor, "batch seq"]:
        if not self.labels_as_types:
            return batch.token_type_ids
        if batch.labels is None:
            raise ValueError("labels as token types need labelled examples")
        return batch.labels.long()[:, None] * batch.real


@final
class DrawnPlaces(Objective):
    """Term `generator`: at the places where a sample was drawn, what was drawn is predicted; all hidden together.

    L_G of L2A without its weights, which a selector gives: -log P(w_o | x with o masked), summed over the places o
    (Feng et al. 2021, arXiv:2101.08106).
    """

    def __init__(self, mask: int, places: Sequence[Sequence[int]]) -> None:
        """Keep where.

        Args:
            mask: The id of the mask.
            places: Of every row that will be read, by `Batch.rows`.
        """
        super().__init__()
        self.needs_student, self.needs_teacher = frozenset({MASKED_LOGITS}), frozenset()
        self.mask, self.places = mask, places

    def reads(self, batch: Batch) -> Batch:
        """The batch with the drawn pieces hidden."""
        drawn = torch.zeros(batch.input_ids.shape, dtype=torch.bool)
        for row, known in enumerate(batch.rows.tolist()):
            drawn[row, list(self.places[known])] = True
        drawn = drawn.to(batch.input_ids.device)
        shown, targets = batch.input_ids.masked_fill(drawn, self.mask), batch.input_ids.masked_fill(~drawn, -1)
        return replace(batch, input_ids=shown, targets=targets)

    def terms(self, student: Trace, teacher: Trace, batch: Batch) -> dict[str, Float[Tensor, " batch"]]:  # noqa: ARG002
        """The negative log-likelihood of what was drawn."""
        return {"generator": negative_log_likelihood(student.needed_masked_logits(), batch.needed_targets())}
