"""The claims of TinyBERT's recipe: its curve, what its settings change, and which teachers and students it takes."""

import json
import os
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForSequenceClassification

import tinybert
from recipes.workshop import FP32, Workshop, equal, on_one_processor, pairs, ratings, read, stage, trained
from tinybert.errors import UserError
from tinybert.layer_maps import layer_map
from tinybert.models.teacher import Teacher
from tinybert.recipes.tinybert import loss
from tinybert.stages.initialisation import InitialStudent, StudentSettings
from tinybert.stages.layers import LayerObjectives

pytestmark = pytest.mark.usefixtures("processor")
CURVE = Path(__file__).parent / "curves" / "tinybert.json"
REFRESH = "TINYBERT_REFRESH_CURVES"
STEPS = 20


def curve(workshop: Workshop) -> dict[str, dict[str, list[float]]]:
    """Loss and terms of the first steps of both stages; everything random is drawn, nothing is decomposed."""
    first = [f"{name}.{key}" for name in ("intermediate", "prediction") for key in (f"max_steps={STEPS}", "epochs=7")]
    workshop.model(classes=("neg", "pos"))
    workshop.distill(also=(*first, "student.init=random", *FP32, "teacher.accept_weak=true"))
    found: dict[str, dict[str, list[float]]] = {}
    for line in read(workshop.path("run") / "metrics.jsonl"):
        if "loss" in line:
            terms = found.setdefault(line["stage"], {})
            for name, value in {"loss": line["loss"], **line["terms"]}.items():
                terms.setdefault(name, []).append(value)
    return found


def test__twenty_steps_follow_the_committed_curve(workshop):
    found = curve(workshop)
    if os.environ.get(REFRESH):
        about = (
            "Losses of the first 20 updates of each stage. A change here is a change of what the recipe learns: "
            f"make it on purpose only, with {REFRESH}=1 pytest tests/recipes/test_tinybert.py -k curve, "
            "and say why in the commit."
        )
        CURVE.write_text(json.dumps({"about": about, **found}, indent=1) + "\n")
        pytest.skip("the curve was written anew")
    committed = json.loads(CURVE.read_text())
    assert set(found) == set(committed) - {"about"} == {"intermediate", "prediction"}
    for name, terms in found.items():
        assert set(terms) == set(committed[name])
        for term, values in terms.items():
            assert len(values) == STEPS
            assert values == pytest.approx(committed[name][term], rel=1e-4), f"{name}, {term}"


def an_objective(tiny_bert, **settings):
    student, teacher = tiny_bert(2, 12), Teacher(tiny_bert(4, 24), "fp32", torch.device("cpu"))
    return loss(InitialStudent(student, None), teacher, StudentSettings("2x12", **settings), seed=3)


@on_one_processor
@pytest.mark.parametrize(
    ("name", "layers"), [("uniform", {2, 4}), ("top", {3, 4}), ("bottom", {1, 2}), ("last", {4}), ((1, 4), {1, 4})]
)
def test__the_layer_map_decides_which_teacher_layers_teach(tiny_bert, name, layers):
    needs = an_objective(tiny_bert, layer_map=name).needs_teacher
    assert {signal.layer for signal in needs if signal.kind == "attention_scores"} == layers
    assert {signal.layer for signal in needs if signal.kind == "hidden_states"} == {0} | layers
    assert {g for _, g in layer_map(name, 2, 4).pairs} == layers


@on_one_processor
@pytest.mark.parametrize(("projection", "matrices"), [("embedding_and_hidden", 2), ("shared", 1), ("per_layer", 3)])
def test__the_projection_decides_how_many_maps_are_learnt(tiny_bert, projection, matrices):
    assert [tuple(one.shape) for one in an_objective(tiny_bert, projection=projection).parameters()] == [
        (24, 12)
    ] * matrices


@on_one_processor
def test__the_weight_of_attention_touches_no_other_term(tiny_bert, make_batch):
    student, teacher = tiny_bert(2, 12), Teacher(tiny_bert(4, 24), "fp32", torch.device("cpu"))
    batch = make_batch((5, 3))
    plain, light = (an_objective(tiny_bert, attention_weight=weight) for weight in (1.0, 0.25))
    shown = student.observe(batch, plain.needs_student), teacher.observe(batch, plain.needs_teacher)
    expected = plain.terms(*shown, batch)
    expected["attention"] = expected["attention"] / 4
    assert all(torch.equal(values, expected[name]) for name, values in light.terms(*shown, batch).items())
    with pytest.raises(ValueError, match="attention_weight must be positive and finite, got 0"):
        StudentSettings(attention_weight=0.0)


ALL = frozenset({"embedding", "hidden", "attention"})


