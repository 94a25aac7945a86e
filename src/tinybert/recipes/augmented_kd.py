"""Distillation on augmented text, all of it kept: the rows of L2A's tables that have no policy (arXiv:2101.08106).

The student learns as in L2A, from the last layer and the prediction in one stage, on copies that any augmenter makes:
EDA, CBERT, or samples of L2A's own distribution as the control that shows what the policy is worth.
"""

from dataclasses import dataclass, field

from tinybert.models.teacher import Teacher
from tinybert.objectives import AttentionScoreMSE, HiddenMSE, Sum, layer_map
from tinybert.recipes.recipe import Recipe, TaskSettings
from tinybert.run import Run
from tinybert.stages.augment import learnt_texts
from tinybert.stages.common_settings import AugmentingSettings
from tinybert.stages.distiller import Distiller
from tinybert.stages.initialisation import InitialStudent, initialise
from tinybert.stages.job import Job, Outcome
from tinybert.stages.l2a.groups import LastLayerGroups
from tinybert.stages.teacher import task_teacher
from tinybert.tasks.base import Task
from tinybert.types import Objective, Stage

CITATION = (
    "Feng et al. 2021, Learning to Augment for Data-Scarce Domain BERT Knowledge Distillation, AAAI, arXiv:2101.08106"
)


@dataclass(frozen=True, kw_only=True)
class Config(LastLayerGroups, AugmentingSettings, TaskSettings):
    """Settings of the recipe; the defaults are the preset `paper`."""

    distill: Stage = field(default_factory=lambda: Stage(epochs=10, lr=5e-5))


def distill(job: Job, config: Config, run: Run) -> Outcome:
    """Teacher, student, copies; then everything at once; the student that is best on dev."""
    model = task_teacher(job, config.teacher, config.fine_tune, run)
    initial = initialise(job, model, config.student, run)
    student, teacher = initial.student, Teacher(model, config.teacher.dtype, run.device)
    distiller = Distiller(student, teacher, learnt_texts(job, config, run, model), job.task, config.teacher, run)
    learnt = loss(initial, teacher, config, job.task, run)
    distiller.run_stage("distill", learnt, config.distill, job.dev)
    return Outcome(student, model)


def loss(initial: InitialStudent, teacher: Teacher, config: Config, task: Task, run: Run) -> Objective:
    """L_KD of L2A, a plain sum of the last layer's attention scores, its hidden state and the soft targets."""
    student, known = initial.student.shape, teacher.shape
    last, seed = layer_map("last", student.layers, known.layers), run.seed_for("projection")
    hidden = HiddenMSE(last, student.width, known.width, initial=initial.directions, embedding=False, seed=seed)
    soft = task.soft(config.distill.temperature)
    terms: dict[str, Objective] = {
        "attention": AttentionScoreMSE(last, config.objective.attention_heads),
        "hidden": hidden,
        "prediction": soft,
    }
    return Sum(*(term for name, term in terms.items() if getattr(config.objective, name)))


RECIPE = Recipe(
    "augmented_kd",
    "last layer and prediction at once, on text from any augmenter: the control of l2a",
    CITATION,
    Config,
    distill,
    uses=frozenset({"mlm", "vectors", "unlabeled"}),
)
