import math

import pytest
import torch

from objectives.worlds import BATCH, STUDENT_WIDTH, TEACHER_WIDTH, make_batch
from tinybert.layer_maps import layer_map
from tinybert.objectives.attention import AttentionScoreMSE
from tinybert.objectives.hidden import HiddenMSE
from tinybert.objectives.prediction import GoldCrossEntropy, SoftCrossEntropy
from tinybert.objectives.sum import Sum
from tinybert.types import LOGITS, Signal, Trace

MAP = layer_map("uniform", 2, 4)


def test__terms_keep_their_names_and_carry_their_weights() -> None:
    student, teacher = (
        Trace({LOGITS: torch.tensor([[1.0, 2.0]] * BATCH)}),
        Trace({LOGITS: torch.tensor([[3.0, 1.0]] * BATCH)}),
    )
    batch = make_batch(torch.tensor([0, 1, 0]))
    soft, gold = SoftCrossEntropy(2.0), GoldCrossEntropy()
    both = Sum((0.25, soft), (3.0, gold))
    terms = both.terms(student, teacher, batch)
    assert list(terms) == ["prediction", "gold"]
    torch.testing.assert_close(terms["prediction"], 0.25 * soft(student, teacher, batch))
    torch.testing.assert_close(terms["gold"], 3.0 * gold(student, teacher, batch))


def test__needs_what_any_part_needs() -> None:
    both = Sum(AttentionScoreMSE(MAP), GoldCrossEntropy())
    assert both.needs_student == {LOGITS, Signal("attention_scores", 1), Signal("attention_scores", 2)}
    assert both.needs_teacher == {Signal("attention_scores", 2), Signal("attention_scores", 4)}


def test__sums_can_be_summed() -> None:
    trace, batch = Trace({LOGITS: torch.zeros(BATCH, 2)}), make_batch(None)
    inner = Sum((0.5, SoftCrossEntropy()))
    outer = Sum((4.0, inner))
    torch.testing.assert_close(outer(trace, trace, batch), torch.full((BATCH,), 2 * math.log(2)))


def test__projections_of_the_parts_are_its_parameters() -> None:
    total = Sum(HiddenMSE(MAP, STUDENT_WIDTH, TEACHER_WIDTH))
    names = [name for name, _ in total.named_parameters()]
    assert names == ["objectives.0.projections.embedding", "objectives.0.projections.hidden"]


def test__two_terms_of_one_name_are_refused() -> None:
    both = Sum(SoftCrossEntropy(1.0), SoftCrossEntropy(2.0))
    trace = Trace({LOGITS: torch.zeros(BATCH, 2)})
    with pytest.raises(ValueError, match="SoftCrossEntropy gives a term 'prediction'"):
        both(trace, trace, make_batch(None))


def test__weight_zero_is_refused_with_advice() -> None:
    with pytest.raises(ValueError, match=r"SoftCrossEntropy has weight 0.*leave it out"):
        Sum((0.0, SoftCrossEntropy()))


@pytest.mark.parametrize("weight", [-1.0, math.inf, math.nan])
def test__weights_that_cannot_train_are_refused(weight: float) -> None:
    with pytest.raises(ValueError, match=f"weight {weight}; a weight must be positive"):
        Sum((weight, SoftCrossEntropy()))


def test__an_empty_sum_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one objective"):
        Sum()
