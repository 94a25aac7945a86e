"""What holds for every recipe for a task, written once; a new one is covered by its line in `recipes.RECIPES`."""

import json
import math
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnxruntime
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

import reads
import tinybert
from recipes.workshop import (
    REPOSITORY,
    Workshop,
    contents,
    equal,
    made_once,
    pickles,
    quick_finish,
    quickest,
    read,
    stage,
    that_know_their_place,
    with_bf16,
)
from tinybert import cli, launch
from tinybert.config import preset_names, resolve
from tinybert.engine import fit
from tinybert.folders import Record
from tinybert.models.loading import load_classifier
from tinybert.recipes import RECIPES
from tinybert.stages import finish

pytestmark = [pytest.mark.usefixtures("processor"), with_bf16]
FILES = {"config.yaml", "environment.json", "metrics.jsonl", "metrics.json", "predictions.jsonl", "report.html"}
FOLDERS = {"stages", "student", "export"}
SYSTEM = {"dev", "test", "parameters", "bytes", "latency_ms", "threads"}
QUALITY = {"accuracy", "f1", "macro_f1", "mcc"}
TEXT = "the film was very good"
FOR_TASKS = [name for name, recipe in RECIPES.items() if not recipe.config().reads_text]  # plain text: test_general.py
ELSEWHERE = {"teacher.accept_weak"}  # read where a teacher has a head
FITTED = {"tfidf"}  # at once, by no updates
EXPORTED = "tinybert"  # the recipe whose ONNX files are no stand-ins: an export takes seconds


class Made(NamedTuple):
    """A run of one recipe; whoever changes something works on a copy."""

    recipe: str
    workshop: Workshop

    @property
    def run(self) -> Path:
        return self.workshop.path("run")

    @property
    def needs_teacher(self) -> bool:
        return RECIPES[self.recipe].needs_teacher

    @property
    def metrics(self) -> Any:
        return read(self.run / "metrics.json")

    def copy(self, folder: Path) -> "Made":
        shutil.copytree(self.workshop.folder, folder, dirs_exist_ok=True)
        return Made(self.recipe, Workshop(folder, self.workshop.tokenizer))


@pytest.fixture(scope="module", params=FOR_TASKS)
def made(
    request: pytest.FixtureRequest, tiny_tokenizer: Any, tmp_path_factory: pytest.TempPathFactory, processor: bool
) -> Made:
    """A headless teacher, a student of half its size, 24 / 12 / 12 rows; made once for all processes."""
    base = tmp_path_factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def make(folder: Path) -> None:
        classes = reads.classes_in(RECIPES[request.param].config())
        finish_quickly = quick_finish(real_export=request.param == EXPORTED)
        with finish_quickly, watched_teacher(folder), reads.noted(*classes) as found:
            Workshop(folder, tiny_tokenizer).distill(request.param)
        (folder / "settings_read.json").write_text(json.dumps(sorted(found)))

    return Made(
        request.param, Workshop(made_once(base / f"conformance-{request.param}-{processor}", make), tiny_tokenizer)
    )


@contextmanager
def watched_teacher(folder: Path) -> Iterator[None]:
    """Notes the teacher's digest as the recipe leaves it, just before the finish, and its folder's as it was given."""
    real = launch.finish

    def noting(job: Any, outcome: Any, *others: Any) -> Any:
        digest = None if outcome.teacher is None else outcome.teacher.digest()
        (folder / "teacher_after.json").write_text(json.dumps(digest))
        (folder / "given_after.json").write_text(json.dumps(hashes(folder / "teacher")))
        return real(job, outcome, *others)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(launch, "finish", noting)
        yield


