"""A short last stage in which a student learns to answer in int8 as it did in fp32."""

from dataclasses import replace

from tinybert.export.rounding import measured_inputs, rounded
from tinybert.export.settings import ExportSettings
from tinybert.models.inference import without_dropout
from tinybert.models.teacher import Teacher
from tinybert.run import Run
from tinybert.stages.distiller import Distiller
from tinybert.stages.int8 import calibration_texts
from tinybert.stages.job import Job, Outcome
from tinybert.stages.teacher import TeacherSettings
from tinybert.types import Stage

STAGE = Stage(epochs=1, max_steps=300, lr=2e-5, evaluate_every=100)  # measured in docs/decisions.md


def learn_rounding(job: Job, outcome: Outcome, export: ExportSettings, teacher: TeacherSettings, run: Run) -> None:
    """The stage `qat`: soft targets of the student itself as it was, while it computes rounded; best on dev, rounded.

    Args:
        job: The task.
        outcome: Its student learns, in place.
        export: On how many rows ranges are measured.
        teacher: Where answers of the student as it was are stored.
        run: Keeps the stage.
    """
    student, as_it_was = outcome.student, Teacher(outcome.student, "fp32", run.device)
    inputs = [] if run.plan is not None else measured_inputs(student, calibration_texts(job, run, export))
    distiller = Distiller(student, as_it_was, outcome.rows(job), job.task, replace(teacher, dtype="fp32"), run)
    with without_dropout(student), rounded(student, inputs):
        distiller.run_stage("qat", job.task.soft(1.0), STAGE, job.dev, calibration_rows=export.calibration_rows)
