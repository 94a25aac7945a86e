"""A student, its teacher and the texts they share: what recipes run their stages of distillation with."""

from dataclasses import dataclass
from typing import Any

from tinybert.data.encoded import EncodedRows
from tinybert.engine.evaluate import metric_fn
from tinybert.engine.fit import StageReport, fit
from tinybert.engine.learner import RowsOf
from tinybert.engine.optimise import resolve_epochs
from tinybert.engine.teacher_outputs import cached_teacher
from tinybert.families.network import Network
from tinybert.models.teacher import Teacher, TeacherScores
from tinybert.run import Run
from tinybert.selectors.fixed import KeepAll
from tinybert.stages.teacher import TeacherSettings
from tinybert.tasks.base import Task
from tinybert.types import Masker, Objective, Selector, Stage


@dataclass(frozen=True)
class Distiller:
    """Stages of distillation for one student by one teacher on one set of texts.

    Attributes:
        student: Changes with every stage.
        teacher: A frozen network, or what one said of each example.
        examples: Encoded texts of all stages.
        task: Says which figure on dev is better.
        settings: The teacher's dtype and its cache.
        run: Keeps the stages.
    """

    student: Network
    teacher: Teacher | TeacherScores
    examples: EncodedRows
    task: Task
    settings: TeacherSettings
    run: Run

    def run_stage(
        self,
        name: str,
        objective: Objective,
        stage: Stage,
        dev: EncodedRows | None = None,
        selector: Selector | None = None,
        epoch: EncodedRows | RowsOf | None = None,
        masker: Masker | None = None,
        group: str | None = None,
        **depends_on: Any,
    ) -> StageReport:
        """One stage of training, with the teacher's outputs stored where they fit the disk budget.

        Args:
            name: Of the stage, which is also that of its settings where no `group` is named.
            objective: What the student is to learn.
            stage: Epochs, batch size, rates.
            dev: Rows that decide which weights are kept; None keeps the last.
            selector: Chooses which examples count; None = all do.
            epoch: A view on `examples`, where not every one of them is learnt from once in an epoch; or for each epoch
                rows of its own, for which the teacher's outputs are not stored.
            masker: Masks pieces of each batch, others each time; the teacher's outputs are then not stored.
            group: Of settings that stages share.
            depends_on: What the selector and the rows of an epoch were made from.
        """
        rows, chosen = self.examples if epoch is None else epoch, selector or KeepAll()
        artifact = self.run.begin(
            name,
            **{group or name: stage, "teacher.dtype": self.settings.dtype},
            **depends_on,
            student=self.student,
            teacher=self.teacher,
            objective=objective,
            examples=self.examples,
            epoch=None if callable(rows) else rows,
            dev=dev,
            figure=self.task.figure,
            masker=masker,
            seed=self.run.seed,
        )
        stage = resolve_epochs(stage, len(rows(0) if callable(rows) else rows))
        needs = objective.needs_teacher | chosen.needs_teacher
        budget = "off" if callable(rows) or masker or self._in_haste(name, stage) else self.settings.cache
        teacher = cached_teacher(self.teacher, needs, self.examples, self.run.own(artifact), self.run, budget)
        metric = None if dev is None else metric_fn(self.student, dev, self.task, self.run)
        how: dict[str, Any] = {"selector": chosen, "metric": metric, "masker": masker}
        return fit(self.student, teacher, objective, rows, stage, artifact, self.run, **how)

    def _in_haste(self, name: str, stage: Stage) -> bool:
        """Whether the time is up before storing the teacher's outputs pays: within a pass, teacher and student both."""
        if self.run.deadline is None or not isinstance(self.teacher, Teacher):
            return False
        teacher, student = (network.flops_of(self.examples.lengths) for network in (self.teacher, self.student))
        whole = teacher + 3 * student * (stage.epochs or 1)
        return self.run.deadline.share(name) * whole < teacher + 3 * student
