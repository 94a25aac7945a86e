import math

import pytest
import torch
import torch.nn.functional as F

from objectives.worlds import make_batch
from tinybert.objectives.prediction import (
    GoldCrossEntropy,
    GoldMSE,
    LogitsMSE,
    ScoreMSE,
    SoftCrossEntropy,
    cross_entropy,
    logits_squared_error,
    soft_cross_entropy,
    squared_error,
)
from tinybert.types import LOGITS, NO_TRACE, Trace

BAD_TEMPERATURES = [0.0, -1.0, math.inf, math.nan]


def test__soft_cross_entropy_of_a_case_solvable_in_the_head() -> None:
    student = torch.tensor([[math.log(3.0), 0.0]])  # three quarters, one quarter
    teacher = torch.tensor([[0.0, 0.0]])  # one half each
    expected = -(math.log(0.75) + math.log(0.25)) / 2
    torch.testing.assert_close(soft_cross_entropy(student, teacher), torch.tensor([expected]))


def test__temperature_divides_both_sides_and_is_not_made_up_for() -> None:
    student, teacher = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    cooled = soft_cross_entropy(student / 2, teacher / 2, 1.0)
    torch.testing.assert_close(soft_cross_entropy(student, teacher, 2.0), cooled)


def test__the_official_code_divides_by_the_number_of_classes_too() -> None:
    student, teacher = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    official = torch.mean(-F.softmax(teacher, dim=-1) * F.log_softmax(student, dim=-1))
    torch.testing.assert_close(soft_cross_entropy(student, teacher).mean() / 5, official)


def test__far_apart_logits_stay_finite() -> None:
    logits = torch.tensor([[1e4, -1e4, 0.0]])
    assert torch.equal(soft_cross_entropy(logits, -logits), torch.tensor([2e4]))


def test__scaled_it_is_the_divergence_times_the_temperature_squared_but_for_a_constant() -> None:
    student, other, teacher = torch.randn(3, 3, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)

    def divergence(logits: torch.Tensor) -> torch.Tensor:
        gaps = F.kl_div((logits / 3).log_softmax(1), (teacher / 3).softmax(1), reduction="none")
        return 9 * gaps.sum(dim=1)

    objective, batch = SoftCrossEntropy(3.0, scaled=True), make_batch(None)
    ours, theirs = (objective(Trace({LOGITS: one}), Trace({LOGITS: teacher}), batch) for one in (student, other))
    torch.testing.assert_close(ours - theirs, divergence(student) - divergence(other))


def test__scaled_its_gradient_keeps_its_size_as_the_temperature_grows() -> None:
    teacher, sizes = Trace({LOGITS: torch.tensor([[2.0, 0.0, -1.0]] * 3)}), []
    for temperature in (10.0, 100.0):
        logits = torch.zeros(3, 3, requires_grad=True)
        SoftCrossEntropy(temperature, scaled=True)(Trace({LOGITS: logits}), teacher, make_batch(None)).sum().backward()
        sizes.append(logits.grad.norm())
    torch.testing.assert_close(*sizes, rtol=0.05, atol=0)


def test__distances_of_logits_are_sums_where_the_code_of_tang_takes_means() -> None:
    student, teacher = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    torch.testing.assert_close(logits_squared_error(student, teacher).mean() / 5, F.mse_loss(student, teacher))
    one = Trace({LOGITS: student[:, :1]}), Trace({LOGITS: teacher[:, :1]}), make_batch(None)
    torch.testing.assert_close(LogitsMSE()(*one), ScoreMSE()(*one))


@pytest.mark.parametrize("temperature", BAD_TEMPERATURES)
def test__a_temperature_that_cannot_train_is_refused(temperature: float) -> None:
    with pytest.raises(ValueError, match=f"positive and finite, got {temperature}"):
        SoftCrossEntropy(temperature)
    with pytest.raises(ValueError, match=f"positive and finite, got {temperature}"):
        soft_cross_entropy(torch.zeros(1, 2), torch.zeros(1, 2), temperature)


