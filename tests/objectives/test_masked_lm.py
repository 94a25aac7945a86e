"""The losses equal their slow twins; neither padding nor other examples matter; what was drawn is predicted."""

import pytest
import torch

from objectives.pieces import MASK, ROW, VOCABULARY, batch_of, hider
from references import masked_lm as reference
from tinybert.objectives.masked_lm import (
    DrawnPlaces,
    MaskedCrossEntropy,
    MaskedSoftCrossEntropy,
    masked_cross_entropy,
    masked_soft_cross_entropy,
    negative_log_likelihood,
)
from tinybert.types import MASKED_LOGITS, NO_TRACE, Batch, Trace


def test_masked_cross_entropy__is_its_slow_twin():
    torch.manual_seed(2)
    targets = torch.tensor([[-1, 3, -1, 11], [-1, -1, -1, -1], [0, 1, 2, -1]])
    logits = torch.randn(5, VOCABULARY, dtype=torch.float64) * 9
    expected = reference.loss(logits.tolist(), targets.tolist())
    torch.testing.assert_close(masked_cross_entropy(logits, targets), torch.tensor(expected, dtype=torch.float64))


def test_masked_cross_entropy__knows_no_padding_and_no_neighbours():
    torch.manual_seed(2)
    targets, logits = torch.tensor([[-1, 3], [5, -1]]), torch.randn(2, VOCABULARY)
    value = masked_cross_entropy(logits, targets)
    padded = torch.nn.functional.pad(targets, (0, 3), value=-1)
    torch.testing.assert_close(masked_cross_entropy(logits, padded), value)
    torch.testing.assert_close(masked_cross_entropy(logits.flip(0), targets.flip(0)), value.flip(0))
    doubled = masked_cross_entropy(torch.cat([logits, logits]), torch.cat([targets, targets]))
    torch.testing.assert_close(doubled, torch.cat([value, value]))


def test_masked_cross_entropy__has_the_right_gradient():
    targets = torch.tensor([[2, -1, 7], [-1, -1, 0]])
    logits = torch.randn(3, VOCABULARY, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: masked_cross_entropy(x, targets), logits)


def test_masked_cross_entropy__refuses_logits_of_other_places():
    with pytest.raises(ValueError, match="1 rows of logits for 2 places"):
        masked_cross_entropy(torch.zeros(1, VOCABULARY), torch.tensor([[1, 2]]))


def test_masked_cross_entropy_objective__is_one_named_term_of_the_places():
    objective = MaskedCrossEntropy(hider(share=0.5))
    batch = objective.reads(batch_of([ROW, ROW]))
    logits = torch.randn(int((batch.needed_targets() >= 0).sum()), VOCABULARY)
    terms = objective.terms(Trace({MASKED_LOGITS: logits}), NO_TRACE, batch)
    assert list(terms) == ["masked_lm"]
    assert objective.needs_student == {MASKED_LOGITS}
    assert not objective.state_dict()  # what the pieces are is known from the tokenizer
    with pytest.raises(ValueError, match="recorded nothing, not masked_logits"):
        objective.terms(NO_TRACE, NO_TRACE, batch)
    with pytest.raises(ValueError, match="no places to fill"):
        objective.terms(Trace({MASKED_LOGITS: logits}), NO_TRACE, batch_of([ROW]))


TARGETS = torch.tensor([[-1, 3, -1, 11], [-1, -1, -1, -1], [0, 1, 2, -1]])


def logits_of(seed: int, places: int = 5) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(places, VOCABULARY, generator=generator, dtype=torch.float64) * 3


def test_masked_soft_cross_entropy__is_its_slow_twin():
    student, teacher = logits_of(1), logits_of(2)
    expected = reference.soft_loss(student.tolist(), teacher.tolist(), TARGETS.tolist())
    found = masked_soft_cross_entropy(student, teacher, TARGETS)
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64))
    assert found[1] == 0


def test_masked_soft_cross_entropy__knows_no_padding_and_no_neighbours():
    student, teacher = logits_of(1), logits_of(2)
    value = masked_soft_cross_entropy(student, teacher, TARGETS)
    padded = torch.nn.functional.pad(TARGETS, (0, 3), value=-1)
    torch.testing.assert_close(masked_soft_cross_entropy(student, teacher, padded), value)
    order = [2, 3, 4, 0, 1]  # the places of the last example come first
    permuted = masked_soft_cross_entropy(student[order], teacher[order], TARGETS[[2, 1, 0]])
    torch.testing.assert_close(permuted, value[[2, 1, 0]])
    doubled = masked_soft_cross_entropy(*(torch.cat([one, one]) for one in (student, teacher, TARGETS)))
    torch.testing.assert_close(doubled, torch.cat([value, value]))


