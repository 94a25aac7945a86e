"""The stage `general`: a student's layers learn the teacher's on plain text (Jiao et al. 2020, section 3.2).

No prediction is learnt: what a task will ask is not known yet.
"""

from contextlib import nullcontext
from typing import Any, Protocol, runtime_checkable

from transformers import PreTrainedModel

from tinybert.data.masking import Masking
from tinybert.engine.evaluate import held_out_loss
from tinybert.engine.fit import StageReport, fit
from tinybert.models.hf import without_dropout
from tinybert.models.loading import load_masked_lm
from tinybert.models.teacher import Teacher
from tinybert.objectives.masked_lm import MaskedSoftCrossEntropy
from tinybert.objectives.relation import RelationKL
from tinybert.objectives.sum import Sum
from tinybert.run import Run
from tinybert.selectors.fixed import KeepAll
from tinybert.stages.general.settings import GeneralSettings
from tinybert.stages.initialisation import InitialStudent, StudentSettings
from tinybert.stages.job import PlainText
from tinybert.stages.layers import mapping_of, transformer_objective
from tinybert.stages.masked_lm import piece_masker
from tinybert.stages.teacher import TeacherNetwork
from tinybert.types import Objective, flatten


@runtime_checkable
class GeneralGroups(Protocol):
    """The groups of a recipe's settings that general distillation reads."""

    @property
    def teacher(self) -> TeacherNetwork:
        """Its dtype."""

    @property
    def student(self) -> StudentSettings:
        """How its layers go with the teacher's."""

    @property
    def general(self) -> GeneralSettings:
        """How much text, and what is learnt from it."""


def pretrained_teacher(groups: GeneralGroups, run: Run) -> PreTrainedModel:
    """The teacher as its checkpoint is, without a task head; a masked-LM head that it lacks is random, never learnt."""
    assert groups.teacher.path is not None
    return load_masked_lm(groups.teacher.path, new_head=run.seed_for("teacher", "masked_lm")).to(run.device)


def learn_in_general(
    initial: InitialStudent, model: PreTrainedModel, text: PlainText, groups: GeneralGroups, run: Run
) -> StageReport:
    """Train the student in place; it ends as it was best on held-out blocks.

    Args:
        initial: The student, with a head or without; only a masked-LM head can learn here.
        model: What it learns from; a frozen copy teaches.
        text: What is read.
        groups: Settings.
        run: Keeps the stage.
    """
    settings, student = groups.general, initial.student
    teacher = Teacher(model, groups.teacher.dtype, run.device)
    objective = general_objective(initial, teacher, groups, run.seed_for("projection"))
    masker = piece_masker(text.tokenizer, Masking()) if settings.masked_lm else None
    inputs = {**flatten("general", settings), **mapping_of(groups.student), **text.contents()}
    place = run.stage(
        "general", inputs | {"teacher": teacher.digest, "teacher.dtype": groups.teacher.dtype, "seed": run.seed}
    )

    def judge() -> float:
        return -held_out_loss(student, objective, text.held_out, teacher, masker)

    stage = settings.decided(len(text.train))
    with nullcontext() if settings.dropout else without_dropout(student.model):
        return fit(
            student, teacher, objective, text.train, stage, place, selector=KeepAll(), judge=judge, masker=masker
        )


def general_objective(initial: InitialStudent, teacher: Teacher, groups: GeneralGroups, seed: int) -> Objective:
    """What is learnt on plain text; `seed` draws projections, where the student was initialised without directions."""
    if groups.general.learns == "layers":
        layers = transformer_objective(initial, teacher, groups.student, seed)
    else:
        layers = RelationKL(initial.student.shape.layers, teacher.shape.layers, teacher.shape.heads)
    if not groups.general.masked_lm:
        return layers
    return Sum(layers, MaskedSoftCrossEntropy())


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
