import math

import pytest
import torch
import torch.nn.functional as F

from objectives.worlds import make_batch
from tinybert.objectives.binary import (
    GoldBinaryCrossEntropy,
    SoftBinaryCrossEntropy,
    binary_cross_entropy,
    soft_binary_cross_entropy,
)
from tinybert.types import LOGITS, NO_TRACE, Trace


def test__the_mean_over_examples_is_the_loss_that_transformers_trains_with() -> None:
    logits = torch.randn(3, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    labels = torch.tensor([[1, 0, 1, 0, 0], [0, 0, 0, 0, 0], [1, 1, 1, 1, 1]], dtype=torch.uint8)
    theirs = F.binary_cross_entropy_with_logits(logits, labels.double())
    torch.testing.assert_close(binary_cross_entropy(logits, labels).mean(), theirs)


def test__far_apart_logits_stay_finite() -> None:
    logits = torch.tensor([[1e4, -1e4]])
    torch.testing.assert_close(soft_binary_cross_entropy(logits, -logits), torch.tensor([1e4]))


def test__a_student_that_agrees_has_no_gradient_whatever_the_temperature() -> None:
    teacher = torch.randn(3, 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    student = teacher.clone().requires_grad_()
    soft_binary_cross_entropy(student, teacher, 3.0).sum().backward()
    assert student.grad is not None
    torch.testing.assert_close(student.grad, torch.zeros_like(teacher))


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.inf, math.nan])
def test__a_temperature_that_cannot_train_is_refused(temperature: float) -> None:
    with pytest.raises(ValueError, match="positive and finite"):
        SoftBinaryCrossEntropy(temperature)


@pytest.mark.parametrize("labels", [None, torch.tensor([1, 0, 1])])
def test__labels_of_another_kind_are_refused(labels: torch.Tensor | None) -> None:
    with pytest.raises(ValueError, match="of every label whether it holds"):
        GoldBinaryCrossEntropy()(Trace({LOGITS: torch.zeros(3, 2)}), NO_TRACE, make_batch(labels))


def test__another_number_of_labels_is_refused() -> None:
    with pytest.raises(ValueError, match="logits"):
        binary_cross_entropy(torch.zeros(1, 2), torch.zeros(1, 3))
