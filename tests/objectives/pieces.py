"""A vocabulary of twelve pieces, and what hides some of them."""

import torch

from tinybert.objectives.hiding import Hiding, PieceHider
from tinybert.types import Batch

VOCABULARY, MASK, CLS, SEP = 12, 4, 2, 3
SPECIAL = torch.arange(VOCABULARY) < 5
STARTS = (torch.arange(VOCABULARY) >= 5) & (torch.arange(VOCABULARY) < 9)  # 9, 10, 11 continue a word
ROW = [CLS, 5, 9, 6, 7, 10, 11, 8, SEP, 0, 0]


def batch_of(rows: list[list[int]], labels: list[int] | None = None) -> Batch:
    pieces = torch.tensor(rows)
    given = None if labels is None else torch.tensor(labels)
    return Batch(pieces, torch.zeros_like(pieces), pieces != 0, given, torch.arange(len(rows)))


def hider(**hiding) -> PieceHider:
    return PieceHider(MASK, SPECIAL, STARTS, Hiding(**hiding))