@on_one_processor
@pytest.mark.parametrize(
    "left_out", [set(), {"embedding"}, {"hidden"}, {"attention"}, {"hidden", "attention"}, ALL - {"attention"}]
)
def test__an_objective_that_is_off_leaves_the_others_as_they_are(tiny_bert, make_batch, left_out):
    student, teacher = tiny_bert(2, 12), Teacher(tiny_bert(4, 24), "fp32", torch.device("cpu"))
    on = LayerObjectives(**dict.fromkeys(left_out, False))
    how = (InitialStudent(student, torch.ones(24, 12)), teacher, StudentSettings("2x12"), 3)
    whole, part, batch = loss(*how), loss(*how, on), make_batch((5, 3))
    shown = student.observe(batch, whole.needs_student), teacher.observe(batch, whole.needs_teacher)
    expected, found = whole.terms(*shown, batch), part.terms(*shown, batch)
    assert set(found) == ALL - left_out == set(expected) - left_out
    assert all(torch.equal(values, expected[name]) for name, values in found.items())
    kinds = {signal.kind for signal in part.needs_teacher}
    assert ("attention_scores" in kinds) == ("attention" not in left_out)


def test__without_task_distillation_gold_labels_are_all_that_is_learnt(workshop):
    """The teacher's answers change nothing then; the stage of layers is not there, and its settings are refused."""
    workshop.model(classes=("neg", "pos"))
    off = tuple(f"objective.{name}=false" for name in (*ALL, "prediction"))
    start = workshop.model("general", layers=2, width=12)
    for name, bias in (("one", [0.0, 1.0]), ("other", [1.0, 0.0])):
        teacher = workshop.model(name, classes=("neg", "pos"), bias=bias)
        also = (*off, "teacher.accept_weak=true")
        workshop.distill(teacher=teacher, student=start, output=workshop.path(f"run_{name}"), also=also)
    assert [path.name.rsplit("-", 1)[0] for path in (workshop.path("run_one") / "stages").glob("intermediate*")] == []
    one, other = (trained(workshop.path(f"run_{name}"), "prediction") for name in ("one", "other"))
    assert equal(one, other)
    with pytest.raises(UserError, match=r"prediction\.temperature=2: objective\.prediction=false does not read it"):
        workshop.distill(also=(*off, "prediction.temperature=2"), output=workshop.path("refused"))


@on_one_processor
def test__layer_map_and_projection_change_what_is_learnt(workshop):
    """From the same random start on; the prediction stage has not begun to differ yet."""
    workshop.model(classes=("neg", "pos"))
    runs = {"usual": (), "map": ("student.layer_map=bottom",), "projection": ("student.projection=per_layer",)}
    for name, also in runs.items():
        workshop.distill(output=workshop.path(name), also=("student.init=random", *also), test=None)
    started, learnt = (
        {name: sha(stage(workshop.path(name), which) / "result" / file) for name in runs}
        for which, file in (("init", "model/model.safetensors"), ("intermediate", "student.safetensors"))
    )
    assert len(set(started.values())) == 1
    assert len(set(learnt.values())) == 3


def sha(path: Path) -> str:
    from tinybert.files import sha256_file

    return sha256_file(path)


@on_one_processor
def test__regression_learns_the_teachers_score_and_not_the_gold_one(workshop):
    """Other gold scores, same texts, same teacher: the same student to the bit."""
    workshop.model(classes=())
    rows = ratings(24, 1)
    shuffled = [{**row, "label": other["label"]} for row, other in zip(rows, reversed(rows), strict=True)]
    splits = workshop.splits(ratings)
    runs = {name: workshop.path(name) for name in ("ours", "theirs")}
    metrics = workshop.distill(output=runs["ours"])
    workshop.distill(output=runs["theirs"], train=workshop.data("shuffled.tsv", shuffled))
    assert splits["train"] != workshop.path("shuffled.tsv")
    assert equal(trained(runs["ours"], "prediction"), trained(runs["theirs"], "prediction"))
    assert metrics["classes"] == []
    assert set(metrics["student"]["test"]) == {"pearson", "spearman"}
    assert "confusion" not in metrics


@on_one_processor
def test__regression_without_a_head_teaches_after_fine_tuning(workshop):
    workshop.splits(ratings)
    metrics = workshop.distill(also=("fine_tune.epochs=1",))
    answers = read(workshop.path("run") / "predictions.jsonl")
    assert all(isinstance(answer["score"], float) and "label" not in answer for answer in answers)
    assert set(metrics["teacher"]["dev"]) == {"pearson", "spearman"}
    config = read(workshop.path("run") / "student" / "config.json")
    assert config["problem_type"] == "regression"


@on_one_processor
def test__pairs_are_learnt_as_pairs(workshop):
    workshop.model(classes=("neg", "pos"))
    workshop.splits(pairs)
    workshop.distill()
    rows = read(workshop.path("run") / "predictions.jsonl")
    assert all(row["text"] and row["pair"] for row in rows)
    swapped = [{"text_a": row["pair"], "text_b": row["text"]} for row in rows]
    (first, turned) = (
        [answer["scores"]["pos"] for answer in tinybert.predict(workshop.path("run"), data=data)]
        for data in ([{"text_a": row["text"], "text_b": row["pair"]} for row in rows], swapped)
    )
    assert first == pytest.approx([row["scores"]["pos"] for row in rows], abs=1e-6)
    assert first != pytest.approx(turned, abs=1e-6)
    for model in (workshop.path("run"), workshop.path("run") / "export"):
        with pytest.raises(UserError, match=r"has single texts, but .* learnt pairs of texts"):
            list(tinybert.predict(model, data=[{"text": "a good film"}]))