@pytest.fixture
def nothing_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever trains or exports fails."""
    monkeypatch.setattr(fit, "update", lambda *_: pytest.fail("trained again"))
    monkeypatch.setattr(finish, "export_onnx", lambda *_, **__: pytest.fail("exported again"))


def hashes(folder: Path) -> dict[str, str]:
    return {name: digest for name, (digest, _) in contents(folder).items()}


def final_weights(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / "student" / "model.safetensors")


def logits_of(model: Any, tokenizer: Any, texts: list[str]) -> np.ndarray:
    rows = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
    with torch.no_grad():
        return model(**rows).logits.numpy()


def test__the_run_leaves_every_promised_file(made):
    there = {path.name for path in made.run.iterdir()}
    assert FILES | FOLDERS | {"README.md"} <= there
    assert ("teacher" in there) == made.needs_teacher
    exported = {"onnx/model.onnx", "onnx/model_quantized.onnx", "config.json", "tokenizer.json"}
    assert exported <= set(hashes(made.run / "export"))
    assert not list(made.run.rglob(".tmp-*"))
    assert not (made.run / "cache").exists()


def test__every_setting_is_read_or_refused(made):
    config = {"set": quickest(made.recipe), "default": RECIPES[made.recipe].preset}
    found = resolve(RECIPES[made.recipe].config, made.recipe, overrides=config["set"], default=config["default"])
    noted = {tuple(pair) for pair in read(made.workshop.path("settings_read.json"))}
    assert set(reads.unread_in(found.settings, noted)) - ELSEWHERE == set()


def test__a_dry_run_plans_the_trainings_that_the_run_has_done(made, nothing_is_made):
    done = {
        step.name: read(report)["steps"]
        for step in Record(made.run).steps
        if (report := stage(made.run, step.name) / "result" / "report.json").exists()
    }
    plan = made.workshop.distill(made.recipe, dry_run=True)
    assert {one["name"]: one["updates"] for one in plan["stages"] if one["updates"]} == done


def test__no_file_of_the_run_is_a_pickle(made):
    assert not pickles(made.run)


def test__no_file_of_the_run_knows_where_it_was_made(made, tmp_path_factory):
    assert not that_know_their_place(made.run, str(tmp_path_factory.getbasetemp().parent))


def test__all_losses_are_finite_and_every_stage_trained(made):
    if made.recipe in FITTED:
        pytest.skip("it begins as it ends")
    lines = read(made.run / "metrics.jsonl")
    losses = [line["loss"] for line in lines if "loss" in line]
    assert losses
    assert all(math.isfinite(loss) for loss in losses)
    trained = {path.parents[1].name.rsplit("-", 1)[0] for path in made.run.glob("stages/*/result/student.safetensors")}
    assert {line["stage"] for line in lines if line.get("step") == 6} == trained
    assert trained


def test__the_student_is_no_longer_what_it_started_as(made):
    if made.recipe in FITTED:
        pytest.skip("it begins as it ends")
    started = load_file(stage(made.run, "init") / "result" / "model" / "model.safetensors")
    now = final_weights(made.run)
    layers = [name for name in now if "layer." in name] or list(now)
    matrices = [name for name in layers if now[name].dim() == 2]
    assert matrices
    assert all(torch.isfinite(value).all() for value in now.values())
    assert not any(torch.equal(started[name], now[name]) for name in matrices)


def test__the_teacher_taught_without_learning(made):
    """The network that comes out of the recipe is the one that went in, and the user's folder is as it was."""
    after = read(made.workshop.path("teacher_after.json"))
    assert read(made.workshop.path("given_after.json")) == hashes(made.workshop.path("teacher"))
    if made.needs_teacher:
        assert after == load_classifier(made.run / "teacher").digest
    else:
        assert after is None


@pytest.mark.usefixtures("nothing_is_made")
def test__the_same_command_again_finds_everything_done(made, tmp_path):
    """Moved together with its data, a run is still the same run."""
    copied = made.copy(tmp_path)
    before, files = contents(copied.run / "student"), hashes(copied.run)
    metrics = copied.workshop.distill(copied.recipe)
    assert contents(copied.run / "student") == before
    assert hashes(copied.run) == files
    assert metrics == made.metrics


def test__its_own_config_makes_the_same_student_again(made, tmp_path):
    copied = made.copy(tmp_path)
    config, output = str(copied.run / "config.yaml"), str(tmp_path / "elsewhere" / "other")
    with quick_finish():
        assert cli.main(["distill", made.recipe, "--config", config, "--output", output]) == 0
    assert equal(final_weights(Path(output)), final_weights(made.run))
    assert read(Path(output) / "metrics.json")["preset"] == made.metrics["preset"]


def test__plain_transformers_gives_the_students_answers(made):
    folder = made.run / "student"
    if load_classifier(folder).model.library != "transformers":
        pytest.skip("the student is of a family of ours")
    model, tokenizer = AutoModelForSequenceClassification.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    answers = read(made.run / "predictions.jsonl")
    ours = np.array([list(answer["scores"].values()) for answer in answers])
    theirs = torch.softmax(torch.from_numpy(logits_of(model, tokenizer, [answer["text"] for answer in answers])), dim=1)
    assert type(model).__module__.startswith("transformers.")
    assert np.allclose(theirs.numpy(), ours, atol=1e-6)
    asked = pipeline("text-classification", model=model, tokenizer=tokenizer, device="cpu")(TEXT, top_k=None)
    (said,) = tinybert.predict(made.run, data=[{"text": TEXT}])
    assert {one["label"]: pytest.approx(one["score"], abs=1e-6) for one in asked} == said["scores"]


