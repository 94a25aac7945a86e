"""BiLSTM_SOFT: distilling task-specific knowledge from BERT into simple neural networks (Tang et al. 2019).

A bidirectional LSTM learns the teacher's logits on augmented text; for pairs it reads both texts by the same weights.
Where this differs from the paper (arXiv:1903.12136) or the authors' code: the table holds the pieces of the teacher's
vocabulary and starts at random unless `--vectors` gives words theirs; one table is trained, not one trained and one
fixed; AdamW instead of Adadelta; the best epoch on dev is kept; scores are learnt too.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated

from tinybert.augment.method import AugmentSettings
from tinybert.augment.settings import SETTINGS
from tinybert.augment.tang import TangSettings
from tinybert.config import Choice
from tinybert.families.network import Shape
from tinybert.objectives import LogitsMSE, Sum
from tinybert.recipes.recipe import Recipe, TaskSettings
from tinybert.run import Run
from tinybert.stages.augment import learnt_texts
from tinybert.stages.bilstm import BiLSTMStudent, initial_bilstm
from tinybert.stages.common_settings import AugmentingSettings
from tinybert.stages.distiller import Distiller
from tinybert.stages.job import Job, Outcome
from tinybert.stages.teacher import teacher_or_scores
from tinybert.tasks.base import Task
from tinybert.types import Objective, Stage

CITATION = (
    "Tang et al. 2019, Distilling Task-Specific Knowledge from BERT into Simple Neural Networks, arXiv:1903.12136"
)


@dataclass(frozen=True)
class ObjectiveSettings:
    """Settings of the group `objective`.

    Attributes:
        gold_weight: Of the cross-entropy with gold labels; the teacher's logits have the rest of 1.
    """

    gold_weight: float = 0.0  # α of Eq. 7, 0 where text is augmented

    def __post_init__(self) -> None:
        """Refuse weights that would teach the wrong way, and those of plain fine-tuning."""
        if not 0 <= self.gold_weight < 1:
            raise ValueError(f"gold_weight must be from 0 to below 1 (1 distils nothing), got {self.gold_weight}")


@dataclass(frozen=True, kw_only=True)
class Config(AugmentingSettings, TaskSettings):
    """Settings of the recipe; the defaults are the preset `paper`."""

    student: BiLSTMStudent = field(default_factory=BiLSTMStudent)
    augment: Annotated[AugmentSettings, Choice("method", SETTINGS)] = field(
        default_factory=lambda: TangSettings(copies=20)
    )
    objective: ObjectiveSettings = field(default_factory=ObjectiveSettings)
    distill: Stage = field(
        default_factory=lambda: Stage(epochs=30, batch_size=50, lr=1e-3, weight_decay=0.0, schedule="constant")
    )

    def unfit(self, student: Shape, teacher: Shape, /) -> Iterator[str]:  # noqa: ARG002
        """Any BiLSTM can learn logits; only BiLSTMs have no heads."""
        if student.heads:
            yield f"student: {self.student.path} is no BiLSTM; give a shape such as 1x200, or a student of this recipe"

    def needs_labels(self) -> str | None:
        """Gold labels are learnt where they have a weight."""
        weight = self.objective.gold_weight
        return f"objective.gold_weight={weight:g} learns gold labels" if weight else super().needs_labels()

    def needs_pieces(self) -> str | None:
        """Logits are of whole texts."""
        return None

    def needs_layers(self) -> str | None:
        """Nothing but logits is learnt."""
        return None

    def unread(self) -> Iterator[tuple[str, str]]:
        """Besides, logits are learnt as they are."""
        yield from super().unread()
        yield "distill.temperature", "logits are not softened"
        if not self.objective.gold_weight:
            yield "data.class_weights", "distances of logits have no classes; objective.gold_weight learns with weights"


def distill(job: Job, config: Config, run: Run) -> Outcome:
    """Teacher, a BiLSTM, copies; then logits in one stage; the student that is best on dev."""
    taught_by = teacher_or_scores(job, config, run)
    student = initial_bilstm(job, config.student, config.vectors, run)
    texts = job.train if taught_by.network is None else learnt_texts(job, config, run, taught_by.network)
    distiller = Distiller(student, taught_by.teacher, texts, job.task, config.teacher, run)
    distiller.run_stage("distill", loss(config, job.task), config.distill, job.dev)
    return Outcome(student, taught_by.network, learnt=texts)


def loss(config: Config, task: Task) -> Objective:
    """α L_CE + (1 - α) L_distill (Eq. 7), L_distill = ||z_T - z_S||² (Eq. 6)."""
    alpha = config.objective.gold_weight
    return Sum((1 - alpha, LogitsMSE()), *([(alpha, task.gold())] if alpha else []))


SUMMARY = "a bidirectional LSTM that learns the teacher's logits: small, and no Transformer"
USES = frozenset({"mlm", "vectors", "unlabeled"})
RECIPE = Recipe("bilstm_soft", SUMMARY, CITATION, Config, distill, uses=USES, answers="texts")
