"""Stages of distillation: what of the teacher is stored."""

import time

import pytest
import torch

from tinybert.data.encode import encode
from tinybert.data.examples import Examples
from tinybert.data.masking import Masking
from tinybert.engine.teacher_outputs import StoredTeacher
from tinybert.layer_maps import layer_map
from tinybert.log import Log
from tinybert.models.teacher import Teacher
from tinybert.objectives.hidden import HiddenMSE
from tinybert.objectives.masked_lm import MaskedCrossEntropy
from tinybert.objectives.sum import Sum
from tinybert.run import Deadline, Run, RunSettings
from tinybert.stages.distiller import Distiller
from tinybert.stages.masked_lm import piece_masker
from tinybert.stages.teacher import TeacherSettings
from tinybert.tasks.classification import Classification
from tinybert.types import Example, Stage


@pytest.mark.parametrize(("masked", "seconds"), [(False, None), (True, None), (False, 1e4), (False, 1e-3)])
def test__the_teachers_outputs_are_stored_unless_it_reads_masked_pieces_or_time_is_short(
    masked, seconds, tmp_path, tiny_model, tiny_tokenizer, monkeypatch
):
    stored, read = [], StoredTeacher.observe
    monkeypatch.setattr(StoredTeacher, "observe", lambda *asked: stored.append(asked) or read(*asked))
    run = Run(tmp_path, 0, RunSettings(dtype="fp32"), torch.device("cpu"), Log(silent=True))
    if seconds is not None:
        run.deadline = Deadline(time.monotonic() + seconds, {"distill": 10.0})
    texts = Examples.of(Example(text, row=row) for row, text in enumerate(("a great plot", "very dull", "bad"), 1))
    student, teacher = (tiny_model("bert", width=12, head="masked_lm"), tiny_model("bert", head="masked_lm"))
    distiller = Distiller(
        student,
        Teacher(teacher, "fp32", run.device),
        encode(texts, tiny_tokenizer, 16, tmp_path / "rows.arrow"),
        Classification(("bad", "good")),
        TeacherSettings(),
        run,
    )
    hidden, masker = HiddenMSE(layer_map("uniform", 2, 2), 12, 24), piece_masker(tiny_tokenizer, Masking())
    both = Sum(hidden, MaskedCrossEntropy())
    objective = both if masked else hidden
    report = distiller.run_stage("distill", objective, Stage(epochs=2), masker=masker if masked else None)
    assert report.steps == (2 if seconds != 1e-3 else 1)
    assert bool(stored) == (not masked and seconds != 1e-3)
