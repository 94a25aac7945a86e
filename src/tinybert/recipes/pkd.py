"""PKD: patient knowledge distillation for BERT model compression (Sun et al. 2019, arXiv:1908.09355).

A student of the teacher's first layers learns gold labels, soft targets and, patiently, the first states ([CLS]) of
teacher layers, all at once. Where this differs from the authors' code: theirs divides the divergence from the soft
targets by the number of classes as well, and here no row is left out of an epoch.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from tinybert.families.network import Shape
from tinybert.objectives import PatienceMSE, Sum, patience_map
from tinybert.recipes.recipe import Recipe, TaskSettings
from tinybert.run import Run
from tinybert.stages.common_settings import unfit_widths
from tinybert.stages.distiller import Distiller
from tinybert.stages.initialisation import StudentNetwork, initialise
from tinybert.stages.job import Job, Outcome
from tinybert.stages.teacher import origin_of_shape, teacher_or_scores
from tinybert.tasks.base import Task
from tinybert.types import Objective, Stage

CITATION = "Sun et al. 2019, Patient Knowledge Distillation for BERT Model Compression, EMNLP, arXiv:1908.09355"


@dataclass(frozen=True)
class PatienceSettings:
    """Settings of the group `objective`: what the student learns, and how much each part weighs.

    Attributes:
        alpha: Of the soft targets; the gold labels have the rest of 1. At 0 or 1 one of the two is left out.
        beta: Of the first states; 0 leaves them out, which is plain distillation.
        layers: Which teacher layers teach those below the student's last: every few of them, or the upper ones.
        normalised: Whether only the directions of the states count.
    """

    alpha: float = 0.5  # .2, .5 or .7 by dev, Sun et al. 2019, section 4.2
    beta: float = 100.0  # 10, 100, 500 or 1000 by dev: of the mean over layers and width, as in the authors' code
    layers: Literal["skip", "last"] = "skip"
    normalised: bool = True

    def __post_init__(self) -> None:
        """Refuse weights that would teach the wrong way."""
        if not 0 <= self.alpha <= 1:
            raise ValueError(f"alpha must be from 0 to 1, got {self.alpha}")
        if not 0 <= self.beta < float("inf"):
            raise ValueError(f"beta must be finite and not negative, got {self.beta}")


@dataclass(frozen=True, kw_only=True)
class Config(TaskSettings):
    """Settings of the recipe; the defaults are the preset `paper`."""

    student: StudentNetwork = field(default_factory=lambda: StudentNetwork("6x768", layer_map="bottom"))
    objective: PatienceSettings = field(default_factory=PatienceSettings)
    distill: Stage = field(default_factory=lambda: Stage(epochs=4, lr=5e-5, temperature=10.0))

    def unfit(self, student: Shape, teacher: Shape, /) -> Iterator[str]:
        """States are compared as they are, without a projection; heads are not compared at all."""
        if self.objective.beta:
            yield from unfit_widths(student, teacher, "pkd")
        if self.objective.beta and student.layers < 2:
            yield "student: one layer has none below its last that could learn patiently; take 2 or more"

    def needs_pieces(self) -> str | None:
        """Logits and first states are of whole texts."""
        return None

    def needs_layers(self) -> str | None:
        """Only patience looks at them."""
        return (
            f"objective.beta={self.objective.beta:g} learns from layers; set objective.beta=0"
            if self.objective.beta
            else None
        )


def distill(job: Job, config: Config, run: Run) -> Outcome:
    """Teacher, a student of its first layers; labels, soft targets and states in one stage; the best on dev."""
    taught_by = teacher_or_scores(job, config, run)
    origin = origin_of_shape(job, config, run) if taught_by.network is None else taught_by.network
    student = initialise(job, origin, config.student, run).student
    distiller = Distiller(student, taught_by.teacher, job.train, job.task, config.teacher, run)
    teacher = None if taught_by.network is None else taught_by.network.shape
    distiller.run_stage("distill", loss(student.shape, teacher, config, job.task), config.distill, job.dev)
    return Outcome(student, taught_by.network)


def loss(student: Shape, teacher: Shape | None, config: Config, task: Task) -> Objective:
    """(1 - α) L_CE + α L_DS + β L_PT (Eq. 8); L_DS is T² KL(teacher || student), L_PT is Eq. 7 over Skip or Last."""
    settings = config.objective
    parts: list[tuple[float, Objective]] = [
        (1 - settings.alpha, task.gold()),
        (settings.alpha, task.soft(config.distill.temperature, scaled=True)),
    ]
    if settings.beta and teacher is not None:  # what has no layers is refused before, see `needs_layers`
        layers = patience_map(settings.layers, student.layers, teacher.layers)
        parts.append((settings.beta, PatienceMSE(layers, normalised=settings.normalised, averaged=True)))
    return Sum(*(part for part in parts if part[0]))


RECIPE = Recipe(
    "pkd", "gold labels, soft targets and [CLS] states of several layers at once", CITATION, Config, distill
)
