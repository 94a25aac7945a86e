"""A student, its teacher and the texts they share: what every distilling recipe gives its lessons in."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tinybert.data.encoded import EncodedRows
from tinybert.engine.cache import remembered
from tinybert.engine.fit import StageReport, fit
from tinybert.engine.learner import RowsOf
from tinybert.engine.optimise import stretched
from tinybert.families.network import Network
from tinybert.models.teacher import Teacher
from tinybert.run import Run
from tinybert.selectors.fixed import KeepAll
from tinybert.stages.initialisation import StudentSettings
from tinybert.stages.teacher import TeacherSettings
from tinybert.types import Masker, Objective, Selector, Stage, flatten


@dataclass(frozen=True)
class Classroom:
    """Lessons for one student by one teacher on one set of texts.

    Attributes:
        student: Changes with every lesson.
        teacher: Frozen.
        examples: Encoded texts of all lessons.
        settings: The teacher's dtype and its cache.
        run: Where lessons are kept.
    """

    student: Network
    teacher: Teacher
    examples: EncodedRows
    settings: TeacherSettings
    run: Run

    def teach(
        self,
        name: str,
        objective: Objective,
        stage: Stage,
        metric: Callable[[], float] | None = None,
        selector: Selector | None = None,
        epoch: EncodedRows | RowsOf | None = None,
        masker: Masker | None = None,
        **depends_on: Any,
    ) -> StageReport:
        """One stage of training, with the teacher's outputs remembered where they fit the disk budget.

        Args:
            name: Of the stage, which is also that of its settings.
            objective: What the student is to learn.
            stage: Epochs, batch size, rates.
            metric: The figure on dev that decides which weights are kept; None keeps the last.
            selector: Chooses which examples count; None = all do.
            epoch: A view on `examples`, where not every one of them is learnt from once in an epoch; or for each epoch
                rows of its own, for which the teacher's outputs are not remembered.
            masker: Masks pieces of each batch, others each time; the teacher's outputs are then not remembered.
            depends_on: Further settings that the objective was made from.
        """
        inputs = {**flatten(name, stage), **depends_on, "examples": self.examples.digest}
        place = self.run.stage(name, {**inputs, "teacher.dtype": self.settings.dtype, "seed": self.run.seed})
        rows, chosen = self.examples if epoch is None else epoch, selector or KeepAll()
        stage = stretched(stage, len(rows(0) if callable(rows) else rows))
        needs = objective.needs_teacher | chosen.needs_teacher
        budget = "off" if callable(rows) else self.settings.cache
        teacher = self.teacher if masker else remembered(self.teacher, needs, self.examples, place, budget)
        return fit(self.student, teacher, objective, rows, stage, place, selector=chosen, metric=metric, masker=masker)


def mapping_of(settings: StudentSettings) -> dict[str, Any]:
    """The settings of the student that the losses of layers are made from, by their dotted name."""
    return {f"student.{key}": getattr(settings, key) for key in ("projection", "layer_map", "attention_weight")}
