import pytest
import torch
import torch.nn.functional as F

from objectives.worlds import make_batch
from tinybert.objectives.spans import (
    SpanCrossEntropy,
    SpanSoftCrossEntropy,
    span_cross_entropy,
    span_soft_cross_entropy,
)
from tinybert.types import PIECE_LOGITS, Trace

LABELS = torch.tensor([[0, -1, 1, 2], [3, -1, 0, -1]])
NOTHING = torch.full((2, 4), -1)


def logits(seed: int) -> torch.Tensor:
    return torch.randn(2, 4, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test__where_every_piece_is_a_position_it_is_the_loss_that_transformers_trains_with() -> None:
    labels, shown = torch.tensor([[0, 1, 0, 2], [3, 0, 0, 0]]), logits(1)
    begin, end = torch.tensor([1, 0]), torch.tensor([3, 0])
    theirs = (F.cross_entropy(shown[..., 0], begin) + F.cross_entropy(shown[..., 1], end)) / 2
    torch.testing.assert_close(span_cross_entropy(shown, labels).mean(), theirs)


@pytest.mark.parametrize("fill", [1e6, float("nan")])
def test__pieces_that_are_no_position_count_nowhere_and_get_no_gradient(fill: float) -> None:
    student, teacher = logits(1), logits(2)
    before = span_cross_entropy(student, LABELS), span_soft_cross_entropy(student, teacher, LABELS, 0.5)
    for changed in (student, teacher):
        changed[LABELS < 0] = fill
    student.requires_grad_()
    after = span_cross_entropy(student, LABELS), span_soft_cross_entropy(student, teacher, LABELS, 0.5)
    torch.testing.assert_close(before, after)
    torch.stack(after).sum().backward()
    assert student.grad is not None
    assert (student.grad[LABELS < 0] == 0).all()
    assert (student.grad[LABELS >= 0] != 0).all()


def test__without_positions_nothing_is_learnt() -> None:
    student = logits(1).requires_grad_()
    values = span_cross_entropy(student, NOTHING), span_soft_cross_entropy(student, logits(2), NOTHING)
    assert [value.tolist() for value in values] == [[0, 0], [0, 0]]
    torch.stack(values).sum().backward()
    assert student.grad is not None
    assert (student.grad == 0).all()


def test__an_answer_that_no_piece_stands_for_teaches_nothing() -> None:
    assert span_cross_entropy(logits(1), torch.zeros(2, 4, dtype=torch.int64)).tolist() == [0, 0]


@pytest.mark.parametrize("labels", [None, torch.tensor([0, 1, 0])])
@pytest.mark.parametrize("objective", [SpanCrossEntropy(), SpanSoftCrossEntropy()])
def test__labels_of_examples_are_refused(objective: torch.nn.Module, labels: torch.Tensor | None) -> None:
    trace = Trace({PIECE_LOGITS: torch.zeros(3, 7, 2)})
    with pytest.raises(ValueError, match="no labels of pieces"):
        objective(trace, trace, make_batch(labels))


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("inf")])
def test__unusable_temperatures_are_refused(temperature: float) -> None:
    with pytest.raises(ValueError, match="temperature must be positive"):
        SpanSoftCrossEntropy(temperature)
