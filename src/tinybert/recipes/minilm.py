"""MiniLM: deep self-attention distillation (Wang et al. 2020, arXiv:2002.10957), and v2 (2021, arXiv:2012.15828).

A student of any width learns how the teacher's last layer relates pieces, then a task where there is one: as in the
paper on plain text, from the teacher as it was without the task; where there is none, on the task's own texts, which is
ours. The authors published no training code. Padding counts nowhere here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tinybert.families.network import Network, Shape
from tinybert.models.teacher import Teacher
from tinybert.objectives import RelationKL, SelfRelationKL
from tinybert.recipes.recipe import PLAIN_TEXT, Recipe, TextOrTaskSettings
from tinybert.run import Run
from tinybert.stages.distiller import Distiller
from tinybert.stages.general.training import figures_of, pretrained_teacher, train_general
from tinybert.stages.initialisation import initialise
from tinybert.stages.job import Job, Outcome, PlainText
from tinybert.stages.relations import RelationSettings
from tinybert.stages.teacher import task_teacher
from tinybert.types import Objective, Stage

CITATION = "Wang et al. 2020, MiniLM: Deep Self-Attention Distillation, NeurIPS, arXiv:2002.10957"


@dataclass(frozen=True, kw_only=True)
class Config(TextOrTaskSettings):
    """Settings of the recipe; the defaults are the preset `paper`."""

    objective: RelationSettings = field(default_factory=RelationSettings)
    intermediate: Stage = field(default_factory=lambda: Stage(epochs=20, usual_epochs=5, lr=5e-4))
    prediction: Stage = field(default_factory=lambda: Stage(epochs=3, lr=2e-5))

    def unfit(self, student: Shape, teacher: Shape, /) -> Iterator[str]:
        """Widths may differ; numbers of heads where relation heads are named."""
        yield from self.objective.unfit(student, teacher)

    def unread(self) -> Iterator[tuple[str, str]]:
        """Besides: relations are learnt once, and gold labels have no temperature."""
        yield from super().unread()
        if self.reads_text:
            yield "objective.targets", PLAIN_TEXT
        elif self.general.tokens is not None:
            yield "intermediate", f"general.tokens={self.general.tokens}: relations are learnt on plain text"
        if self.objective.targets == "gold":
            yield "prediction.temperature", "objective.targets=gold does not read it"


def distill(job: Job | PlainText, config: Config, run: Run) -> Outcome:
    """Relations first, on plain text where there is any, else on the task's own; then the task, where there is one."""
    if isinstance(job, PlainText):
        model = pretrained_teacher(config.teacher, run)
        student, figures = learnt_relations(job, job, model, config, run)
        return Outcome(student.body(), model.body(), figures)
    model = task_teacher(job, config.teacher, config.fine_tune, run)
    student, figures = learnt_relations(job, job.plain_text or job, model, config, run)

    # Section 4.1: fine-tuning; `objective.targets: soft` learns the teacher's distribution instead.
    gold = config.objective.targets == "gold"
    targets = job.task.gold() if gold else job.task.soft(config.prediction.temperature)
    teacher = Teacher(model, config.teacher.dtype, run.device)
    distiller = Distiller(student, teacher, job.train, job.task, config.teacher, run)
    distiller.run_stage("prediction", targets, config.prediction, job.dev)
    return Outcome(student, model, figures)


def learnt_relations(
    job: Job | PlainText, texts: Job | PlainText, model: Network, config: Config, run: Run
) -> tuple[Network, Mapping[str, Any]]:
    """A student for a job that has learnt relations on texts: of `model`, or before a task of that without the task."""
    student = initialise(job, model, config.student, run).student
    origin = model if texts is job else pretrained_teacher(config.teacher, run)

    # Section 3.3: an assistant as deep as the teacher and as wide as the student stands between the two.
    if config.objective.assistant:
        shape = f"{model.shape.layers}x{student.shape.width}"
        how = replace(config.student, path=shape, inner=student.shape.inner)
        assistant = initialise(job, model, how, run, "assistant_init").student
        learn_relations(assistant, origin, texts, config, run, "assistant")
        origin = assistant
    return student, learn_relations(student, origin, texts, config, run)


def learn_relations(
    student: Network, origin: Network, texts: Job | PlainText, config: Config, run: Run, name: str | None = None
) -> Mapping[str, Any]:
    """One network learns the relations of another; `name` is that of the stage, where it is not its settings'."""
    teacher = Teacher(origin, config.teacher.dtype, run.device)
    learnt = loss(student.shape, teacher.shape, config.objective)
    if isinstance(texts, PlainText):
        report = train_general(student, teacher, learnt, texts, config.general, run, name or "general")
        return {"general": figures_of(report, texts)}
    distiller = Distiller(student, teacher, texts.train, texts.task, config.teacher, run)
    distiller.run_stage(name or "intermediate", learnt, config.intermediate, group="intermediate")
    return {}


def loss(student: Shape, teacher: Shape, settings: RelationSettings) -> Objective:
    """L_AT + L_VR (Eq. 8) of the last layers; with relation heads those of queries, keys and values (v2)."""
    if settings.relation_heads is None:
        return RelationKL(student.layers, teacher.layers, teacher.heads)
    return SelfRelationKL(student.layers, teacher.layers, settings.relation_heads)


SUMMARY = "how the teacher's last layer relates pieces, for students of any width; then the task"
RECIPE = Recipe("minilm", SUMMARY, CITATION, Config, distill, uses=frozenset({"unlabeled"}))
