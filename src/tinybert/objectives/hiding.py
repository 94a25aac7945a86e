"""Hiding pieces that a masked language model has to predict (Devlin et al. 2019, arXiv:1810.04805, section 3.1).

Of the pieces of an example 15 % are to be predicted; of these 80 % are masked, 10 % become another piece, 10 % stay.
With labels as token types this is the conditional masked LM of CBERT (Wu et al. 2019, arXiv:1812.06705).
"""

from dataclasses import dataclass, replace
from typing import final

import torch
from jaxtyping import Bool, Int
from torch import Tensor, nn

from tinybert.types import Batch

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


@final
class PieceHider(nn.Module):
    """Hides pieces of a batch and says what is to be predicted; drawn anew each time an example is read."""

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
        self.mask, self.hiding, self.labels_as_types = mask, hiding, labels_as_types
        known = {"special": special, "starts": starts, "ordinary": (~special).nonzero()[:, 0]}
        for name, tensor in known.items():
            self.register_buffer(name, tensor, persistent=False)

    def forward(self, batch: Batch) -> Batch:
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
