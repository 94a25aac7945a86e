"""Fine-tuning on gold labels, the best on dev kept: Devlin et al. 2019, section 4.1, with room for few labels."""

from math import ceil

from tinybert.engine.evaluate import judge_on
from tinybert.engine.fit import StageReport, fit
from tinybert.models.student import Student
from tinybert.objectives.prediction import GoldCrossEntropy, GoldMSE
from tinybert.run import StageRun
from tinybert.selectors.keep_all import KeepAll
from tinybert.stages.job import Job
from tinybert.types import Stage

LEAST_STEPS = 300  # three epochs of eighty rows are nine updates: too few to learn anything
MOST_EPOCHS = 20
EPOCHS = 3


def fine_tune(student: Student, job: Job, stage: Stage, place: StageRun) -> StageReport:
    """Train a network on the gold labels of `job.train`; it ends as the best it was on `job.dev`."""
    objective = GoldMSE() if job.task.kind == "regression" else GoldCrossEntropy()
    judge = judge_on(student, job.dev, job.task, place.run)
    decided = stretched(stage, len(job.train))
    return fit(student, None, objective, job.train, decided, place, selector=KeepAll(), judge=judge)


def stretched(stage: Stage, rows: int) -> Stage:
    """Three epochs, but at least 300 updates and at most 20 epochs, unless `epochs` says otherwise.

    Example:
        >>> stretched(Stage(epochs=None), 80).epochs, stretched(Stage(epochs=None), 8635).epochs
        (20, 3)
    """
    if stage.epochs is not None:
        return stage
    enough = ceil(LEAST_STEPS / ceil(rows / stage.batch_size))
    return stage.with_epochs(min(max(EPOCHS, enough), MOST_EPOCHS))
