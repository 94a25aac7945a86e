"""PKD's loss: what is left of it where the student is its teacher, and what is refused before anything is trained."""

import pytest
import torch

from recipes.workshop import Workshop, on_one_processor, quick_finish, ratings, read
from tinybert.engine import fit
from tinybert.errors import UserError
from tinybert.families.network import Shape
from tinybert.models.teacher import Teacher
from tinybert.recipes import pkd
from tinybert.tasks.classification import Classification
from tinybert.tasks.regression import Regression
from tinybert.types import LOGITS, Signal, Stage

CPU = torch.device("cpu")
pytestmark = [pytest.mark.usefixtures("processor"), on_one_processor]


@pytest.fixture
def workshop(tmp_path, tiny_tokenizer):
    return Workshop(tmp_path, tiny_tokenizer)


def config(temperature=10.0, **objective):
    return pkd.Config(objective=pkd.PatienceSettings(**objective), distill=Stage(temperature=temperature))


def test__a_student_that_is_its_teacher_has_gold_and_entropy_left(tiny_bert, make_batch):
    model, batch = tiny_bert(outputs=2).eval(), make_batch()
    learnt = pkd.loss(model.shape, model.shape, config(alpha=0.25, temperature=5.0), Classification(("no", "yes")))
    shown = Teacher(model, "fp32", CPU).observe(batch, learnt.needs_teacher)
    terms = learnt.terms(model.observe(batch, learnt.needs_student), shown, batch)
    soft = torch.softmax(shown[LOGITS] / 5, dim=1)
    assert torch.allclose(terms["patience"], torch.zeros(len(batch)), atol=1e-10)
    assert torch.allclose(terms["prediction"], 0.25 * 25 * -(soft * soft.log()).sum(dim=1), atol=1e-5)
    gold = -torch.log_softmax(shown[LOGITS], dim=1).gather(1, batch.labels[:, None]).squeeze(1)
    assert torch.allclose(terms["gold"], 0.75 * gold, atol=1e-6)


def test__only_logits_and_first_states_below_the_top_are_asked_of_the_teacher():
    student, teacher, task = Shape(6, 8, 2, 32), Shape(12, 8, 2, 32), Classification(("no", "yes"))
    states = {"skip": (2, 4, 6, 8, 10), "last": (7, 8, 9, 10, 11)}
    for layers, expected in states.items():
        learnt = pkd.loss(student, teacher, config(layers=layers), task)
        assert learnt.needs_teacher == {LOGITS, *(Signal("first_state", layer) for layer in expected)}


@pytest.mark.parametrize(
    ("objective", "expected"),
    [
        ({"beta": 0.0}, {"gold", "prediction"}),
        ({"alpha": 1.0}, {"prediction", "patience"}),
        ({"alpha": 0.0}, {"gold", "patience"}),
    ],
)
def test__parts_without_weight_are_left_out(tiny_bert, make_batch, objective, expected):
    model, batch = tiny_bert(outputs=1).eval(), make_batch()
    learnt = pkd.loss(model.shape, model.shape, config(**objective), Regression())
    shown = Teacher(model, "fp32", CPU).observe(batch, learnt.needs_teacher)
    assert set(learnt.terms(model.observe(batch, learnt.needs_student), shown, batch)) == expected
    for wrong in ({"alpha": 1.5}, {"beta": -1.0}):
        with pytest.raises(ValueError, match=f"{next(iter(wrong))} must be"):
            pkd.PatienceSettings(**wrong)


@pytest.mark.parametrize("dry_run", [True, False])
@pytest.mark.parametrize(
    ("student", "problem"),
    [("2x12", "student: width 12, but pkd .* take --student 2x24"), ("1x24", "student: one layer")],
)
def test__a_student_that_cannot_be_compared_is_refused_before_the_teacher_is_trained(
    workshop, monkeypatch, student, problem, dry_run
):
    monkeypatch.setattr(fit, "update", lambda *_: pytest.fail("trained"))
    with pytest.raises(UserError, match=rf"^{problem}[^\n]*$"):
        workshop.distill("pkd", student=student, dry_run=dry_run)
    assert workshop.distill("pkd", student=student, also=("objective.beta=0",), dry_run=True)["stages"]


def test__a_regression_student_learns_scores_of_both_kinds(workshop):
    splits = workshop.splits(ratings)
    with quick_finish():
        metrics = workshop.distill("pkd", **splits)
    lines = read(workshop.path("run") / "metrics.jsonl")
    (terms,) = {tuple(line["terms"]) for line in lines if line["stage"] == "distill" and "terms" in line}
    assert "pearson" in metrics["student"]["dev"]
    assert set(terms) == {"gold", "prediction", "patience"}