def test_masked_soft_cross_entropy__is_the_teachers_entropy_when_they_agree_and_never_less():
    teacher = logits_of(2)
    floor = masked_soft_cross_entropy(teacher, teacher, TARGETS)
    entropy = torch.distributions.Categorical(logits=teacher).entropy()
    torch.testing.assert_close(floor[[0, 2]], torch.stack([entropy[:2].mean(), entropy[2:].mean()]))
    assert (masked_soft_cross_entropy(logits_of(3), teacher, TARGETS) >= floor).all()


def test_masked_soft_cross_entropy__of_a_sure_teacher_is_the_hard_one():
    sure = 1e4 * torch.nn.functional.one_hot(TARGETS[TARGETS >= 0], VOCABULARY).double()
    hard = masked_cross_entropy(logits_of(1), TARGETS)
    torch.testing.assert_close(masked_soft_cross_entropy(logits_of(1), sure, TARGETS), hard)


def test_masked_soft_cross_entropy__has_the_right_gradient():
    student, teacher = logits_of(1).requires_grad_(), logits_of(2)
    assert torch.autograd.gradcheck(lambda x: masked_soft_cross_entropy(x, teacher, TARGETS), student)


def test_masked_soft_cross_entropy__half_precision_is_compared_in_float32():
    student, teacher = logits_of(1).bfloat16(), logits_of(2).bfloat16()
    found = masked_soft_cross_entropy(student, teacher, TARGETS)
    assert found.dtype is torch.float32
    torch.testing.assert_close(found, masked_soft_cross_entropy(student.float(), teacher.float(), TARGETS))


def test_masked_soft_cross_entropy__refuses_vocabularies_and_places_that_differ():
    with pytest.raises(ValueError, match="student's masked-LM head scores 12 pieces, the teacher's 16"):
        masked_soft_cross_entropy(logits_of(1), torch.zeros(5, 16), TARGETS)
    with pytest.raises(ValueError, match="4 rows of logits for 5 places"):
        masked_soft_cross_entropy(logits_of(1, 4), logits_of(2, 4), TARGETS)


def test_masked_soft_cross_entropy_objective__hides_as_the_hard_one_and_is_one_named_term():
    soft, hard, batch = (
        MaskedSoftCrossEntropy(hider(share=0.5)),
        MaskedCrossEntropy(hider(share=0.5)),
        batch_of([ROW] * 3),
    )
    torch.manual_seed(4)
    read = soft.reads(batch)
    torch.manual_seed(4)
    assert torch.equal(read.input_ids, hard.reads(batch).input_ids)
    student, teacher = (logits_of(seed, int((read.needed_targets() >= 0).sum())) for seed in (1, 2))
    terms = soft.terms(Trace({MASKED_LOGITS: student}), Trace({MASKED_LOGITS: teacher}), read)
    assert list(terms) == ["masked_prediction"]
    torch.testing.assert_close(
        terms["masked_prediction"], masked_soft_cross_entropy(student, teacher, read.needed_targets())
    )
    assert soft.needs_student == soft.needs_teacher == {MASKED_LOGITS}
    assert not soft.state_dict()
    with pytest.raises(ValueError, match="recorded nothing, not masked_logits"):
        soft.terms(Trace({MASKED_LOGITS: student}), NO_TRACE, read)


def test_negative_log_likelihood__is_the_mean_times_the_number_of_places():
    torch.manual_seed(0)
    targets = torch.tensor([[-1, 3, 7, 2], [5, -1, -1, -1], [-1, -1, -1, -1]])
    logits = torch.randn(4, VOCABULARY)
    means = masked_cross_entropy(logits, targets)
    assert torch.allclose(negative_log_likelihood(logits, targets), means * torch.tensor([3, 1, 0]))


def test_drawn_places__hides_what_was_drawn_and_predicts_it():
    batch = batch_of([ROW, ROW, ROW])
    drawn = DrawnPlaces(MASK, [(), (1, 7), (), (4,)])
    read = drawn.reads(Batch(batch.input_ids, batch.token_type_ids, batch.real, None, torch.tensor([1, 3, 0])))
    assert (read.input_ids == MASK).nonzero().tolist() == [[0, 1], [0, 7], [1, 4]]
    assert read.targets[0, [1, 7]].tolist() == [5, 8]
    assert read.targets[1, 4] == 7
    assert (read.targets >= 0).sum() == 3
    logits = torch.randn(3, VOCABULARY)
    terms = drawn.terms(Trace({MASKED_LOGITS: logits}), NO_TRACE, read)
    expected = -logits.log_softmax(1)[[0, 1, 2], [5, 8, 7]]
    assert torch.allclose(terms["generator"], torch.stack([expected[0] + expected[1], expected[2], torch.tensor(0.0)]))
