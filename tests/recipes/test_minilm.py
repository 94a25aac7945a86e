"""MiniLM's stages: relations of the last layer on plain text or the task's, an assistant between, then the task."""

import math

import pytest

from recipes.workshop import Workshop, on_one_processor, quick_finish, ratings, read, steps_of
from tinybert.engine import fit
from tinybert.errors import UserError
from tinybert.families.network import Shape
from tinybert.recipes import minilm
from tinybert.stages.relations import RelationSettings
from tinybert.types import Signal

pytestmark = [pytest.mark.usefixtures("processor"), on_one_processor]
ATTENTION, VALUES = {"attention_relation", "value_relation"}, {"query_relation", "key_relation", "value_relation"}


@pytest.fixture
def workshop(tmp_path, tiny_tokenizer):
    return Workshop(tmp_path, tiny_tokenizer)


def terms_of(workshop, stage):
    """The names of the losses of a stage; all are finite."""
    lines = [line for line in read(workshop.path("run") / "metrics.jsonl") if line["stage"] == stage and "loss" in line]
    assert all(math.isfinite(line["loss"]) for line in lines)
    (names,) = {frozenset(line["terms"]) for line in lines if "terms" in line}
    return names


def test__only_the_last_layer_is_looked_at():
    student, teacher = Shape(3, 12, 3, 48), Shape(6, 24, 3, 96)
    first = minilm.loss(student, teacher, RelationSettings())
    assert first.needs_teacher == {Signal("attention_scores", 6), Signal("values", 6)}
    second = minilm.loss(student, teacher, RelationSettings(relation_heads=6))
    assert second.needs_teacher == {Signal(kind, 6) for kind in ("queries", "keys", "values")}
    assert second.needs_student == {Signal(kind, 3) for kind in ("queries", "keys", "values")}


def test__on_plain_text_relations_are_learnt_before_the_task_and_not_again(workshop):
    within = ("general.tokens=600", "general.block_length=16")
    with quick_finish():
        metrics = workshop.distill("minilm", unlabeled=workshop.corpus(), also=within)
    assert steps_of(workshop.path("run")) == ["teacher", "init", "general", "prediction"]
    assert metrics["general"]["updates"] == 5
    assert terms_of(workshop, "general") == ATTENTION
    assert terms_of(workshop, "prediction") == {"gold"}


@pytest.mark.parametrize("also", [(), ("general.tokens=600", "general.block_length=16")])
def test__an_assistant_learns_first_and_teaches_the_student_of_other_heads(workshop, also):
    settings = ("objective.assistant=true", "objective.relation_heads=6", "objective.targets=soft", *also)
    text = {"unlabeled": workshop.corpus()} if also else {}
    workshop.model()
    student = workshop.model("student", layers=2, width=12, heads=2)
    with quick_finish():
        workshop.distill("minilm", student=student, also=settings, **text)
    relations = "general" if also else "intermediate"
    assert steps_of(workshop.path("run")) == ["teacher", "init", "assistant_init", "assistant", relations, "prediction"]
    assert terms_of(workshop, "assistant") == terms_of(workshop, relations) == VALUES
    assert terms_of(workshop, "prediction") == {"prediction"}


def test__a_regression_student_learns_gold_scores(workshop):
    with quick_finish():
        assert "pearson" in workshop.distill("minilm", **workshop.splits(ratings))["student"]["dev"]


@pytest.mark.parametrize("dry_run", [True, False])
@pytest.mark.parametrize(
    ("heads", "width", "also", "problem"),
    [
        (2, 12, (), "student.heads: 2 heads cannot learn from the teacher's 3; objective.relation_heads splits both"),
        (3, 12, ("objective.relation_heads=5",), "objective.relation_heads: 5 do not divide .*: 1, 2, 3, 4, 6, 12$"),
        (3, 24, ("objective.assistant=true",), "objective.assistant: .* at most 2 layers and width 12"),
    ],
)
def test__what_cannot_be_is_refused_before_the_teacher_is_trained(
    workshop, monkeypatch, heads, width, also, problem, dry_run
):
    monkeypatch.setattr(fit, "update", lambda *_: pytest.fail("trained"))
    workshop.model()
    student = workshop.model("student", layers=2, width=width, heads=heads)
    with pytest.raises(UserError, match=rf"^{problem}"):
        workshop.distill("minilm", student=student, also=also, dry_run=dry_run)


def test__a_dry_run_plans_relations_once(workshop):
    workshop.model(classes=("neg", "pos"))
    within = ("general.tokens=600", "general.block_length=16")
    plan = workshop.distill("minilm", dry_run=True, unlabeled=workshop.corpus(), also=within)
    assert [one["name"] for one in plan["stages"]] == ["general", "prediction"]
    assert [one["name"] for one in workshop.distill("minilm", dry_run=True)["stages"]] == ["intermediate", "prediction"]
