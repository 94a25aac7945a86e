"""A file of scores as the teacher: the same student as from the network that gave them."""

import json

import numpy as np
import pytest

import tinybert
from recipes.workshop import CLASSES, FP32, inputs_of, ratings, read, reviews, trained
from tinybert.errors import UserError

PREDICTIONS = ("objective.beta=0", "objective.alpha=.7", "distill.temperature=2")


def scores_of(workshop, rows):
    """What a teacher's `predict` writes."""
    path = workshop.path("scores.jsonl")
    said = tinybert.predict(workshop.path("teacher"), data=rows)
    path.write_text("".join(f"{json.dumps(row)}\n" for row in said))
    return path


@pytest.mark.parametrize(
    ("recipe", "also", "make", "classes"),
    [
        ("pkd", PREDICTIONS, reviews, CLASSES),
        ("pkd", PREDICTIONS, ratings, ()),
        ("augmented_kd", ("objective.attention=false", "objective.hidden=false"), reviews, CLASSES),
    ],
)
def test__the_student_is_that_of_the_network_which_gave_the_scores(workshop, recipe, also, make, classes):
    workshop.model(classes=classes)
    student = workshop.model("start", layers=2, width=24)
    data = {**workshop.splits(make), "student": student}
    scores = scores_of(workshop, workshop.path("train.tsv"))
    workshop.distill(recipe, **data, also=(*also, *FP32), output=workshop.path("network"))
    given = {**data, "teacher": None, "teacher_scores": scores, "also": (*also, "run.dtype=fp32")}
    given["output"] = workshop.path("file")
    metrics = workshop.distill(recipe, **given)
    one, other = (trained(workshop.path(run), "distill") for run in ("network", "file"))
    for name, weights in one.items():
        if "key.bias" not in name:  # whose gradient is rounding alone, which AdamW makes large
            np.testing.assert_allclose(other[name], weights, atol=2e-5, err_msg=name)
    assert "teacher" not in metrics
    assert metrics["teacher_scores"]["train"].keys() == metrics["student"]["dev"].keys()
    assert "scores in scores.jsonl" in (workshop.path("file") / "README.md").read_text()
    assert workshop.distill(recipe, **given, dry_run=True)["teacher"] is None
    assert workshop.distill(recipe, **given) == metrics
    changed = [json.loads(line) for line in scores.read_text().splitlines()]
    with pytest.raises(UserError, match="teacher: changed since stage distill"):
        workshop.distill(recipe, **given | {"teacher_scores": changed[::-1]})


def test__a_bilstm_learns_from_rows_that_were_split(workshop):
    teacher = workshop.model()  # without a head: only the origin of the vocabulary
    logits = [{"neg": float(row), "pos": 0.0} for row in range(24)]
    given = {"teacher": teacher, "teacher_scores": logits, "dev": None, "data": {"scores": "logits"}, "test": None}
    metrics = workshop.distill("bilstm_soft", also=("run.dtype=fp32",), **given)
    assert metrics["data"]["rows"] == {"train": 22, "dev": 2}
    assert "examples" in inputs_of(workshop.path("run"), "distill")
    assert "augmentation" not in metrics
    log = read(workshop.path("run") / "metrics.jsonl")
    assert {line["stage"] for line in log} == {"distill"}


@pytest.mark.usefixtures("untrained")
@pytest.mark.parametrize("dry_run", [True, False])
@pytest.mark.parametrize(
    ("recipe", "given", "why"),
    [
        ("pkd", {}, r"--teacher-scores: objective\.beta=100 learns from layers; set objective\.beta=0"),
        (
            "augmented_kd",
            {},
            r"the recipe learns from the last layer; set objective\.attention=false and objective\.hid",
        ),
        ("tinybert", {"mlm": None}, r"--teacher-scores: the recipe learns from layers .*; take pkd with objective.be"),
        ("fine_tune", {}, r"--teacher-scores: the recipe fine_tune learns from no teacher; leave it out"),
        ("bilstm_soft", {"set": ("augment.copies=3",)}, r"--set augment\.copies=3: copies have no scores in"),
        ("bilstm_soft", {"unlabeled": [{"text": "it is"}]}, r"--unlabeled: --teacher-scores are of the rows of train"),
        ("bilstm_soft", {"teacher_scores": [{"neg": 0, "pos": 1}] * 23}, r"23 rows of scores, but train has 24; give"),
        ("bilstm_soft", {"teacher": None}, r"--student 2x12 is a shape; --teacher says what it is cut out of"),
        ("bilstm_soft", {"set": ("teacher.accept_weak=true",)}, r"the teacher is the file of --teacher-scores"),
    ],
)
def test__what_a_file_of_scores_cannot_teach_is_refused(workshop, recipe, given, why, dry_run):
    workshop.model(layers=4)
    usual = {"teacher_scores": [{"neg": 0.5, "pos": 0.5}] * 24}
    with pytest.raises(UserError, match=why):
        workshop.distill(recipe, **usual | given, dry_run=dry_run)
