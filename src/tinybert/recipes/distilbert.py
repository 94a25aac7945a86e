"""DistilBERT: a distilled version of BERT (Sanh et al. 2019, arXiv:1910.01108).

A student of every few teacher layers learns soft targets, gold ones, and the directions of the last hidden states at
once: on plain text, on a task, or on one before the other. On plain text gold is masked pieces, on a task labels.
Where this differs from the authors' code: soft targets of masked pieces only, not of all; rare pieces are not masked
more often; the student keeps the family, token types and pooler of the teacher; each text has the mean of its own
pieces.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tinybert.families.network import Shape
from tinybert.models.teacher import Teacher
from tinybert.objectives import CosineDistance, MaskedCrossEntropy, MaskedSoftCrossEntropy, Sum
from tinybert.recipes.recipe import PLAIN_TEXT, Recipe, TextOrTaskSettings
from tinybert.run import Run
from tinybert.stages.common_settings import unfit_widths
from tinybert.stages.distiller import Distiller
from tinybert.stages.general.settings import general_within
from tinybert.stages.general.training import figures_of, pretrained_teacher, train_general
from tinybert.stages.initialisation import StudentNetwork, initialise
from tinybert.stages.job import Job, Outcome, PlainText
from tinybert.stages.teacher import task_teacher
from tinybert.stages.triple import TripleSettings
from tinybert.tasks.base import Task
from tinybert.types import Objective, Stage

CITATION = "Sanh et al. 2019, DistilBERT, a distilled version of BERT, arXiv:1910.01108"


@dataclass(frozen=True, kw_only=True)
class Config(TextOrTaskSettings):
    """Settings of the recipe; the defaults are the preset `paper`."""

    student: StudentNetwork = field(default_factory=lambda: StudentNetwork("6x768", layer_map="spread"))
    objective: TripleSettings = field(default_factory=TripleSettings)
    distill: Stage = field(default_factory=lambda: Stage(epochs=3, lr=5e-5, temperature=2.0))

    @property
    def fills_masks(self) -> bool:
        """On plain text masked pieces are what is learnt."""
        return True

    def unfit(self, student: Shape, teacher: Shape, /) -> Iterator[str]:
        """States are compared as they are, without a projection; heads are not compared at all."""
        if self.objective.cosine or general_within(self) is not None:
            yield from unfit_widths(student, teacher, "distilbert")

    def unread(self) -> Iterator[tuple[str, str]]:
        """Besides, the weights on plain text are those of the code."""
        yield from super().unread()
        if self.reads_text:
            yield "objective", PLAIN_TEXT


def distill(job: Job | PlainText, config: Config, run: Run) -> Outcome:
    """Plain text where there is any, by itself too; then teacher, student and the triple loss on the task."""
    if isinstance(job, PlainText):
        return learnt_on_text(job, config, run)
    model = task_teacher(job, config.teacher, config.fine_tune, run)
    figures: Mapping[str, Any] = {}
    if job.plain_text is None:
        student = initialise(job, model, config.student, run).student
    else:
        learnt = learnt_on_text(job.plain_text, config, run)
        figures, same = learnt.figures, learnt.student.shape
        layers = StudentNetwork(f"{same.layers}x{same.width}", "layers", same.heads, same.inner)
        student = initialise(job, learnt.student, layers, run, "task_init").student
    teacher = Teacher(model, config.teacher.dtype, run.device)
    distiller = Distiller(student, teacher, job.train, job.task, config.teacher, run)
    distiller.run_stage("distill", loss(student.shape, teacher.shape, config, job.task), config.distill, job.dev)
    return Outcome(student, model, figures)


def learnt_on_text(text: PlainText, config: Config, run: Run) -> Outcome:
    """Section 3: a student that learns to fill masks on plain text, from the teacher as its checkpoint is."""
    model = pretrained_teacher(config.teacher, run)
    student = initialise(text, model, config.student, run).student
    teacher = Teacher(model, config.teacher.dtype, run.device)
    report = train_general(student, teacher, text_loss(student.shape, teacher.shape), text, config.general, run)
    return Outcome(student, model, {"general": figures_of(report, text)})


def text_loss(student: Shape, teacher: Shape) -> Objective:
    """5 L_ce + 2 L_mlm + L_cos (section 2, weights of the code); L_ce is T² KL(teacher || student) at T = 2."""
    soft, gold = MaskedSoftCrossEntropy(2.0, scaled=True), MaskedCrossEntropy()
    return Sum((5.0, soft), (2.0, gold), CosineDistance(student.layers, teacher.layers))


def loss(student: Shape, teacher: Shape, config: Config, task: Task) -> Objective:
    """The same triple on a task, by default a plain sum: soft targets, gold labels, cosine of last hidden states."""
    weights, soft = config.objective, task.soft(config.distill.temperature, scaled=True)
    cosine = CosineDistance(student.layers, teacher.layers)
    parts = ((weights.soft, soft), (weights.gold, task.gold()), (weights.cosine, cosine))
    return Sum(*(part for part in parts if part[0]))


SUMMARY = "soft targets, gold ones and the last states' directions, on plain text and on a task"
RECIPE = Recipe("distilbert", SUMMARY, CITATION, Config, distill, uses=frozenset({"unlabeled"}))
