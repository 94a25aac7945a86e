"""The end of a run on networks and texts out of the ordinary."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import tinybert
from recipes.workshop import CLASSES, equal, on_one_processor, quick_finish, read, reviews, trained
from tinybert import predictor
from tinybert.errors import UserError
from tinybert.models.heads import Head
from tinybert.models.loading import load_classifier
from tinybert.stages import finish
from tinybert.tasks.calibration import Decisions, fitted_temperature

pytestmark = [pytest.mark.usefixtures("processor"), on_one_processor]


def test__markup_quotes_and_foreign_letters_reach_the_files_unharmed(workshop):
    rows = reviews(12, seed=3)
    rows[0]["text"], rows[1]["text"] = "<script>alert('good')</script> & bad", 'a "good" film, é 🎬 |'
    workshop.model(classes=CLASSES)
    workshop.distill(test=[dict(row) for row in rows])
    run = workshop.path("run")
    assert [line["text"] for line in read(run / "predictions.jsonl")] == [row["text"] for row in rows]
    assert "<script>alert" not in (run / "report.html").read_text()


@pytest.mark.parametrize("length", [7, 32])
def test__the_export_cuts_where_the_student_learnt_to(length, workshop):
    workshop.model(classes=CLASSES)
    workshop.distill(also=(f"data.max_length={length}",))
    folder = workshop.path("run") / "export"
    assert read(folder / "tokenizer_config.json")["model_max_length"] == length
    assert read(folder / "tokenizer.json")["truncation"]["max_length"] == length
    assert predictor.Predictor.load(folder, None, ()).settings.data.max_length == length


def test__scores_of_the_student_are_calibrated_on_dev_whoever_gives_them(workshop):
    workshop.model(classes=CLASSES)
    metrics = workshop.distill(also=("prediction.lr=0.005",))
    run, dev = workshop.path("run"), workshop.splits()["dev"]
    gold = [line.split("\t")[1] for line in dev.read_text().splitlines()[1:]]
    logits = [np.log([*answer["scores"].values()]) for answer in tinybert.predict(run / "student", data=dev)]
    known = Decisions(np.array(logits), np.array([CLASSES.index(label) for label in gold]))
    assert fitted_temperature(known) == pytest.approx(1, abs=0.01)
    assert not 0.9 < metrics["calibration"]["temperature"] < 1.1
    before = known._replace(logits=known.logits * metrics["calibration"]["temperature"])
    assert np.array_equal(before.logits.argmax(axis=1), known.logits.argmax(axis=1))
    (learnt,) = run.glob("stages/prediction-*/result/student.safetensors")
    ratios = [
        now / load_file(learnt)[f"model.{name}"]
        for name, now in load_file(run / "student" / "model.safetensors").items()
    ]
    changed = [ratio for ratio in ratios if not (ratio == 1).all()]
    assert all(torch.allclose(ratio, torch.tensor(1 / metrics["calibration"]["temperature"])) for ratio in changed)
    assert len(changed) == 2
    assert "How far confidence is from accuracy" in (run / "report.html").read_text()


def test__a_calibrated_student_teaches_and_begins_with_the_logits_it_learnt(workshop):
    workshop.model(classes=CLASSES)
    workshop.distill(also=("prediction.lr=0.01",))
    run, texts = workshop.path("run"), reviews(5)
    (learnt,) = run.glob("stages/prediction-*/result/student.safetensors")
    known = load_file(learnt)
    for head, same in ((None, False), (Head(CLASSES), True)):
        weights = load_classifier(run / "student", head).model.weights()
        assert all(torch.allclose(value, known[f"model.{name}"]) for name, value in weights.items()) == same
    assert "calibration_temperature" not in load_classifier(run / "student", Head(CLASSES)).model.config.to_dict()
    config = run / "student" / "config.json"
    config.write_text(config.read_text().replace('"calibration_temperature": ', '"calibration_temperature": -'))
    with pytest.raises(UserError, match="calibration_temperature must be a positive number"):
        workshop.distill(teacher=run / "student", output=workshop.path("next"))
    assert len(list(tinybert.predict(run / "student", data=texts))) == 5


def test__a_threshold_reaches_what_is_wanted_and_goes_with_the_student(workshop):
    workshop.model(classes=CLASSES)
    metrics = workshop.distill(also=("export.threshold=recall:1", f"data.positive={CLASSES[0]}"), test=None)
    found = metrics["per_label"]["student"][CLASSES[0]]
    assert found["recall"] == 1
    run, dev = workshop.path("run"), workshop.splits()["dev"]
    for folder in ("student", "export"):
        assert read(run / folder / "config.json")["thresholds"] == {CLASSES[0]: found["threshold"]}
    answers = list(tinybert.predict(run / "student", data=dev))
    assert [answer["label"] == CLASSES[0] for answer in answers] == [
        answer["scores"][CLASSES[0]] >= found["threshold"] for answer in answers
    ]
    assert "Label by label" in (run / "report.html").read_text()


def test__a_finish_that_was_broken_off_is_not_taken_for_the_one_before(workshop, monkeypatch):
    workshop.model()
    run = workshop.path("run")
    configs = [run / folder / "config.json" for folder in ("student", "export", "teacher")]
    with quick_finish():
        before = workshop.distill()
        plain = [path.read_text() for path in configs]
        with monkeypatch.context() as patch:
            patch.setattr(finish, "render", lambda *_: pytest.fail("interrupted"))
            with pytest.raises(pytest.fail.Exception):
                workshop.distill(also=("export.threshold=recall:1",))
        assert all("thresholds" in read(path) for path in configs)
        after = workshop.distill()
    assert [path.read_text() for path in configs] == plain
    assert after["student"]["test"] == before["student"]["test"]
    assert read(run / "metrics.json") == after


def test__what_is_missing_of_a_finished_run_is_made_again_and_what_people_wrote_stays(workshop):
    run = workshop.path("run")
    with quick_finish():
        workshop.distill()
        (run / "report.html").write_text("with a remark of mine")
        workshop.distill()
        assert (run / "report.html").read_text() == "with a remark of mine"
        for name in ("student/model.safetensors", "export/tokenizer.json", "export/onnx/model_quantized.onnx"):
            before = (run / name).read_bytes()
            (run / name).unlink()
            workshop.distill()
            assert (run / name).read_bytes() == before
        workshop.distill(also=("run.keep=student",))
        workshop.distill(also=("run.keep=student",))
        (run / "student" / "model.safetensors").write_bytes(b"another")
        with pytest.raises(UserError, match=r"model\.safetensors: missing, or changed since .*; --restart begins anew"):
            workshop.distill(also=("run.keep=student",))


def test__a_last_stage_learns_to_be_rounded_from_the_student_as_it_was(workshop):
    workshop.model(classes=CLASSES)
    with quick_finish():
        workshop.distill(also=("export.qat=true",))
        run = workshop.path("run")
        before, after = trained(run, "prediction"), trained(run, "qat")
        assert before.keys() == after.keys()
        assert not equal(before, after)
        assert all(torch.allclose(value, after[name], atol=0.01) for name, value in before.items())
        kept = load_classifier(run / "student", Head(CLASSES)).model.weights()
        assert all(torch.allclose(value, after[name], atol=1e-6) for name, value in kept.items())
        workshop.distill(also=("export.qat=true",))
    with pytest.raises(UserError, match=r"export\.qat=.*quantisation=dynamic has no fixed ranges"):
        workshop.distill(also=("export.qat=true", "export.quantisation=dynamic"))


def test__a_threshold_is_refused_where_nothing_has_one(workshop):
    workshop.model(classes=("a", "b", "c"))
    rows = [{"text": row["text"], "label": "abc"[n % 3]} for n, row in enumerate(reviews(24))]
    with pytest.raises(UserError, match=r"export\.threshold: only of two classes, or of several labels"):
        workshop.distill(also=("export.threshold=precision:0.9",), train=rows, dev=rows, test=None)


def test__rows_that_were_put_aside_leave_gaps_and_reasons(workshop):
    rows = reviews(12, seed=3)
    rows[4]["text"] = " "
    workshop.model(classes=CLASSES)
    workshop.distill(test=rows, also=("data.skip_bad=0.1",))
    run = workshop.path("run")
    assert [line["row"] for line in read(run / "predictions.jsonl")] == [1, 2, 3, 4, *range(6, 13)]
    (rejected,) = read(run / "rejected.jsonl")
    assert rejected["reason"]


def test__texts_without_labels_are_put_aside_beside_the_others(workshop):
    rows = reviews(24, seed=3)
    rows[4]["text"] = " "
    workshop.masked_lm()
    workshop.model(classes=CLASSES)
    texts = [{"text": "it is a film"}, {"text": ""}, {"text": "a very good plot"}]
    adapt = ("augment.method=bert_glove", "augment.adapt=true", "augment.copies=1", "masked_lm.epochs=1")
    workshop.distill(train=rows, unlabeled=texts, mlm=workshop.path("mlm"), also=("data.skip_bad=0.5", *adapt))
    found = read(workshop.path("run") / "rejected.jsonl")
    assert [(row["file"], row["row"]) for row in found] == [("train", 5), ("unlabeled", 2)]


def test__the_class_called_positive_is_part_of_the_figures_not_of_the_training(workshop):
    workshop.model()
    first = workshop.distill()
    weights = (workshop.path("run") / "student" / "model.safetensors").read_bytes()
    second = workshop.distill(also=("data.positive=neg",))
    assert (workshop.path("run") / "student" / "model.safetensors").read_bytes() == weights
    assert {
        name for name in first["teacher"]["test"] if first["teacher"]["test"][name] != second["teacher"]["test"][name]
    } <= {"f1"}
    assert first["teacher"]["test"]["macro_f1"] == pytest.approx(
        (first["teacher"]["test"]["f1"] + second["teacher"]["test"]["f1"]) / 2
    )
    run, test = workshop.path("run"), workshop.splits()["test"]
    for name in ("teacher", "student"):
        assert tinybert.evaluate(run / name, data=test)["f1"] == second[name]["test"]["f1"]
        assert tinybert.evaluate(run / name, data=test, set=["data.positive=pos"])["f1"] == first[name]["test"]["f1"]
