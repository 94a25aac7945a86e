"""The dry run: trains and writes nothing, and says everything that is wrong at once."""

import json

import pytest

from augment.worlds import french
from recipes.workshop import Workshop, reviews, with_other_pieces
from tinybert import cli, plan
from tinybert.engine import fit
from tinybert.errors import UserError


@pytest.fixture
def workshop(tmp_path, tiny_tokenizer, monkeypatch):
    monkeypatch.setattr(fit, "update", lambda *_: pytest.fail("a dry run trained"))
    made = Workshop(tmp_path, tiny_tokenizer)
    made.model()
    made.splits()
    return made


def problems(workshop, recipe="tinybert", **changes):
    before = sorted(workshop.folder.rglob("*"))
    with pytest.raises(UserError) as refused:
        workshop.distill(recipe, dry_run=True, **changes)
    assert [path for path in sorted(workshop.folder.rglob("*")) if path not in before] == []
    return refused.value.problems


def test__a_plan_names_sizes_rows_stages_and_time_and_leaves_nothing_behind(workshop):
    before = sorted(workshop.folder.rglob("*"))
    found = workshop.distill(dry_run=True)
    assert sorted(workshop.folder.rglob("*")) == before
    assert found["teacher"] == {"layers": 4, "width": 24, "heads": 3, "inner": 41}
    assert found["student"] == {"layers": 2, "width": 12, "heads": 3, "inner": 48}
    assert found["rows"] == {"train": 24, "dev": 12, "test": 12}
    assert [(stage["name"], stage["updates"]) for stage in found["stages"]] == [
        ("teacher", 6),
        ("intermediate", 6),
        ("prediction", 6),
    ]
    assert found["seconds"] == sum(stage["seconds"] for stage in found["stages"])
    assert found["disk_mb"] >= 0
    assert found["memory_mb"] >= 0


def test__a_teacher_with_a_head_is_not_planned_to_be_trained(workshop):
    workshop.model(classes=("neg", "pos"))
    found = workshop.distill(dry_run=True, also=("prediction.max_steps=4",))
    assert [(stage["name"], stage["updates"]) for stage in found["stages"]] == [("intermediate", 6), ("prediction", 4)]


def test__a_long_vocabulary_is_weighed(workshop, monkeypatch):
    assert not [note for note in workshop.distill(dry_run=True)["notes"] if "pieces are" in note]
    monkeypatch.setattr(plan, "MANY_PIECES", 100)
    [note] = [note for note in workshop.distill(dry_run=True)["notes"] if "pieces are" in note]
    pieces = max(workshop.tokenizer.get_vocab().values()) + 1
    weighs = f"{4 * pieces * 12 / 1e6:.0f} of its"
    assert note.startswith(f"student: the vectors of {pieces} pieces are {weighs}")
    assert "student.vocabulary=train" in note


def stages(plan):
    return [stage["name"] for stage in plan["stages"]]


def test__whatever_a_recipe_does_besides_is_planned_too(workshop):
    workshop.model(classes=("neg", "pos"))
    mlm, source = workshop.masked_lm(), workshop.data("source.tsv", reviews(40, seed=9))
    adapted = ("augment.method=bert_glove", "augment.adapt=true", "augment.copies=2")
    assert stages(workshop.distill(dry_run=True, mlm=mlm, also=adapted))[:2] == ["masked_lm", "augment"]
    conditional = ("augment.method=cbert", "augment.copies=2")
    assert stages(workshop.distill(dry_run=True, mlm=mlm, also=conditional))[:2] == ["cbert", "augment"]
    assistant = workshop.distill("minilm", dry_run=True, student="2x12", also=("objective.assistant=true",))
    assert stages(assistant) == ["assistant", "intermediate", "prediction"]
    trained = ("l2a.train_generator=true", "l2a.balanced=true", "l2a.target_samples=3", "l2a.source_text=both")
    found = workshop.distill("l2a", dry_run=True, mlm=mlm, source=source, also=trained)
    assert stages(found) == ["pool", "generator", "distill"]
    assert found["rows"]["source"] == 40
    assert found["stages"][2]["updates"] == 2 * (2 * 24 * 4) // 8  # the source is repeated until it is as large


