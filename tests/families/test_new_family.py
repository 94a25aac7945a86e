"""A new family is its page and a line in `FAMILIES`: it is trained, saved, loaded, exported and predicted with."""

import ast
from pathlib import Path

import pytest
import torch

from families.averaging import Averaging, AveragingFamily, small
from tinybert.data.encode import encode
from tinybert.data.examples import Examples
from tinybert.engine.fit import fit
from tinybert.errors import UserError
from tinybert.export.hub import save_student
from tinybert.export.onnx import export_onnx
from tinybert.families import FAMILIES
from tinybert.initialise import start
from tinybert.log import Log
from tinybert.models.heads import Head
from tinybert.models.loading import load_classifier
from tinybert.models.teacher import Teacher
from tinybert.objectives.prediction import SoftCrossEntropy
from tinybert.predictor import Predictor
from tinybert.run import Run, RunSettings
from tinybert.selectors.fixed import KeepAll
from tinybert.types import Example, Signal, Stage

TEXTS = ["a good film", "dull", "it was not a good film", "the plot"]


@pytest.fixture
def student(tiny_tokenizer, monkeypatch):
    monkeypatch.setitem(FAMILIES, "averaging", AveragingFamily())  # the line
    network = small(tiny_tokenizer)
    Head(("neg", "pos")).describe_in(network.config)
    return network


def test__it_learns_from_a_teacher_of_another_family(student, tiny_bert, tiny_tokenizer, tmp_path):
    rows = encode(Examples.of([Example(text) for text in TEXTS]), tiny_tokenizer, 32, tmp_path / "rows.arrow")
    run = Run(tmp_path / "run", 3, RunSettings(dtype="fp32"), torch.device("cpu"), Log(silent=True))
    teacher = Teacher(tiny_bert(), "fp32", run.device)
    before = student.digest()
    stage = Stage(epochs=3, batch_size=2, lr=1e-2)
    report = fit(student, teacher, SoftCrossEntropy(), rows, stage, run.begin("training"), run, selector=KeepAll())
    assert report.steps == 6
    assert student.digest() != before


def test__saved_it_is_loaded_exported_and_predicted_with(student, tiny_tokenizer, tmp_path):
    save_student(student, tiny_tokenizer, tmp_path / "student", max_length=32)
    loaded = load_classifier(tmp_path / "student")
    assert loaded.has_head
    assert isinstance(loaded.model, Averaging)
    assert loaded.digest == student.digest()
    report = export_onnx(loaded.model, tiny_tokenizer, tmp_path / "export", max_length=32, int8=False)
    assert report.parity_difference < 1e-5
    rows = [{"text": text} for text in TEXTS]
    answers = [list(Predictor.load(tmp_path / name, None, ()).predict(rows)) for name in ("student", "export")]
    assert [one["label"] for one in answers[0]] == [other["label"] for other in answers[1]]


def test__what_it_cannot_show_is_refused_in_a_sentence(student, make_batch):
    with pytest.raises(UserError, match="averaging networks have no attention_scores; they show hidden_states, logits"):
        student.observe(make_batch(), frozenset({Signal("attention_scores", 1)}))


def test__nothing_can_be_copied_out_of_it(student):
    plan = start.Plan(student.shape, Head(("neg", "pos")), seed=0)
    assert isinstance(start.random(plan, student), Averaging)
    with pytest.raises(UserError, match=r"nothing can be copied out of averaging networks; take student\.init=random"):
        start.layers(plan, student)


def test__transformers_models_are_named_in_families_only():
    source = Path(__import__("tinybert").__file__).parent
    named = {
        str(path.relative_to(source))
        for path in source.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Name | ast.alias)
        and (getattr(node, "id", "") or getattr(node, "name", "")).startswith(("PreTrainedModel", "AutoModel"))
    }
    assert {name.split("/")[0] for name in named} == {"families"}
