"""BiLSTM_SOFT: its loss, pairs and scores, word vectors, the resume, and what is refused before anything is trained."""

import pytest
import torch
from safetensors.torch import load_file

from recipes.workshop import (
    equal,
    on_one_processor,
    pairs,
    quick_finish,
    ratings,
    read,
    stage,
    trained,
)
from tinybert import evaluate, predict
from tinybert.engine import fit
from tinybert.errors import UserError
from tinybert.models.loading import load_classifier
from tinybert.recipes import bilstm_soft
from tinybert.tasks.classification import Classification
from tinybert.types import LOGITS, Trace

pytestmark = pytest.mark.usefixtures("processor")


@on_one_processor
@pytest.mark.parametrize("gold_weight", [0.0, 0.25])
def test__the_loss_is_that_of_the_paper(make_batch, gold_weight):
    config = bilstm_soft.Config(objective=bilstm_soft.ObjectiveSettings(gold_weight))
    batch, student = make_batch(), torch.tensor([[1.0, -1.0], [0.0, 0.0], [2.0, 0.5]])
    terms = bilstm_soft.loss(config, Classification(("no", "yes"))).terms(
        Trace({LOGITS: student}), Trace({LOGITS: student + torch.tensor([3.0, 4.0])}), batch
    )
    assert terms["prediction"].tolist() == pytest.approx([25 * (1 - gold_weight)] * 3)
    assert ("gold" in terms) == (gold_weight > 0)
    with pytest.raises(ValueError, match="gold_weight must be from 0 to below 1"):
        bilstm_soft.ObjectiveSettings(1.0)


def test__pairs_are_read_siamese_and_answered_by_the_saved_student(headed):
    with quick_finish():
        headed.distill("bilstm_soft", **headed.splits(pairs))
    run = headed.path("run")
    assert load_classifier(run / "student").model.config.separator == headed.tokenizer.sep_token_id
    said = [answer["label"] for answer in read(run / "predictions.jsonl")]
    assert [one["label"] for one in predict(run, data=headed.path("test.tsv"))] == said
    assert evaluate(run, data=headed.path("test.tsv"))["rows"] == len(said)


def test__a_score_is_learnt_from_the_teachers(headed):
    headed.model(classes=())
    with quick_finish():
        metrics = headed.distill("bilstm_soft", **headed.splits(ratings), also=("objective.gold_weight=.5",))
    assert "pearson" in metrics["student"]["dev"]


def test__interrupted_it_ends_with_the_same_bits(headed, monkeypatch):
    real, left = fit.update, [5]

    def dying(learner, *others):
        left[0] -= learner.artifact.name == "distill"
        if not left[0]:
            raise KeyError
        return real(learner, *others)

    with quick_finish():
        headed.distill("bilstm_soft", output=headed.path("whole"))
        monkeypatch.setattr(fit, "update", dying)
        with pytest.raises(KeyError):
            headed.distill("bilstm_soft")
        headed.distill("bilstm_soft")
    assert equal(trained(headed.path("run"), "distill"), trained(headed.path("whole"), "distill"))


def test__pieces_that_are_words_start_as_their_vectors(headed):
    headed.path("vectors.txt").write_text("film 3 4 0\nnowhere 1 1 1\nGood 0 0 2\n", encoding="utf-8")
    with quick_finish():
        headed.distill("bilstm_soft", vectors=headed.path("vectors.txt"))
    table = load_file(stage(headed.path("run"), "init") / "result" / "model" / "model.safetensors")["embeddings.weight"]
    film, plot = (headed.tokenizer.convert_tokens_to_ids(word) for word in ("film", "plot"))
    assert table.shape[1] == 3
    torch.testing.assert_close(table[film], torch.tensor([0.6, 0.8, 0.0]))
    assert table[plot].abs().min() > 0


@on_one_processor
@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"student": "0x4"}, "student: layers must be at least 1"),
        ({"student": "small"}, "small"),
        ({"also": ("student.heads=2",)}, "student.heads=2: a BiLSTM has nothing of the kind"),
        ({"also": ("distill.temperature=2",)}, "distill.temperature=2: logits are not softened"),
        ({"also": ("data.class_weights=balanced",)}, "data.class_weights=balanced: distances of logits"),
        ({"also": ("student.dropout=1",)}, "student.dropout=1: must be from 0 to below 1"),
    ],
)
def test__what_cannot_be_is_refused_in_one_line(headed, monkeypatch, changes, problem):
    monkeypatch.setattr(fit, "update", lambda *_: pytest.fail("trained"))
    with pytest.raises(UserError, match=rf"(?m)^[^\n]*{problem}[^\n]*$"):
        headed.distill("bilstm_soft", **changes)


@on_one_processor
def test__a_transformer_is_no_student_and_a_bilstm_learns_no_attention(headed, monkeypatch):
    other = headed.model("other", layers=2)
    with pytest.raises(UserError, match=r"other is no BiLSTM; give a shape such as 1x200"):
        headed.distill("bilstm_soft", student=other)
    with quick_finish():
        headed.distill("bilstm_soft")
    student = headed.path("run") / "student"
    with quick_finish():
        headed.distill("bilstm_soft", student=student, output=headed.path("further"))
    monkeypatch.setattr(fit, "update", lambda *_: pytest.fail("trained"))
    with pytest.raises(UserError, match=r"student\.heads: 0 heads cannot learn from the teacher's 3"):
        headed.distill("tinybert", student=student, output=headed.path("wrong"))
    data = {name: headed.data(f"{name}_pairs.tsv", pairs(24)) for name in ("train", "dev", "test")}
    with pytest.raises(UserError, match=r"has pairs, but .* learnt single texts; name the one to read"):
        headed.distill("bilstm_soft", **data, student=student, output=headed.path("paired"))
