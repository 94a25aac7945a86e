import pytest
import torch

from tinybert.errors import UserError
from tinybert.families.network import Shape
from tinybert.models.student import check_depth, parse_shape
from tinybert.types import LOGITS, Signal

BERT_BASE = Shape(layers=12, width=768, heads=12, inner=3072)


def test__a_shape_takes_heads_from_the_teacher_and_inner_from_its_width():
    assert parse_shape("4x312", None, None, BERT_BASE) == Shape(4, 312, 12, 1200)
    assert parse_shape(" 6 X 384 ", None, None, BERT_BASE) == Shape(6, 384, 12, 1536)
    assert parse_shape("2x128", 4, 100, BERT_BASE) == Shape(2, 128, 4, 100)


def test__widths_that_heads_do_not_divide_are_refused_with_those_that_work():
    with pytest.raises(UserError, match="12 heads do not divide width 100") as refused:
        parse_shape("4x100", None, None, BERT_BASE)
    assert "84, 96, 108, 120" in str(refused.value)
    assert "student.heads" not in str(refused.value), "heads that learn from a teacher must be as many as its own"
    with pytest.raises(UserError, match="widths that work: 12, 24"):
        parse_shape("4x5", None, None, BERT_BASE)


@pytest.mark.parametrize("text", ["312", "4x", "x312", "4x312x12", "4*312", "bert-base", "-4x312", ""])
def test__what_is_no_shape_is_refused(text):
    with pytest.raises(UserError, match="write layers x width"):
        parse_shape(text, None, None, BERT_BASE)


def test__sizes_of_nothing_are_refused_together():
    with pytest.raises(UserError) as refused:
        parse_shape("0x312", 0, 0, BERT_BASE)
    assert [problem.split()[1] for problem in refused.value.problems] == ["layers", "heads", "inner"]


def test__a_student_deeper_than_its_teacher_is_refused_where_layers_map():
    check_depth(Shape(12, 312, 12, 1200), BERT_BASE)
    with pytest.raises(UserError, match="13 layers cannot learn layer by layer from a teacher of 12"):
        check_depth(Shape(13, 312, 12, 1200), BERT_BASE)


def test__a_student_observes_with_gradient(tiny_bert, make_batch):
    student = tiny_bert(layers=2)
    needs = frozenset({LOGITS, Signal("hidden_states", 1)})
    trace = student.observe(make_batch(), needs)
    trace[LOGITS].sum().backward()
    assert set(trace) == needs
    assert student.model.classifier.weight.grad.abs().sum() > 0


def test__the_digest_follows_the_weights(tiny_bert):
    student, same = tiny_bert(), tiny_bert()
    before = student.digest()
    assert before == same.digest()
    with torch.no_grad():
        student.model.classifier.bias[0] += 1e-6
    assert student.digest() != before
