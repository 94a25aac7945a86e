"""TinyBERT: distilling BERT for natural language understanding (Jiao et al. 2020, arXiv:1909.10351).

A student whose layers learn from the teacher's layers first, then from its predictions, on augmented task data; where
plain text is given, before all this from the layers of the teacher as it was without the task. Where this differs from
the authors' code: the teacher is in eval mode, padding counts nowhere, no row is left out of an epoch, and a regression
student learns the teacher's score, not the gold one.
"""

from dataclasses import dataclass, field
from typing import Any

from tinybert.models.teacher import Teacher
from tinybert.objectives import AttentionScoreMSE, HiddenMSE, Sum, layer_map
from tinybert.recipes.recipe import LayerSettings, Recipe, TaskSettings
from tinybert.run import Run
from tinybert.stages.augment import learnt_texts
from tinybert.stages.common_settings import AugmentingSettings
from tinybert.stages.distiller import Distiller
from tinybert.stages.general.training import figures_of, pretrained_teacher, train_general
from tinybert.stages.initialisation import InitialStudent, StudentSettings, initialise, refit_projections
from tinybert.stages.job import Job, Outcome
from tinybert.stages.layers import LayerObjectives, LayerObjectivesGroup
from tinybert.stages.teacher import task_teacher
from tinybert.types import Objective, Stage

CITATION = "Jiao et al. 2020, TinyBERT: Distilling BERT for Natural Language Understanding, arXiv:1909.10351"
EVERYTHING = LayerObjectives()


@dataclass(frozen=True, kw_only=True)
class Config(LayerObjectivesGroup, LayerSettings, AugmentingSettings, TaskSettings):
    """Settings of the recipe; the defaults are the preset `paper`."""

    intermediate: Stage = field(default_factory=lambda: Stage(epochs=20, usual_epochs=5, lr=5e-5, schedule="constant"))
    prediction: Stage = field(default_factory=lambda: Stage(epochs=3, lr=3e-5, evaluate_every=100))


def distill(job: Job, config: Config, run: Run) -> Outcome:
    """Teacher, student, augmented text; first the layers, then the predictions; the student that is best on dev."""
    model = task_teacher(job, config.teacher, config.fine_tune, run)
    initial = initialise(job, model, config.student, run)

    # Section 3.2, general distillation, by the teacher as its checkpoint is: not fine-tuned, if that has no head.
    figures = {}
    if job.plain_text is not None:
        pretrained = Teacher(pretrained_teacher(config.teacher, run), config.teacher.dtype, run.device)
        learnt = loss(initial, pretrained, config.student, run.seed_for("projection"))
        report = train_general(initial.student, pretrained, learnt, job.plain_text, config.general, run)
        figures["general"] = figures_of(report, job.plain_text)
        initial = refit_projections(initial, model, job, config.student, run)

    student, teacher = initial.student, Teacher(model, config.teacher.dtype, run.device, job.teacher_rows)
    examples = learnt_texts(job, config, run, model)
    distiller = Distiller(student, teacher, examples, job.task, config.teacher, run)

    # Eq. 11 for m = 0 ... M: embeddings, hidden states and attention scores, through the layer map g.
    if config.objective.layers:
        layers = loss(initial, teacher, config.student, run.seed_for("projection"), config.objective)
        distiller.run_stage("intermediate", layers, config.intermediate)

    # Eq. 11 for m = M + 1: the teacher's distribution, softened by the temperature t.
    soft = config.objective.prediction
    predictions = job.task.soft(config.prediction.temperature) if soft else job.task.gold()
    distiller.run_stage("prediction", predictions, config.prediction, job.dev)
    return Outcome(student, model, figures, examples)


def loss(
    initial: InitialStudent, teacher: Teacher, settings: StudentSettings, seed: int, on: LayerObjectives = EVERYTHING
) -> Objective:
    """L_embd (Eq. 9) + L_hidn (Eq. 8) + L_attn (Eq. 7), each layer m from layer g(m); `seed` draws projections."""
    student, known = initial.student.shape, teacher.shape
    g = layer_map(settings.layer_map, student.layers, known.layers)
    how: dict[str, Any] = {"projection": settings.projection, "initial": initial.directions, "seed": seed}
    terms: list[Objective | tuple[float, Objective]] = []
    if on.embedding or on.hidden:
        terms.append(HiddenMSE(g, student.width, known.width, embedding=on.embedding, hidden=on.hidden, **how))
    if on.attention:
        terms.append((settings.attention_weight, AttentionScoreMSE(g, settings.attention_heads)))
    return Sum(*terms)


USES = frozenset({"mlm", "vectors", "unlabeled"})
RECIPE = Recipe(
    "tinybert", "Transformer distillation: layers first, then predictions", CITATION, Config, distill, uses=USES
)
