"""A floor: a table of word-piece vectors out of the teacher, averaged, with a linear head, trained on soft targets.

The fastest student there can be, so that a comparison says what layers buy. The table starts as in Model2Vec (Tulkens
and van Dongen 2024): what the teacher says of each piece read alone, reduced to a width; then it learns, which their
distillation does not need, the teacher's distribution on the texts of the task (Hinton et al. 2015, arXiv:1503.02531).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated

from tinybert.augment.method import AugmentSettings
from tinybert.augment.settings import SETTINGS, NoAugmentation
from tinybert.config import Choice
from tinybert.families.network import Shape
from tinybert.models.teacher import Teacher
from tinybert.recipes.recipe import Recipe, TaskSettings
from tinybert.run import Run
from tinybert.stages.augment import learnt_texts
from tinybert.stages.common_settings import AugmentingSettings
from tinybert.stages.distiller import Distiller
from tinybert.stages.job import Job, Outcome
from tinybert.stages.static import StaticStudent, initial_static
from tinybert.stages.teacher import task_teacher
from tinybert.tasks.base import Task
from tinybert.types import Objective, Stage

CITATION = "Tulkens and van Dongen 2024, Model2Vec; Hinton et al. 2015, arXiv:1503.02531"


@dataclass(frozen=True, kw_only=True)
class Config(AugmentingSettings, TaskSettings):
    """Settings of the recipe; a floor has no paper to follow, so `paper` and `small` are the same."""

    student: StaticStudent = field(default_factory=StaticStudent)
    augment: Annotated[AugmentSettings, Choice("method", SETTINGS)] = field(default_factory=NoAugmentation)
    distill: Stage = field(
        default_factory=lambda: Stage(epochs=None, usual_epochs=10, batch_size=128, lr=3e-3, weight_decay=0.0)
    )

    def unfit(self, student: Shape, teacher: Shape, /) -> Iterator[str]:
        """A table has no layers, and no more directions than its teacher."""
        if student.layers:
            yield f"student: {self.student.path} is no static table; give a shape such as 0x256"
        if student.width > teacher.width:
            yield f"student: the teacher's vectors have {teacher.width} numbers; take 0x{teacher.width} at most"


def distill(job: Job, config: Config, run: Run) -> Outcome:
    """Teacher and table; then soft targets, on copies and texts without labels too; the student that is best on dev."""
    model = task_teacher(job, config.teacher, config.fine_tune, run)
    student = initial_static(job, model, config.student, run)
    teacher = Teacher(model, config.teacher.dtype, run.device)
    texts = learnt_texts(job, config, run, model)
    distiller = Distiller(student, teacher, texts, job.task, config.teacher, run)
    distiller.run_stage("distill", loss(config, job.task), config.distill, job.dev)
    return Outcome(student, model, learnt=texts)


def loss(config: Config, task: Task) -> Objective:
    """Cross-entropy of softmax(z_S/T) to softmax(z_T/T); of scores, the squared distance."""
    return task.soft(config.distill.temperature)


SUMMARY = "a floor: vectors of word pieces, averaged; the fastest student there can be"
USES = frozenset({"mlm", "vectors", "unlabeled"})
RECIPE = Recipe("static", SUMMARY, CITATION, Config, distill, uses=USES, answers="texts")