@on_one_processor
def test__the_classes_of_a_teachers_head_are_matched_by_name(workshop):
    """The head says pos, neg; sorted, the data would say neg, pos."""
    teacher = workshop.model(classes=("Pos", "neg"), bias=[2.0, 1.0])
    before = sha(teacher / "model.safetensors")
    metrics = workshop.distill()
    assert metrics["classes"] == ["Pos", "neg"]
    assert AutoModelForSequenceClassification.from_pretrained(workshop.path("run") / "student").config.id2label == {
        0: "Pos",
        1: "neg",
    }
    answers = read(workshop.path("run") / "predictions.jsonl")
    assert {answer["teacher"] for answer in answers} == {"Pos"}
    assert {answer["gold"] for answer in answers} == {"Pos", "neg"}
    assert metrics["teacher"]["test"]["accuracy"] == 0.5
    assert not (workshop.path("run") / "teacher").exists()
    assert sha(teacher / "model.safetensors") == before


@on_one_processor
def test__numbers_as_the_names_of_a_teachers_classes_are_names(workshop):
    teacher = workshop.model(classes=("0", "1"))
    config = read(teacher / "config.json")
    (teacher / "config.json").write_text(json.dumps(config | {"id2label": {"0": 0, "1": 1}}))
    metrics = workshop.distill(also=('data.label_map={"neg": "0", "pos": "1"}',))
    assert metrics["classes"] == ["0", "1"]
    assert read(workshop.path("run") / "student" / "config.json")["id2label"] == {"0": "0", "1": "1"}


@on_one_processor
def test__a_head_with_other_classes_is_refused_with_both_lists(workshop):
    workshop.model(classes=("joy", "anger"))
    with pytest.raises(UserError, match=r"train.tsv:2: the labels do not match .*neg, pos; classes: joy, anger"):
        workshop.distill()
    metrics = workshop.distill(also=("data.label_map={pos: joy, neg: anger}",))
    assert metrics["classes"] == ["joy", "anger"]


@on_one_processor
def test__a_student_may_be_a_checkpoint(workshop):
    checkpoint = workshop.model("general", layers=2, width=12, seed=5)
    workshop.model(classes=("neg", "pos"))
    workshop.distill(student=checkpoint)
    started = AutoModelForSequenceClassification.from_pretrained(
        stage(workshop.path("run"), "init") / "result" / "model"
    ).state_dict()
    given = AutoModelForSequenceClassification.from_pretrained(checkpoint).state_dict()
    body = [name for name in given if not name.startswith("classifier")]
    assert all(torch.equal(started[name], given[name]) for name in body)
    assert not equal(started, trained(workshop.path("run"), "prediction"))


@on_one_processor
@pytest.mark.parametrize(
    ("student", "also", "complaint"),
    [
        ({"layers": 5, "width": 12}, (), "5 layers cannot learn layer by layer from a teacher of 4"),
        ({"layers": 2, "width": 12, "heads": 2}, (), "2 heads cannot learn from the teacher's 3"),
        ("5x12", (), "5 layers cannot learn layer by layer from a teacher of 4"),
        ("2x13", (), r"3 heads do not divide width 13; widths that work: 9, 12, 15"),
        ("2x12", ("student.heads=2",), "2 heads cannot learn from the teacher's 3"),
    ],
)
def test__a_student_that_cannot_learn_from_this_teacher_is_refused(workshop, student, also, complaint):
    if isinstance(student, dict):
        student = workshop.model("general", **student)
    workshop.model(classes=("neg", "pos"))
    with pytest.raises(UserError, match=complaint):
        workshop.distill(student=student, also=also)
    with pytest.raises(UserError, match=complaint):
        workshop.distill(student=student, also=also, dry_run=True, output=workshop.path("nowhere"))


@on_one_processor
def test__a_student_with_another_vocabulary_is_refused(workshop):
    workshop.model(classes=("neg", "pos"))
    other = workshop.model("general", layers=2, width=12)
    vocabulary = json.loads((other / "tokenizer.json").read_text())
    pieces = vocabulary["model"]["vocab"]
    pieces["film"], pieces["movie"] = pieces["movie"], pieces["film"]
    (other / "tokenizer.json").write_text(json.dumps(vocabulary))
    with pytest.raises(UserError, match=r"the vocabulary of .*general is not the teacher's"):
        workshop.distill(student=other)


@on_one_processor
def test__few_labels_and_dev_from_train(workshop):
    workshop.model(classes=("neg", "pos"))
    metrics = workshop.distill(dev=None, test=None, also=("data.per_class=5",))
    assert metrics["data"]["rows"] == {"train": 10, "dev": 2}
    assert metrics["evaluated_on"] == "dev"
    assert "test" not in metrics["student"]
    assert any("no --dev" in note for note in metrics["notes"])
