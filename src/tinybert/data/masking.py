"""Masking: which pieces a masked language model has to predict, and what it reads in their place.

Of the pieces of an example 15 % are to be predicted; of these 80 % are masked, 10 % become another piece, 10 % stay
(Devlin et al. 2019, arXiv:1810.04805, section 3.1). With labels as token types this is the conditional masked LM of
CBERT (Wu et al. 2019, arXiv:1812.06705).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from tinybert.files import sha256_json
from tinybert.types import Batch

MASKED, REPLACED = 0.8, 0.1  # of the pieces to be predicted; the rest stays as it is


@dataclass(frozen=True)
class Masking:
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
        """Refuse what would mask nothing."""
        if not 0 < self.share <= 1:
            raise ValueError(f"share is a part of the pieces, above 0 and at most 1, got {self.share}")
        if self.at_most is not None and self.at_most < 1:
            raise ValueError(f"at_most must be at least 1, got {self.at_most}")


def mask_positions(
    usable: Bool[Tensor, "batch seq"], starts: Bool[Tensor, "batch seq"], masking: Masking
) -> Bool[Tensor, "batch seq"]:
    """Draw which positions of each example are to be predicted.

    Units (pieces, or whole words) are taken in random order until the share is reached, so that every example has
    `round(share * usable)` positions; with whole words the last word may bring a few more.

    Args:
        usable: True where a piece may be masked: neither padding nor special.
        starts: True where a piece begins a word.
        masking: How many, and whether in whole words.

    Returns:
        True at the positions drawn; none in an example without a usable piece.
    """
    noise = torch.rand(usable.shape, device=usable.device)
    position = torch.arange(usable.shape[1], device=usable.device).expand_as(usable)
    # The first position of the unit that each position belongs to; what comes first in a text begins one in any case,
    # since byte-level vocabularies write a space before a word, and there is none.
    owner = position
    if masking.whole_words:
        owner = torch.where(starts | ~usable | ~usable.roll(1, dims=1), position, 0).cummax(dim=1).values
    by_unit = noise.gather(1, owner).masked_fill(~usable, 2.0)  # what may not be masked comes last
    rank = by_unit.argsort(dim=1, stable=True).argsort(dim=1)
    wanted = (masking.share * usable.sum(dim=1)).round().clamp(min=1, max=masking.at_most)
    return (rank.gather(1, owner) < wanted[:, None]) & usable


class PieceMasker:
    """Masks pieces of a batch and says what is to be predicted; drawn anew each time an example is read."""

    def __init__(
        self,
        mask: int,
        special: Bool[Tensor, " vocabulary"],
        starts: Bool[Tensor, " vocabulary"],
        masking: Masking,
        *,
        labels_as_types: bool = False,
    ) -> None:
        """Keep what the pieces are.

        Args:
            mask: The id of the mask.
            special: True for pieces that are never masked and never replace another.
            starts: True for pieces that begin a word.
            masking: Which pieces are to be predicted.
            labels_as_types: The network reads each example's class as the token type of all its pieces (CBERT).
        """
        self.mask, self.masking, self.labels_as_types = mask, masking, labels_as_types
        self.special, self.starts, self.ordinary = special, starts, (~special).nonzero()[:, 0]

    @property
    def digest(self) -> str:
        """Sha256 over what it makes of a batch."""
        tables = (self.special, self.starts)
        return sha256_json([self.mask, asdict(self.masking), self.labels_as_types, *(t.tolist() for t in tables)])

    def __call__(self, batch: Batch) -> Batch:
        """The batch with some pieces masked; all draws are from torch's own stream, on the batch's device."""
        self._follow(batch.input_ids.device)
        special, starts = self.special[batch.input_ids], self.starts[batch.input_ids]
        usable = batch.real & ~special
        positions = mask_positions(usable, starts, self.masking)
        drawn = torch.rand(positions.shape, device=positions.device)
        masked = positions & (drawn < MASKED)
        replaced = positions & (drawn >= MASKED) & (drawn < MASKED + REPLACED)
        shown = torch.where(replaced, self._others(batch.input_ids, usable), batch.input_ids)
        return replace(
            batch,
            input_ids=shown.masked_fill(masked, self.mask),
            token_type_ids=self._types(batch),
            targets=batch.input_ids.masked_fill(~positions, -1),
        )

    def _follow(self, device: torch.device) -> None:
        """Bring the tables to the device of the batches: once, since a copy from the host stops an update."""
        if self.special.device != device:
            self.special, self.starts = self.special.to(device), self.starts.to(device)
            self.ordinary = self.ordinary.to(device)

    def _others(self, ids: Int[Tensor, "batch seq"], usable: Bool[Tensor, "batch seq"]) -> Int[Tensor, "batch seq"]:
        """A random piece for each position."""
        if not self.masking.from_the_same_text:
            drawn = torch.randint(len(self.ordinary), ids.shape, device=ids.device)
            return self.ordinary[drawn]
        some = usable.float() + (~usable.any(dim=1, keepdim=True)).float()  # multinomial needs a row with some weight
        return ids.gather(1, torch.multinomial(some, ids.shape[1], replacement=True))

    def _types(self, batch: Batch) -> Int[Tensor, "batch seq"]:
        if not self.labels_as_types:
            return batch.token_type_ids
        if batch.labels is None:
            raise ValueError("labels as token types need labelled examples")
        return batch.labels.long()[:, None] * batch.real


class FixedMasker:
    """Masks the same pieces of a row each time it is read, and says that they are to be predicted."""

    def __init__(self, mask: int, positions: Sequence[Sequence[int]]) -> None:
        """Keep which.

        Args:
            mask: The id of the mask.
            positions: Those of every row that will be read, by `Batch.rows`.
        """
        self.mask, self.positions = mask, positions

    def __call__(self, batch: Batch) -> Batch:
        """The batch with these pieces masked."""
        fixed = torch.zeros(batch.input_ids.shape, dtype=torch.bool)
        for row, known in enumerate(batch.rows.tolist()):
            fixed[row, list(self.positions[known])] = True
        fixed = fixed.to(batch.input_ids.device)
        shown, targets = batch.input_ids.masked_fill(fixed, self.mask), batch.input_ids.masked_fill(~fixed, -1)
        return replace(batch, input_ids=shown, targets=targets)
