"""Plain fine-tuning on gold labels (Devlin et al. 2019): the control that every distillation must beat.

With a second domain it is fine-tuning on source, then on target: the control of methods whose teacher learns there too.
On copies by any augmenter, which keep the labels of their originals, it tells what text is worth without a teacher.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Annotated

from tinybert.augment.method import AugmentSettings
from tinybert.augment.settings import SETTINGS, NoAugmentation
from tinybert.config import Choice
from tinybert.data.source_domain import TeacherData
from tinybert.recipes.recipe import Recipe, TaskSettings
from tinybert.run import Run
from tinybert.stages.augment import augmented
from tinybert.stages.common_settings import AugmentingSettings
from tinybert.stages.fine_tune import fine_tune_on, labelled_source
from tinybert.stages.initialisation import initialise
from tinybert.stages.job import Job, Outcome
from tinybert.stages.teacher import origin_of_shape

CITATION = "Devlin et al. 2019, BERT: Pre-training of Deep Bidirectional Transformers, arXiv:1810.04805"


@dataclass(frozen=True, kw_only=True)
class Config(AugmentingSettings, TaskSettings):
    """Settings of the recipe."""

    augment: Annotated[AugmentSettings, Choice("method", SETTINGS)] = field(default_factory=NoAugmentation)

    def needs_labels(self) -> str:
        """Nothing else is learnt."""
        return "gold labels are what is learnt"

    def unread(self) -> Iterator[tuple[str, str]]:
        """Besides: a teacher that is only the origin of a student answers nothing."""
        yield from super().unread()
        for name in ("dtype", "cache", "accept_weak"):
            yield f"teacher.{name}", "the recipe fine_tune does not read it"
        yield "augment.keep_flipped", "no teacher says which copies flip"


def distill(job: Job, config: Config, run: Run) -> Outcome:
    """A student, a checkpoint or cut out of `teacher`, trained on gold labels; the best on dev is kept."""
    domains: TeacherData = "target" if job.source is None else "source_then_target"
    labelled_source(job.source, domains)  # refuses before an initialisation that takes minutes
    student = initialise(job, origin_of_shape(job, config, run), config.student, run).student
    learnt = replace(job, train=augmented(job, config, run, None))
    fine_tune_on(domains, student, learnt, config.fine_tune, run, name="fine_tune")
    return Outcome(student, None, learnt=learnt.train)


RECIPE = Recipe(
    "fine_tune",
    "plain fine-tuning of a small network on gold labels: the control",
    CITATION,
    Config,
    distill,
    needs_teacher=False,
    uses=frozenset({"source", "mlm", "vectors", "unlabeled"}),
)