def test__what_a_run_would_refuse_later_is_told_now(workshop):
    strange = with_other_pieces(workshop.model("strange", layers=2, width=12))
    assert problems(workshop, student=strange) == (
        f"student: the vocabulary of {strange} is not the teacher's; what is learnt is compared piece by piece; take "
        "another student, or pkd, which compares whole texts",
    )
    hollow = workshop.model("hollow", layers=2, width=12)
    (hollow / "model.safetensors").unlink()
    (line,) = problems(workshop, student=hollow)
    assert line.startswith(f"{hollow / 'model.safetensors'}: no such file")
    (line,) = problems(workshop, teacher=workshop.model("scorer", classes=()))
    assert "the head has 1 output(s); the data has neg, pos" in line
    (line,) = problems(workshop, student=workshop.model("three", classes=("a", "b", "c"), layers=2, width=12))
    assert "the head has a, b, c; the data has neg, pos" in line


@pytest.mark.parametrize("dry_run", [True, False])
def test__a_teacher_whose_head_contradicts_its_configuration_is_refused(workshop, dry_run):
    teacher = workshop.model("teacher", classes=("neg", "pos"))
    config = json.loads((teacher / "config.json").read_text())
    names = {"0": "neg", "1": "pos", "2": "neutral"}
    (teacher / "config.json").write_text(json.dumps(config | {"id2label": names}))
    with pytest.raises(UserError) as refused:
        workshop.distill(dry_run=dry_run)
    said = "config.json names 3 outputs of the head, model.safetensors holds 2; correct id2label, or give another model"
    assert refused.value.problems == (f"{teacher}: {said}",)


@pytest.mark.parametrize("dry_run", [True, False])
def test__a_teacher_of_pairs_is_refused_for_single_texts(workshop, dry_run):
    teacher = workshop.model("teacher", classes=("neg", "pos"))
    config = json.loads((teacher / "config.json").read_text())
    (teacher / "config.json").write_text(json.dumps(config | {"text_pairs": True}))
    with pytest.raises(UserError, match=r"train.tsv: has single texts, but \S*teacher learnt pairs of texts; name"):
        workshop.distill(dry_run=dry_run)


@pytest.mark.parametrize("dry_run", [True, False])
def test__a_missing_teacher_in_a_folder_that_is_there_is_told_at_once(workshop, dry_run, monkeypatch):
    monkeypatch.chdir(workshop.folder)
    (workshop.folder / "runs").mkdir()
    with pytest.raises(UserError) as refused:
        workshop.distill(teacher="runs/teacher", dry_run=dry_run)
    said = f"{workshop.folder}/runs/teacher: no such folder, and the hub is not asked, since runs is a folder here"
    assert refused.value.problems == (said,)


def test__texts_to_adapt_to_are_read(workshop):
    workshop.masked_lm()
    more = {"also": ("augment.method=bert_glove", "augment.adapt=true"), "mlm": workshop.path("mlm")}
    texts = workshop.data("texts.tsv", [{"words": "it is a film"}])
    (line,) = problems(workshop, **more, unlabeled=texts)
    assert str(texts) in line
    assert "text" in line


def test__a_checkpoint_that_is_only_fine_tuned_reads_its_own_pieces(workshop):
    strange = with_other_pieces(workshop.model("strange", layers=2, width=12))
    found = workshop.distill("fine_tune", dry_run=True, student=strange)
    assert found["teacher"] is None


def test__heads_may_differ_where_attention_is_not_learnt(workshop):
    other = workshop.model("student", layers=2, width=12, heads=2)
    (line,) = problems(workshop, "augmented_kd", student=other)
    assert "2 heads cannot learn from the teacher's 3" in line
    assert workshop.distill("augmented_kd", dry_run=True, also=("objective.attention=false",), student=other)["stages"]


def test__fine_tuning_is_one_stage_with_or_without_an_origin(workshop):
    checkpoint = workshop.model("general", layers=2, width=12)
    for found in (
        workshop.distill("fine_tune", dry_run=True),
        workshop.distill("fine_tune", dry_run=True, teacher=None, student=checkpoint),
    ):
        assert [stage["name"] for stage in found["stages"]] == ["fine_tune"]


