"""The losses equal their slow twins; neither padding nor other examples matter; the objectives are named terms."""

from dataclasses import replace

import pytest
import torch

from objectives.worlds import SEQ, make_batch
from references import masked_lm as reference
from tinybert.objectives.masked_lm import (
    GeneratorLikelihood,
    MaskedCrossEntropy,
    MaskedSoftCrossEntropy,
    masked_cross_entropy,
    masked_soft_cross_entropy,
    negative_log_likelihood,
)
from tinybert.types import MASKED_LOGITS, NO_TRACE, Trace

VOCABULARY = 12


TARGETS = torch.tensor([[-1, 3, -1, 11], [-1, -1, -1, -1], [0, 1, 2, -1]])
MASKED_BATCH = replace(make_batch(None), targets=torch.nn.functional.pad(TARGETS, (0, SEQ - 4), value=-1))


def logits_of(seed: int, positions: int = 5) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(positions, VOCABULARY, generator=generator, dtype=torch.float64) * 3


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


def test_masked_cross_entropy__refuses_logits_of_other_positions():
    with pytest.raises(ValueError, match="1 rows of logits for 2 masked positions"):
        masked_cross_entropy(torch.zeros(1, VOCABULARY), torch.tensor([[1, 2]]))


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_masked_soft_cross_entropy__is_its_slow_twin(temperature):
    student, teacher = logits_of(1), logits_of(2)
    expected = reference.soft_loss(student.tolist(), teacher.tolist(), TARGETS.tolist(), temperature)
    found = masked_soft_cross_entropy(student, teacher, TARGETS, temperature)
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64))
    assert found[1] == 0


def test_masked_soft_cross_entropy__knows_no_padding_and_no_neighbours():
    student, teacher = logits_of(1), logits_of(2)
    value = masked_soft_cross_entropy(student, teacher, TARGETS)
    padded = torch.nn.functional.pad(TARGETS, (0, 3), value=-1)
    torch.testing.assert_close(masked_soft_cross_entropy(student, teacher, padded), value)
    order = [2, 3, 4, 0, 1]  # the positions of the last example come first
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


def test_masked_soft_cross_entropy__refuses_vocabularies_and_positions_that_differ():
    with pytest.raises(ValueError, match="student's masked-LM head scores 12 pieces, the teacher's 16"):
        masked_soft_cross_entropy(logits_of(1), torch.zeros(5, 16), TARGETS)
    with pytest.raises(ValueError, match="4 rows of logits for 5 masked positions"):
        masked_soft_cross_entropy(logits_of(1, 4), logits_of(2, 4), TARGETS)


def test_negative_log_likelihood__is_the_mean_times_the_number_of_places():
    torch.manual_seed(0)
    targets = torch.tensor([[-1, 3, 7, 2], [5, -1, -1, -1], [-1, -1, -1, -1]])
    logits = torch.randn(4, VOCABULARY)
    means = masked_cross_entropy(logits, targets)
    assert torch.allclose(negative_log_likelihood(logits, targets), means * torch.tensor([3, 1, 0]))


@pytest.mark.parametrize(
    ("objective", "term", "function"),
    [
        (MaskedCrossEntropy(), "masked_lm", masked_cross_entropy),
        (GeneratorLikelihood(), "generator", negative_log_likelihood),
    ],
)
def test__a_gold_objective_is_one_named_term_of_the_masked_positions(objective, term, function):
    student = Trace({MASKED_LOGITS: logits_of(1)})
    terms = objective.terms(student, NO_TRACE, MASKED_BATCH)
    assert list(terms) == [term]
    assert torch.equal(terms[term], function(logits_of(1), TARGETS))
    assert (objective.needs_student, objective.needs_teacher) == ({MASKED_LOGITS}, frozenset())
    with pytest.raises(ValueError, match="recorded nothing, not masked_logits"):
        objective.terms(NO_TRACE, NO_TRACE, MASKED_BATCH)
    with pytest.raises(ValueError, match="no masked positions; a masked-LM objective needs a masker"):
        objective.terms(student, NO_TRACE, make_batch(None))


@pytest.mark.parametrize(("scaled", "factor"), [(False, 1.0), (True, 4.0)])
def test_masked_soft_cross_entropy_objective__is_one_named_term_of_the_masked_positions(scaled, factor):
    objective = MaskedSoftCrossEntropy(2.0, scaled=scaled)
    student, teacher = (Trace({MASKED_LOGITS: logits_of(seed)}) for seed in (1, 2))
    terms = objective.terms(student, teacher, MASKED_BATCH)
    assert list(terms) == ["masked_prediction"]
    expected = factor * masked_soft_cross_entropy(logits_of(1), logits_of(2), TARGETS, 2.0)
    assert torch.equal(terms["masked_prediction"], expected)
    assert objective.needs_student == objective.needs_teacher == {MASKED_LOGITS}
    with pytest.raises(ValueError, match="recorded nothing, not masked_logits"):
        objective.terms(student, NO_TRACE, MASKED_BATCH)