@pytest.mark.parametrize("teacher_classes", [1, 5])
def test__other_classes_than_the_teachers_are_refused_and_never_broadcast(teacher_classes: int) -> None:
    student, teacher = Trace({LOGITS: torch.zeros(3, 2)}), Trace({LOGITS: torch.zeros(3, teacher_classes)})
    with pytest.raises(ValueError, match=rf"student \(3, 2\), teacher \(3, {teacher_classes}\)"):
        SoftCrossEntropy()(student, teacher, make_batch(None))
    with pytest.raises(ValueError, match=rf"student \(3, 2\), teacher \(3, {teacher_classes}\)"):
        LogitsMSE()(student, teacher, make_batch(None))


def test__one_class_trains_nothing_and_is_refused() -> None:
    with pytest.raises(ValueError, match="always 0 and trains nothing"):
        soft_cross_entropy(torch.zeros(3, 1), torch.zeros(3, 1))
    with pytest.raises(ValueError, match="always 0 and trains nothing"):
        cross_entropy(torch.zeros(3, 1), torch.zeros(3, dtype=torch.long))


@pytest.mark.parametrize("labels", [[0, 1, -100], [0, 1, -1], [0, 1, 2]])
def test__a_label_that_is_no_class_is_an_error_and_never_skipped(labels: list[int]) -> None:
    with pytest.raises((RuntimeError, IndexError), match="out of bounds"):
        cross_entropy(torch.zeros(3, 2), torch.tensor(labels))


def test__scores_for_labels_are_no_classes() -> None:
    with pytest.raises(ValueError, match="these labels are scores, not classes"):
        GoldCrossEntropy()(Trace({LOGITS: torch.zeros(3, 2)}), NO_TRACE, make_batch(torch.tensor([0.5, 0.0, 1.0])))


@pytest.mark.parametrize("outputs", [2, 5])
def test__a_head_with_classes_has_no_score(outputs: int) -> None:
    trace = Trace({LOGITS: torch.zeros(3, outputs)})
    with pytest.raises(ValueError, match=f"one output, this head has {outputs}"):
        ScoreMSE()(trace, trace, make_batch(None))
    with pytest.raises(ValueError, match=f"one output, this head has {outputs}"):
        GoldMSE()(trace, NO_TRACE, make_batch(torch.zeros(3)))


def test__the_score_learns_the_teachers_score_and_not_the_gold_one() -> None:
    batch = make_batch(torch.tensor([9.0, 9.0, 9.0]))
    student, teacher = (
        Trace({LOGITS: torch.tensor([[1.0], [2.0], [3.0]])}),
        Trace({LOGITS: torch.tensor([[1.0], [1.0], [1.0]])}),
    )
    assert torch.equal(ScoreMSE()(student, teacher, batch), torch.tensor([0.0, 1.0, 4.0]))


def test__gold_scores_may_be_whole_numbers_or_doubles() -> None:
    scores = torch.tensor([1.0, 2.0, 3.0])
    for targets in (torch.tensor([1, 1, 1]), torch.tensor([1.0, 1.0, 1.0], dtype=torch.float64)):
        found = squared_error(scores, targets)
        assert found.dtype is torch.float32
        assert torch.equal(found, torch.tensor([0.0, 1.0, 4.0]))


def test__scores_and_targets_of_different_number_are_refused() -> None:
    with pytest.raises(ValueError, match=r"student \(3,\), teacher \(1,\)"):
        squared_error(torch.zeros(3), torch.zeros(1))


def test__a_pass_without_logits_says_so() -> None:
    with pytest.raises(ValueError, match="recorded nothing, not logits"):
        SoftCrossEntropy()(Trace(), Trace({LOGITS: torch.zeros(3, 2)}), make_batch(None))