def test__onnx_gives_the_students_logits(made):
    if made.recipe != EXPORTED:
        pytest.skip(f"the finish exports every student in the same way; the files of {EXPORTED} are real")
    folder = made.run / "export"
    model = AutoModelForSequenceClassification.from_pretrained(made.run / "student")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    texts = [answer["text"] for answer in read(made.run / "predictions.jsonl")]
    rows = tokenizer(texts, padding=True, truncation=True, return_tensors="np")
    session = onnxruntime.InferenceSession(folder / "onnx/model.onnx", providers=["CPUExecutionProvider"])
    given = {one.name: rows[one.name].astype(np.int64) for one in session.get_inputs()}
    (logits,) = session.run(["logits"], given)
    assert np.allclose(logits, logits_of(model, tokenizer, texts), atol=1e-5)
    small = onnxruntime.InferenceSession(folder / "onnx/model_quantized.onnx", providers=["CPUExecutionProvider"])
    assert small.run(["logits"], given)[0].shape == logits.shape


def test__metrics_have_the_promised_form(made):
    metrics = made.metrics
    systems = {"student", "student_int8"} | ({"teacher"} if made.needs_teacher else set())
    assert (metrics["recipe"], metrics["preset"], metrics["seed"]) == (made.recipe, RECIPES[made.recipe].preset, 0)
    assert metrics["classes"] == ["neg", "pos"]
    assert set(metrics["calibration"]) == {"temperature", "before", *systems}
    assert {name for name in metrics if name in ("teacher", "student", "student_int8")} == systems
    for name in systems:
        entry = metrics[name]
        assert set(entry) == SYSTEM
        assert set(entry["dev"]) == set(entry["test"]) == QUALITY
        assert all(isinstance(value, float) for split in ("dev", "test") for value in entry[split].values())
        assert all(0 <= entry[split][figure] <= 1 for split in ("dev", "test") for figure in QUALITY - {"mcc"})
        assert set(entry["latency_ms"]) == {"32", "128"}
        assert all(set(times) == {"p50", "p95"} for times in entry["latency_ms"].values())
        assert all(isinstance(entry[key], int) and entry[key] > 0 for key in ("parameters", "bytes", "threads"))
    assert metrics["student"]["bytes"] == (made.run / "student" / "model.safetensors").stat().st_size
    assert metrics["student_int8"]["bytes"] == (made.run / "export/onnx/model_quantized.onnx").stat().st_size


def test__predictions_have_the_promised_form_and_make_the_metrics(made):
    answers = read(made.run / "predictions.jsonl")
    assert [answer["row"] for answer in answers] == list(range(1, 13))
    for answer in answers:
        assert set(answer["scores"]) == {"neg", "pos"}
        assert sum(answer["scores"].values()) == pytest.approx(1, abs=1e-6)
        assert answer["label"] == max(answer["scores"], key=answer["scores"].get)
    columns = {"student": "label", "student_int8": "student_int8"} | (
        {"teacher": "teacher"} if made.needs_teacher else {}
    )
    for system, column in columns.items():
        right = np.mean([answer[column] == answer["gold"] for answer in answers])
        assert made.metrics[system]["test"]["accuracy"] == pytest.approx(right)


def test__report_and_card_stand_alone_and_cite_the_paper(made):
    recipe = RECIPES[made.recipe]
    report, card = ((made.run / name).read_text(encoding="utf-8") for name in ("report.html", "README.md"))
    assert "<script" not in report
    linked = re.findall(r"""(?:src|href)\s*=\s*["']?([^"'\s>]*)""", report)
    assert all(link.startswith(("data:", "#")) for link in linked)
    assert "@import" not in report
    assert "arXiv:" in recipe.citation or "doi" in recipe.citation.lower()
    assert recipe.citation.split(",")[0] in card
    assert recipe.citation.split("arXiv:")[-1] in card
    assert "student" in report


@pytest.mark.parametrize("name", RECIPES)
def test__it_is_listed_and_has_a_page(name):
    (listed,) = [entry for entry in tinybert.recipes() if entry["name"] == name]
    assert listed["summary"]
    assert (listed["citation"], listed["presets"]) == (RECIPES[name].citation, list(preset_names(name)))
    page = REPOSITORY / "docs" / "recipes" / f"{name}.md"
    assert page.exists(), f"docs/recipes/{name}.md is missing"
