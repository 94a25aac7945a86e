"""DistilBERT's triple loss: of masked pieces on plain text, of classes on a task; and what is refused beforehand."""

import json
import math
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from conftest import make_unigram_tokenizer
from recipes.workshop import CLASSES, Workshop, on_one_processor, quick_finish, ratings, read, stage, steps_of, trained
from tinybert.engine import fit
from tinybert.errors import UserError
from tinybert.models.teacher import Teacher
from tinybert.recipes import distilbert
from tinybert.stages.triple import TripleSettings
from tinybert.tasks.classification import Classification
from tinybert.types import LOGITS, MASKED_LOGITS, Signal, Stage

pytestmark = [pytest.mark.usefixtures("processor"), on_one_processor]
WITHIN = ("general.tokens=600", "general.block_length=16")


@pytest.fixture
def workshop(tmp_path, tiny_tokenizer):
    return Workshop(tmp_path, tiny_tokenizer)


def terms_of(workshop, name):
    """The names of the losses of a stage; all are finite."""
    lines = [line for line in read(workshop.path("run") / "metrics.jsonl") if line["stage"] == name and "loss" in line]
    assert all(math.isfinite(line["loss"]) for line in lines)
    (names,) = {frozenset(line["terms"]) for line in lines if "terms" in line}
    return names


def test__a_student_that_is_its_teacher_has_gold_and_entropy_left(tiny_bert, make_batch):
    model, batch = tiny_bert(outputs=2).eval(), make_batch()
    config = distilbert.Config(objective=TripleSettings(gold=0.0, cosine=3.0), distill=Stage(temperature=2.0))
    learnt = distilbert.loss(model.shape, model.shape, config, Classification(("no", "yes")))
    shown = Teacher(model, "fp32", torch.device("cpu")).observe(batch, learnt.needs_teacher)
    terms = learnt.terms(model.observe(batch, learnt.needs_student), shown, batch)
    soft = torch.softmax(shown[LOGITS] / 2, dim=1)
    assert set(terms) == {"prediction", "cosine"}
    assert torch.allclose(terms["cosine"], torch.zeros(len(batch)), atol=1e-6)
    assert torch.allclose(terms["prediction"], 4 * -(soft * soft.log()).sum(dim=1), atol=1e-5)
    for wrong, problem in (({"soft": 0.0, "gold": 0.0, "cosine": 0.0}, "all 0"), ({"cosine": -1.0}, "cosine must be")):
        with pytest.raises(ValueError, match=problem):
            TripleSettings(**wrong)


def test__on_plain_text_the_top_layers_and_masked_pieces_are_compared(tiny_bert):
    shape = tiny_bert().shape
    learnt = distilbert.text_loss(replace(shape, layers=2), replace(shape, layers=4))
    assert learnt.needs_teacher == {MASKED_LOGITS, Signal("hidden_states", 4)}
    assert learnt.weights == (5.0, 2.0, 1.0)


@pytest.mark.parametrize("kind", ["bert", "xlm-roberta"])
def test__what_was_learnt_on_plain_text_begins_the_task(kind, workshop):
    if kind == "xlm-roberta":
        workshop = replace(workshop, tokenizer=make_unigram_tokenizer(), kind=kind)
    with quick_finish():
        metrics = workshop.distill(
            "distilbert",
            teacher=workshop.masked_lm("teacher"),
            student="1x24",
            unlabeled=workshop.corpus(),
            also=WITHIN,
        )
    run = workshop.path("run")
    assert steps_of(run) == ["teacher", "init", "general", "task_init", "distill"]
    assert terms_of(workshop, "general") == {"masked_prediction", "masked_lm", "cosine"}
    assert terms_of(workshop, "distill") == {"prediction", "gold", "cosine"}
    assert metrics["general"]["updates"] == 5
    learnt, begun = (
        trained(run, "general"),
        load_file(stage(run, "task_init") / "result" / "model" / "model.safetensors"),
    )
    shared = [name for name in begun if "encoder.layer" in name or "embeddings" in name]
    assert shared
    assert all(torch.equal(learnt[name], begun[name]) for name in shared)


def test__a_regression_student_learns_scores_of_both_kinds(workshop):
    with quick_finish():
        assert "pearson" in workshop.distill("distilbert", **workshop.splits(ratings))["student"]["dev"]
    assert terms_of(workshop, "distill") == {"prediction", "gold", "cosine"}


@pytest.fixture
def untrained(monkeypatch):
    monkeypatch.setattr(fit, "update", lambda *_: pytest.fail("trained"))


@pytest.mark.usefixtures("untrained")
@pytest.mark.parametrize("dry_run", [True, False])
def test__another_width_is_refused_before_the_teacher_is_trained(workshop, dry_run):
    with pytest.raises(UserError, match=r"^student: width 12, but distilbert .*; take --student 2x24$"):
        workshop.distill("distilbert", student="2x12", dry_run=dry_run)
    assert workshop.distill("distilbert", student="2x12", dry_run=True, also=("objective.cosine=0",))["stages"]


@pytest.mark.usefixtures("untrained")
@pytest.mark.parametrize("dry_run", [True, False])
def test__plain_text_needs_masked_lm_heads_of_one_table(workshop, dry_run):
    given = {"unlabeled": workshop.corpus(), "also": WITHIN, "dry_run": dry_run}
    workshop.model("headless", classes=CLASSES)
    with pytest.raises(UserError, match=r"headless has no masked-LM head .*; take one that has, or leave out general"):
        workshop.distill("distilbert", teacher=workshop.path("headless"), **given)
    teacher, spare = workshop.masked_lm("teacher"), workshop.masked_lm("spare")
    config = read(spare / "config.json")
    (spare / "config.json").write_text(json.dumps(config | {"vocab_size": config["vocab_size"] + 8}))
    with pytest.raises(
        UserError, match=r"the table of .*spare has \d+ pieces, the teacher's \d+; take a shape, or leave"
    ):
        workshop.distill("distilbert", teacher=teacher, student=spare, **given)
