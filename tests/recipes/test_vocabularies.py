"""A student with a vocabulary of its own: where it learns as if it shared the teacher's, and where it is refused."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer

import tinybert
from recipes.workshop import (
    CLASSES,
    FP32,
    on_one_processor,
    quick_finish,
    reviews,
    trained,
    with_other_pieces,
)
from tinybert.errors import UserError

pytestmark = pytest.mark.usefixtures("processor")
TABLE = "embeddings.word_embeddings.weight"
PREDICTIONS = ("objective.attention=false", "objective.hidden=false")


def other_way_round(weights, tokenizer):
    """The rows of two letters in each other's places."""
    there = dict(weights)
    (name,) = (name for name in there if name.endswith(TABLE))
    one, other = tokenizer.convert_tokens_to_ids(["a", "b"])
    there[name] = there[name].clone()
    there[name][[one, other]] = weights[name][[other, one]]
    return there


@on_one_processor
@pytest.mark.parametrize(
    ("recipe", "also"),
    [("pkd", ()), ("pkd", ("teacher.cache=off", *FP32)), ("augmented_kd", PREDICTIONS)],
)
def test__numbers_of_pieces_mean_nothing_a_student_learns_the_same_with_others(workshop, recipe, also):
    """A teacher without a head is fine-tuned on its own pieces."""
    width = {"pkd": 24}.get(recipe, 12)
    shared = workshop.model("shared", layers=2, width=width)
    own = with_other_pieces(workshop.model("own", layers=2, width=width))
    given = load_file(shared / "model.safetensors")
    save_file(other_way_round(given, workshop.tokenizer), own / "model.safetensors", {"format": "pt"})
    with quick_finish():
        one, other = (
            workshop.distill(recipe, student=student, output=workshop.path(student.name + "_run"), also=also)
            for student in (shared, own)
        )
    weights = [trained(workshop.path(run), "distill") for run in ("shared_run", "own_run")]
    weights[1] = other_way_round(weights[1], workshop.tokenizer)
    for name, value in weights[0].items():
        assert torch.allclose(value, weights[1][name], atol=1e-6), name
    for system in ("teacher", "student"):
        assert one[system]["dev"] == other[system]["dev"]
        assert one[system]["test"] == other[system]["test"]
    run = workshop.path("own_run")
    numbers = {name: AutoTokenizer.from_pretrained(run / name).get_vocab() for name in ("teacher", "student", "export")}
    assert numbers["teacher"] == workshop.tokenizer.get_vocab()
    assert numbers["student"] == numbers["export"] != numbers["teacher"]
    said = [
        list(tinybert.predict(workshop.path(name), data=[{"text": "a bad film"}])) for name in ("shared_run", "own_run")
    ]
    assert said[0][0]["scores"] == pytest.approx(said[1][0]["scores"], abs=1e-6)


@on_one_processor
@pytest.mark.usefixtures("untrained")
@pytest.mark.parametrize("dry_run", [True, False])
@pytest.mark.parametrize(
    ("recipe", "given", "why"),
    [
        ("tinybert", {}, "; what is learnt is compared piece by piece; take another student, or pkd"),
        ("minilm", {}, "; what is learnt is compared piece by piece"),
        ("augmented_kd", {}, "; layers are compared piece by piece; set objective.attention=false and "),
        ("augmented_kd", {"also": (*PREDICTIONS, "augment.method=eda")}, ", .* rewritten; set augment.method=none"),
        (
            "augmented_kd",
            {"also": PREDICTIONS, "unlabeled": [{"text": "a"}]},
            "; such a student learns from the rows of",
        ),
        ("pkd", {"also": ("data.windows=mean",)}, ", so that their windows differ; set data.windows=off"),
        (
            "pkd",
            {"train": [{"tokens": ["a", "b"], "tags": ["B-A", "O"]}] * 9, "dev": None, "test": None},
            ", and answers are",
        ),
    ],
)
def test__where_pieces_are_compared_or_texts_are_not_rows_of_train_it_is_refused(workshop, recipe, given, why, dry_run):
    workshop.model(classes=None if "train" in given else CLASSES)
    own = with_other_pieces(workshop.model("own", layers=2, width=24 if recipe == "pkd" else 12))
    with pytest.raises(UserError, match=f"the vocabulary of .*own is not the teacher's{why}"):
        workshop.distill(recipe, student=own, **given, dry_run=dry_run)


@on_one_processor
@pytest.mark.usefixtures("untrained")
def test__tinybert_without_layers_compares_whole_texts(workshop):
    workshop.model(classes=CLASSES)
    own = with_other_pieces(workshop.model("own", layers=2, width=12, heads=2))
    no_layers = tuple(f"objective.{part}=false" for part in ("embedding", "hidden", "attention"))
    plan = workshop.distill("tinybert", student=own, also=no_layers, dry_run=True)
    assert [one["name"] for one in plan["stages"]] == ["prediction"]


@on_one_processor
@pytest.mark.parametrize("recipe", ["tinybert", "bilstm_soft"])
def test__a_student_that_lost_pieces_answers_texts_of_the_others_as_before(workshop, recipe):
    """Training is the same: only the finish is done anew."""
    workshop.model(classes=CLASSES)
    whole = workshop.distill(recipe)
    run, texts = workshop.path("run"), [{"text": row["text"]} for row in reviews(24, seed=1)]
    stages, before = sorted((run / "stages").iterdir()), list(tinybert.predict(run / "student", data=texts))
    metrics = workshop.distill(recipe, also=("student.vocabulary=train",))
    assert {path.name for path in stages} <= {path.name for path in (run / "stages").iterdir()}
    assert metrics["teacher"]["test"] == whole["teacher"]["test"]
    kept = metrics["vocabulary"]["pieces"]
    assert kept < metrics["vocabulary"]["before"] == len(workshop.tokenizer)
    assert metrics["student"]["bytes"] < whole["student"]["bytes"]
    assert all(len(AutoTokenizer.from_pretrained(run / folder)) == kept for folder in ("student", "export"))
    sharpness = whole["calibration"]["temperature"] / metrics["calibration"]["temperature"]
    for one, other in zip(before, tinybert.predict(run / "student", data=texts), strict=True):
        first, second = (np.diff(np.log([*answer["scores"].values()])) for answer in (one, other))
        assert second == pytest.approx(first * sharpness, abs=1e-4)
    assert "Pieces of the vocabulary that stayed" in (run / "report.html").read_text()


def test__a_vocabulary_that_cannot_spell_is_refused_before_anything_is_trained(workshop):
    with pytest.raises(UserError, match=r"student.vocabulary=9: special pieces and single characters alone are \d+"):
        workshop.distill(also=("student.vocabulary=9",))
    assert not workshop.path("run").joinpath("teacher").exists()
