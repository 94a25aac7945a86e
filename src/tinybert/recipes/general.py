"""General distillation, TinyBERT's first stage (Jiao et al. 2020, arXiv:1909.10351, section 3.2).

From plain text to a student that knows no task yet: its embedding, layers and attention learn those of a teacher that
was not fine-tuned. Where this differs from the authors' code: blocks of one length are packed across the borders of
sentences instead of pairs of sentences; the gradient of several processes is the student's, and is summed.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from tinybert.run import Run, RunSettings
from tinybert.stages.common_settings import CommonSettings
from tinybert.stages.general.lesson import figures_of, learn_in_general, pretrained_teacher
from tinybert.stages.general.reading import CorpusSettings
from tinybert.stages.general.settings import GeneralSettings
from tinybert.stages.initialisation import StudentSettings, initialise
from tinybert.stages.job import Outcome, PlainText
from tinybert.stages.teacher import TeacherNetwork

CITATION = "Jiao et al. 2020, TinyBERT: Distilling BERT for Natural Language Understanding, arXiv:1909.10351"


@dataclass(frozen=True, kw_only=True)
class Config(CommonSettings):
    """Settings of the recipe."""

    data: CorpusSettings = field(default_factory=CorpusSettings)
    teacher: TeacherNetwork = field(default_factory=TeacherNetwork)
    student: StudentSettings = field(default_factory=StudentSettings)
    general: GeneralSettings = field(default_factory=GeneralSettings)
    run: RunSettings = field(default_factory=RunSettings)

    def unused(self, recipe: str, used: frozenset[str]) -> Iterator[str]:
        """Besides what `CommonSettings` names: there is no task, so nothing of a task is looked at."""
        yield from super().unused(recipe, used)
        for name in ("test", "kind"):
            if getattr(self, name) is not None:
                yield f"--{name}: the recipe {recipe} learns from plain text, no task; leave it out"


def distill(text: PlainText, config: Config, run: Run) -> Outcome:
    """A student is made and learns the teacher's layers on plain text."""
    model = pretrained_teacher(config, run)
    initial = initialise(text, model, config.student, run)
    report = learn_in_general(initial, model, text, config, run)
    return Outcome(initial.student, model, {"general": figures_of(report, text)})
