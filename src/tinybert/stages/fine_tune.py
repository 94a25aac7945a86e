"""Fine-tuning on gold labels, the best on dev kept: Devlin et al. 2019, section 4.1, with room for few labels."""

from tinybert.engine.evaluate import judge_on
from tinybert.engine.fit import StageReport, fit
from tinybert.models.student import Student
from tinybert.objectives.prediction import GoldCrossEntropy, GoldMSE
from tinybert.run import StageRun
from tinybert.selectors.keep_all import KeepAll
from tinybert.stages.job import Job
from tinybert.stages.length import stretched
from tinybert.types import Stage


def fine_tune(student: Student, job: Job, stage: Stage, place: StageRun) -> StageReport:
    """Train a network on the gold labels of `job.train`; it ends as the best it was on `job.dev`."""
    objective = GoldMSE() if job.task.kind == "regression" else GoldCrossEntropy()
    judge = judge_on(student, job.dev, job.task, place.run)
    decided = stretched(stage, len(job.train))
    return fit(student, None, objective, job.train, decided, place, selector=KeepAll(), judge=judge)