def test__a_second_domain_is_counted_and_planned(workshop):
    source = workshop.data("source.tsv", [*reviews(40, seed=9), {"text": "it is a film", "label": "meh"}])
    found = workshop.distill("fine_tune", dry_run=True, source=source)
    assert found["rows"] == {"train": 24, "dev": 12, "test": 12, "source": 41}
    assert [(stage["name"], stage["updates"]) for stage in found["stages"]] == [
        ("fine_tune_source", 10),
        ("fine_tune", 6),
    ]


def test__a_second_domain_without_labels_is_a_problem(workshop):
    (line,) = problems(workshop, "fine_tune", source=workshop.data("bare.tsv", [{"text": "a film"}]))
    assert line.startswith("--source: no row has a label of this task")


def test__everything_wrong_is_said_at_once_a_line_each(workshop):
    rows = reviews(12)
    rows[4]["label"] = "meh"
    said = problems(
        workshop,
        student="2x13",
        also=("data.max_length=900",),
        device="abacus",
        dev=workshop.data("odd.tsv", rows),
    )
    assert len(said) == 4
    assert all("\n" not in line for line in said)
    assert any(line.startswith("--device abacus: ") for line in said)
    assert any("3 heads do not divide width 13" in line for line in said)
    assert f"data.max_length: 900 pieces, but {workshop.path('teacher')} reads at most 130" in said
    assert any("odd.tsv:6: unknown label 'meh'; known are: neg, pos" in line for line in said)


def test__all_missing_files_are_named(workshop):
    said = problems(workshop, dev="nowhere/dev.tsv", test="nowhere/test.tsv")
    assert [line.split(":")[0] for line in said] == ["nowhere/dev.tsv", "nowhere/test.tsv"]


def test__a_missing_teacher_and_bad_data_are_both_told(workshop):
    said = problems(workshop, teacher="./no-teacher", dev="nowhere/dev.tsv")
    assert any("no-teacher: no such folder" in line for line in said)
    assert any("nowhere/dev.tsv: no such file" in line for line in said)
    assert len(said) == len(set(said)) == 2


def test__a_folder_of_somebody_else_is_told_before_the_night(workshop):
    workshop.path("thesis").mkdir()
    (workshop.path("thesis") / "chapter.txt").write_text("mine")
    (line,) = problems(workshop, output=workshop.path("thesis"))
    assert "holds no run of tinybert" in line


@pytest.mark.parametrize(("what", "value"), [("disk", 0), ("memory", 0)])
def test__too_little_disk_or_memory_is_a_problem(workshop, monkeypatch, what, value):
    from types import SimpleNamespace

    if what == "disk":
        monkeypatch.setattr(plan.shutil, "disk_usage", lambda _: SimpleNamespace(free=value))
    else:
        monkeypatch.setattr(plan.psutil, "virtual_memory", lambda: SimpleNamespace(available=value))
    (line,) = problems(workshop)
    assert ("--output" if what == "disk" else "memory:") in line
    assert "GB needed, 0.0 GB free" in line


def test__the_command_exits_with_2_and_a_line_per_problem(workshop, capsys):
    line = ["distill", "tinybert", "--train", "a.tsv", "--dev", "b.tsv", "--teacher", str(workshop.path("teacher"))]
    assert cli.main([*line, "--student", "2x12", "--output", str(workshop.path("run")), "--dry-run"]) == 2
    said = [text for text in capsys.readouterr().err.splitlines() if text.startswith("tinybert: ")]
    assert said == ["tinybert: a.tsv: no such file", "tinybert: b.tsv: no such file"]


def test__data_in_memory_are_planned_too(workshop):
    found = workshop.distill(dry_run=True, train=reviews(10), dev=None, test=None)
    assert sum(found["rows"].values()) == 10


def test__texts_of_another_language_are_noted(workshop):
    train = workshop.data("french.tsv", french(24))
    found = workshop.distill(dry_run=True, train=train, also=("augment.method=eda",))
    assert [note for note in found["notes"] if "eda is for English, and only" in note]
