"""Distillation on augmented text, all of it kept: the rows of L2A's tables that have no policy (arXiv:2101.08106).

The student learns as in L2A, from the last layer and the prediction in one stage, on copies that any augmenter makes:
EDA, CBERT, or samples of L2A's own distribution as the control that shows what the policy is worth.
"""

from dataclasses import dataclass, field
from typing import Any

from tinybert.families.network import Shape
from tinybert.objectives import AttentionScoreMSE, HiddenMSE, Sum, layer_map
from tinybert.recipes.recipe import Recipe, TaskSettings
from tinybert.run import Run
from tinybert.stages.augment import learnt_texts
from tinybert.stages.common_settings import AugmentingSettings
from tinybert.stages.distiller import Distiller
from tinybert.stages.initialisation import InitialStudent, initialise
from tinybert.stages.job import Job, Outcome
from tinybert.stages.l2a.groups import LastLayerGroups
from tinybert.stages.teacher import origin_of_shape, teacher_or_scores
from tinybert.tasks.base import Task
from tinybert.types import Objective, Stage

CITATION = (
    "Feng et al. 2021, Learning to Augment for Data-Scarce Domain BERT Knowledge Distillation, AAAI, arXiv:2101.08106"
)
PREDICTION_ONLY = "set objective.attention=false and objective.hidden=false"


@dataclass(frozen=True, kw_only=True)
class Config(LastLayerGroups, AugmentingSettings, TaskSettings):
    """Settings of the recipe; the defaults are the preset `paper`."""

    distill: Stage = field(default_factory=lambda: Stage(epochs=10, lr=5e-5))

    def needs_pieces(self) -> str | None:
        """Predictions are of whole texts."""
        return f"layers are compared piece by piece; {PREDICTION_ONLY}" if self.objective.layers else None

    def needs_layers(self) -> str | None:
        """Only the last layer's terms look at them."""
        return f"the recipe learns from the last layer; {PREDICTION_ONLY}" if self.objective.layers else None


def distill(job: Job, config: Config, run: Run) -> Outcome:
    """Teacher, student, copies; then everything at once; the student that is best on dev."""
    taught_by = teacher_or_scores(job, config, run)
    model = taught_by.network
    initial = initialise(job, model or origin_of_shape(job, config, run), config.student, run)
    texts = job.train if model is None else learnt_texts(job, config, run, model)
    distiller = Distiller(initial.student, taught_by.teacher, texts, job.task, config.teacher, run)
    learnt = loss(initial, None if model is None else model.shape, config, job.task, run)
    distiller.run_stage("distill", learnt, config.distill, job.dev)
    return Outcome(initial.student, model, learnt=texts)


def loss(initial: InitialStudent, teacher: Shape | None, config: Config, task: Task, run: Run) -> Objective:
    """L_KD of L2A, a plain sum of the last layer's attention scores, its hidden state and the soft targets."""
    on, student, terms = config.objective, initial.student.shape, list[Objective]()
    if teacher is not None:  # what has no layers is refused before, see `needs_layers`
        last, seed = layer_map("last", student.layers, teacher.layers), run.seed_for("projection")
        how: dict[str, Any] = {"initial": initial.directions, "embedding": False, "seed": seed}
        terms += [AttentionScoreMSE(last, on.attention_heads)] if on.attention else []
        terms += [HiddenMSE(last, student.width, teacher.width, **how)] if on.hidden else []
    terms += [task.soft(config.distill.temperature)] if on.prediction else []
    return Sum(*terms)


RECIPE = Recipe(
    "augmented_kd",
    "last layer and prediction at once, on text from any augmenter: the control of l2a",
    CITATION,
    Config,
    distill,
    uses=frozenset({"mlm", "vectors", "unlabeled"}),
)
