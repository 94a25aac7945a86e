"""The stage `general`: a student's layers learn the teacher's on plain text (Jiao et al. 2020, section 3.2).

No prediction is learnt: what a task will ask is not known yet.
"""

from contextlib import nullcontext
from typing import Any

from tinybert.data.masking import Masking
from tinybert.engine.evaluate import held_out_loss
from tinybert.engine.fit import StageReport, fit
from tinybert.families.network import Network
from tinybert.models.inference import without_dropout
from tinybert.models.loading import load_masked_lm
from tinybert.models.teacher import Teacher
from tinybert.run import Run
from tinybert.selectors.fixed import KeepAll
from tinybert.stages.general.settings import GeneralSettings
from tinybert.stages.job import PlainText
from tinybert.stages.masked_lm import piece_masker
from tinybert.stages.teacher import TeacherNetwork
from tinybert.types import MASKED_LOGITS, Objective


def pretrained_teacher(settings: TeacherNetwork, run: Run) -> Network:
    """The teacher as its checkpoint is, without a task head; a masked-LM head that it lacks is random, never learnt."""
    assert settings.path is not None
    return load_masked_lm(settings.path, new_head=run.seed_for("teacher", "masked_lm"), device=run.device)


def train_general(
    student: Network,
    teacher: Teacher,
    objective: Objective,
    text: PlainText,
    settings: GeneralSettings,
    run: Run,
    name: str = "general",
) -> StageReport:
    """Train the student in place; it ends as it was best on held-out blocks.

    Args:
        student: With a head or without; only a masked-LM head can learn here.
        teacher: What it learns from.
        objective: What it learns.
        text: What is read.
        settings: How much of it, and how.
        run: Keeps the stage.
        name: Of the stage.
    """
    masker = piece_masker(text.tokenizer, Masking()) if MASKED_LOGITS in objective.needs_student else None

    def metric() -> float:
        return -held_out_loss(student, objective, text.held_out, teacher, masker)

    networks = {"student": student, "teacher": teacher, "teacher.dtype": teacher.setting}
    artifact = run.begin(name, general=settings, objective=objective, **text.contents(), **networks, seed=run.seed)
    stage = settings.decided(len(text.train))
    with nullcontext() if settings.dropout else without_dropout(student):
        how: dict[str, Any] = {"selector": KeepAll(), "metric": metric, "masker": masker}
        return fit(student, teacher, objective, text.train, stage, artifact, run, **how)


def figures_of(report: StageReport, text: PlainText) -> dict[str, Any]:
    """What `metrics.json` says of the stage."""
    assert report.best is not None
    return {
        "updates": report.steps,
        "blocks": report.examples,
        "tokens": report.examples * text.train.block_length,
        "seconds": report.seconds,
        "best_update": report.best_step,
        "held_out_loss": -report.best,
    }
