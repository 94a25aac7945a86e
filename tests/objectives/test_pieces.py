import pytest
import torch
import torch.nn.functional as F

from objectives.worlds import make_batch
from tinybert.objectives.pieces import (
    PieceCrossEntropy,
    PieceSoftCrossEntropy,
    piece_cross_entropy,
    piece_soft_cross_entropy,
)
from tinybert.types import NO_TRACE, PIECE_LOGITS, Trace

LABELS = torch.tensor([[-1, 2, -1, 0], [1, -1, -1, -1]])
NOTHING = torch.full((2, 4), -1)


def logits(seed: int) -> torch.Tensor:
    return torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test__weighted_by_labelled_pieces_the_mean_is_the_loss_that_transformers_trains_with() -> None:
    found = piece_cross_entropy(logits(1), LABELS)
    theirs = F.cross_entropy(logits(1).view(-1, 3), LABELS.view(-1), ignore_index=-1)
    torch.testing.assert_close((found * torch.tensor([2.0, 1.0])).sum() / 3, theirs)


def test__pieces_without_a_label_count_nowhere() -> None:
    student, teacher = logits(1), logits(2)
    before = piece_cross_entropy(student, LABELS), piece_soft_cross_entropy(student, teacher, LABELS, 2.0)
    for changed in (student, teacher):
        changed[LABELS < 0] = float("nan")
    after = piece_cross_entropy(student, LABELS), piece_soft_cross_entropy(student, teacher, LABELS, 2.0)
    torch.testing.assert_close(before, after)


def test__where_no_piece_is_labelled_nothing_is_learnt() -> None:
    assert piece_cross_entropy(logits(1), NOTHING).tolist() == [0, 0]
    assert piece_soft_cross_entropy(logits(1), logits(2), NOTHING).tolist() == [0, 0]


@pytest.mark.parametrize("labels", [None, torch.tensor([0, 1, 0])])
@pytest.mark.parametrize("objective", [PieceCrossEntropy(), PieceSoftCrossEntropy()])
def test__labels_of_examples_are_refused(objective: torch.nn.Module, labels: torch.Tensor | None) -> None:
    trace = Trace({PIECE_LOGITS: torch.zeros(3, 7, 3)})
    with pytest.raises(ValueError, match="no labels of pieces"):
        objective(trace, trace, make_batch(labels))


def test__a_tag_that_the_head_does_not_have_is_refused() -> None:
    with pytest.raises(ValueError, match="labels run to 3, and the head has 3 tags"):
        PieceCrossEntropy()(Trace({PIECE_LOGITS: torch.zeros(3, 7, 3)}), NO_TRACE, make_batch(torch.full((3, 7), 3)))


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("inf")])
def test__unusable_temperatures_are_refused(temperature: float) -> None:
    with pytest.raises(ValueError, match="temperature must be positive"):
        PieceSoftCrossEntropy(temperature)
