"""How much of the time of a command its trainings may have."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tinybert.log import Log
from tinybert.machine import training_speed
from tinybert.models.loading import META
from tinybert.run import Deadline, Run, RunPlan
from tinybert.stages.job import Job, Outcome

FINISH_SECONDS = 60  # of export and latencies
EVALUATED = 6  # how often a student answers dev and test at the end: fp32, int8, and int8 in other batches


def planned_deadline(end: float, distill: Callable[[Run], Outcome], job: Any, run: Run) -> Deadline:
    """What is ahead of a run, as a dry one walks through it; the finish has its time too.

    Args:
        end: When the run is to be done, by `time.monotonic`.
        distill: Everything up to the finish.
        job: What that works on.
        run: The one that is to be in time.
    """
    noted = RunPlan()
    with tempfile.TemporaryDirectory(prefix="tinybert-") as folder:
        dry = Run(Path(folder), run.seed, run.settings, META, Log(silent=True), plan=noted)
        outcome = distill(dry)
    speed = training_speed(run.device)
    ahead = {stage["name"]: stage["flops"] / speed + stage["seconds"] for stage in noted.stages}
    return Deadline(end - FINISH_SECONDS - _evaluation(job, outcome) / speed, ahead)


def _evaluation(job: Any, outcome: Outcome) -> float:
    """Operations of the evaluation at the end."""
    if not isinstance(job, Job):
        return 0.0
    asked = [(outcome.student, EVALUATED), *([] if outcome.teacher is None else [(outcome.teacher, 1)])]
    rows = [rows.lengths for rows in (job.dev, job.test) if rows is not None]
    return sum(times * network.flops_of(lengths) for network, times in asked for lengths in rows)
