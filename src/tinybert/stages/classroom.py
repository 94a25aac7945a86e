"""A student, its teacher and the texts they share: what every distilling recipe gives its lessons in."""

from collections.abc import Callable
from dataclasses import dataclass

from tinybert.data.encoded import EncodedRows
from tinybert.engine.cache import remembered
from tinybert.engine.fit import StageReport, fit
from tinybert.models.student import Student
from tinybert.models.teacher import Teacher
from tinybert.run import Run
from tinybert.selectors.keep_all import KeepAll
from tinybert.stages.length import stretched
from tinybert.stages.teacher import TeacherSettings
from tinybert.types import Objective, Stage, keyed


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

    student: Student
    teacher: Teacher
    examples: EncodedRows
    settings: TeacherSettings
    run: Run

    def teach(
        self, name: str, objective: Objective, stage: Stage, judge: Callable[[], float] | None = None, **depends_on: str
    ) -> StageReport:
        """One stage of training, with the teacher's outputs remembered where they fit the disk budget.

        Args:
            name: Of the stage, which is also that of its settings.
            objective: What the student is to learn.
            stage: Epochs, batch size, rates.
            judge: The figure on dev that decides which weights are kept; None keeps the last.
            depends_on: Further settings that the objective was made from.
        """
        inputs = {**keyed(name, stage), **depends_on, "examples": self.examples.digest}
        place = self.run.stage(name, {**inputs, "teacher.dtype": self.settings.dtype, "seed": self.run.seed})
        stage = stretched(stage, len(self.examples))
        teacher = remembered(self.teacher, objective.needs_teacher, self.examples, place, self.settings.cache)
        return fit(self.student, teacher, objective, self.examples, stage, place, selector=KeepAll(), judge=judge)
