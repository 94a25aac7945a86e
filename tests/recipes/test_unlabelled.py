"""Texts without labels, learnt by the teacher's soft targets: beside labelled ones, and alone."""

from math import ceil

import pyarrow.parquet as pq
import pytest

from recipes.workshop import CLASSES, FP32, pairs, ratings, read, reviews, steps_of
from tinybert.errors import UserError

EDA = (*FP32, "augment.method=eda", "augment.copies=1")


def texts(count=16, seed=7, make=reviews):
    return [{name: value for name, value in row.items() if name != "label"} for row in make(count, seed)]


def updates(run, stage):
    return max(line["step"] for line in read(run / "metrics.jsonl") if line["stage"] == stage and "loss" in line)


def test__unlabelled_texts_are_learnt_beside_labelled_ones(workshop, capfd):
    workshop.model(classes=CLASSES)
    metrics = workshop.distill(unlabeled=texts(), also=EDA)
    run = workshop.path("run")
    assert metrics["data"]["rows"] == {"train": 24, "dev": 12, "test": 12, "unlabeled": 16}
    assert metrics["data"]["overlap"]["unlabeled"]["rows"] == 16
    rewritten = pq.read_metadata(run / "augmented" / "augmented.parquet").num_rows  # of labelled texts only
    assert updates(run, "prediction") == 2 * ceil((rewritten + 16) / 8)
    assert "unlabeled: 16 rows without labels" in capfd.readouterr().err
    plan = workshop.distill(unlabeled=texts(), also=EDA, dry_run=True)
    assert {stage["name"]: stage["updates"] for stage in plan["stages"]}["prediction"] == 2 * ceil((48 + 16) / 8)
    with pytest.raises(UserError, match="changed since stage"):
        workshop.distill(unlabeled=texts(seed=8), also=EDA)


def test__a_floor_leaves_out_what_the_teacher_is_not_sure_of(workshop, capfd):
    workshop.model(classes=CLASSES, bias=[0.0, 0.0])  # gives each class one half
    with pytest.raises(
        UserError, match=r"^data\.confidence=0\.9: the teacher is so sure of none of 16 texts; lower it$"
    ):
        workshop.distill("augmented_kd", unlabeled=texts(), also=(*FP32, "data.confidence=.9"))
    workshop.distill("augmented_kd", unlabeled=texts(), also=(*FP32, "data.confidence=.4"))
    assert "unlabeled: the teacher is 0.4 sure or more of 16 of 16 texts" in capfd.readouterr().err
    assert updates(workshop.path("run"), "distill") == 2 * (24 + 16) // 8


@pytest.mark.parametrize(("make", "classes"), [(reviews, CLASSES), (ratings, ())])
def test__without_a_labelled_row_dev_says_how_often_both_agree(workshop, make, classes):
    workshop.model(classes=classes)
    given = {
        "train": None,
        "dev": None,
        "test": None,
        "unlabeled": texts(40, make=make),
        "recipe": "augmented_kd",
        "also": FP32,
    }
    metrics = workshop.distill(**given)
    assert metrics["dev_labels"] == "teacher"
    assert metrics["data"]["rows"] == {"train": 36, "dev": 4}
    assert "dev" in metrics["student"]
    assert "dev" not in metrics["teacher"]
    run = workshop.path("run")
    assert "agrees with it" in (run / "README.md").read_text()
    assert "agrees with it" in (run / "report.html").read_text()
    assert "model-index" not in (run / "student" / "README.md").read_text()
    first = read(run / "predictions.jsonl")[0]
    assert "gold" not in first
    assert "teacher" in first
    assert "augment" not in steps_of(run)
    assert workshop.distill(**given, dry_run=True)["rows"] == {"train": 36, "dev": 4}


def test__without_a_labelled_row_for_training_dev_and_test_may_still_have_labels(workshop):
    workshop.model(classes=CLASSES)
    metrics = workshop.distill("bilstm_soft", train=None, unlabeled=texts(), also=FP32)
    assert "dev_labels" not in metrics
    assert {"dev", "test"} <= metrics["teacher"].keys()


@pytest.mark.usefixtures("untrained")
@pytest.mark.parametrize("dry_run", [True, False])
@pytest.mark.parametrize(
    ("given", "also", "why"),
    [
        ({}, ("augment.method=eda",), r"--set augment.method=eda: there is no --train, and texts of --unlabeled are"),
        ({}, ("data.per_class=3",), r"data\.per_class: goes by the labels of --train, which is missing; leave it out"),
        ({"teacher": "headless"}, (), r"--train is missing: .* has no task head, so that nobody knows labels"),
        ({"mlm": "mlm"}, (), r"--mlm: no text is rewritten in this run; leave it out"),
        ({"unlabeled": texts(make=pairs), "train": reviews(9)}, (), r"unlabeled has pairs, but train has single texts"),
        ({"recipe": "minilm"}, (), r"--train is missing: the student learns from labelled texts, and from plain text"),
        ({"recipe": "minilm", "train": reviews(9)}, (), r"--unlabeled: the student learns from labelled texts, and"),
        ({"recipe": "bilstm_soft", "student": "1x12"}, ("objective.gold_weight=.5",), r"gold_weight=0\.5 learns gold"),
        ({"unlabeled": None}, (), r"^--train is missing$"),
        (
            {"train": reviews(9), "unlabeled": None, "data": {"confidence": 0.9}},
            (),
            r"only read where texts of --unlabeled",
        ),
        (
            {"train": ratings(9), "teacher": "scorer", "data": {"confidence": 0.9}},
            (),
            r"data\.confidence: only a class has",
        ),
    ],
)
def test__what_cannot_be_learnt_from_unlabelled_texts_is_refused(workshop, given, also, why, dry_run):
    names = {"headless": None, "teacher": CLASSES, "scorer": ()}
    teacher = given.get("teacher", "teacher")
    workshop.model(teacher, classes=names[teacher])
    usual = {"train": None, "dev": None, "test": None, "unlabeled": texts(), "recipe": "tinybert"}
    with pytest.raises(UserError, match=why):
        workshop.distill(**usual | given | {"teacher": workshop.path(teacher)}, also=also, dry_run=dry_run)
