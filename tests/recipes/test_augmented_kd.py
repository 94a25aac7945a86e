"""L_KD of L2A: nothing to learn where the student is the teacher, but for the entropy of its predictions."""

import pytest
import torch

from references.reinforce import soft_entropy
from tinybert.artifacts import digest_of_input
from tinybert.log import Log
from tinybert.models.teacher import Teacher
from tinybert.recipes import augmented_kd, l2a
from tinybert.run import Run, RunSettings
from tinybert.stages.initialisation import InitialStudent
from tinybert.stages.l2a.groups import LastLayerSettings
from tinybert.tasks.classification import Classification
from tinybert.tasks.regression import Regression
from tinybert.types import LOGITS, Stage

CPU = torch.device("cpu")


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path, 0, RunSettings(), CPU, Log(silent=True))


@pytest.fixture
def terms(tiny_bert, make_batch, run):
    """By name, of a student that is its teacher, with an identity as projection."""

    def found(settings=None, kind="classification", temperature=1.0):
        model, batch = tiny_bert(outputs=1 if kind == "regression" else 2).eval(), make_batch()
        initial = InitialStudent(model, torch.eye(24))
        teacher = Teacher(model, "fp32", CPU)
        task = Regression() if kind == "regression" else Classification(("no", "yes"))
        config = augmented_kd.Config(objective=settings or LastLayerSettings(), distill=Stage(temperature=temperature))
        learnt = augmented_kd.loss(initial, teacher.shape, config, task, run)
        shown = teacher.observe(batch, learnt.needs_teacher)
        return learnt.terms(initial.student.observe(batch, learnt.needs_student), shown, batch), shown[LOGITS]

    return found


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test__a_student_that_is_its_teacher_has_only_entropy_left(terms, temperature):
    values, logits = terms(temperature=temperature)
    assert set(values) == {"attention", "hidden", "prediction"}
    assert torch.allclose(values["attention"], torch.zeros(3), atol=1e-10)
    assert torch.allclose(values["hidden"], torch.zeros(3), atol=1e-10)
    entropies = [soft_entropy([value / temperature for value in row]) for row in logits.tolist()]
    assert values["prediction"].tolist() == pytest.approx(entropies, rel=1e-5)


def test__a_score_is_learnt_by_its_square(terms):
    values, _ = terms(kind="regression")
    assert torch.allclose(values["prediction"], torch.zeros(3))


def test__terms_can_be_left_out_but_not_all(terms):
    assert set(terms(LastLayerSettings(attention=False, hidden=False))[0]) == {"prediction"}
    with pytest.raises(ValueError, match="all off"):
        LastLayerSettings(attention=False, hidden=False, prediction=False)


def test__it_learns_what_l2a_learns(tiny_bert, run):
    initial, task = InitialStudent(tiny_bert(), torch.eye(24)), Classification(("no", "yes"))
    teacher, settings = Teacher(initial.student, "fp32", CPU), {"distill": Stage(temperature=4.0)}
    ours = augmented_kd.loss(initial, teacher.shape, augmented_kd.Config(**settings), task, run)
    assert digest_of_input(l2a.loss(initial, teacher, l2a.Config(**settings), task, run)) == digest_of_input(ours)
