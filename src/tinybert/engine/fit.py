"""The only training loop: every recipe trains through `fit`.

The loop alone reduces (see `update`), keeps (see `learner`) and decides when. A resumed run ends with the same bits as
an uninterrupted one.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch

from tinybert import files
from tinybert.artifacts import Artifact
from tinybert.engine import checkpoint
from tinybert.engine.graphs import CudaGraphs
from tinybert.engine.learner import Learner, RowsOf
from tinybert.engine.optimise import length_of
from tinybert.engine.update import Observed, update
from tinybert.errors import Interrupted
from tinybert.families.network import Network
from tinybert.log import Log
from tinybert.models.teacher import Teacher
from tinybert.run import Run, RunPlan
from tinybert.selectors.fixed import KeepAll
from tinybert.types import Masker, Objective, Rows, Selector, Stage

CURVES = "curves.jsonl"  # of a finished stage: its lines of `metrics.jsonl`, for other runs that find it
SELECTOR = "selector"


@dataclass(frozen=True)
class StageReport:
    """How a stage went.

    Attributes:
        steps: Updates made.
        examples: Examples learnt from, counted as often as they were seen.
        seconds: Spent in updates, over all resumptions.
        best: Best figure on dev; None where nothing was evaluated.
        best_step: When it was reached.
        wanted: Updates that were wanted, where the time was up before; None elsewhere.
    """

    steps: int
    examples: int
    seconds: float
    best: float | None = None
    best_step: int | None = None
    wanted: int | None = None


def fit(
    student: Network,
    teacher: Observed | None,
    objective: Objective,
    rows: Rows | RowsOf,
    stage: Stage,
    artifact: Artifact,
    run: Run,
    *,
    selector: Selector,
    metric: Callable[[], float] | None = None,
    masker: Masker | None = None,
) -> StageReport:
    """Train `student` in place.

    Args:
        student: The network that learns; on the run's device.
        teacher: What it learns from; None for objectives on gold labels only.
        objective: One value per example; its own parameters are trained too.
        rows: Encoded examples; or for each epoch its own, as many and as long as those before.
        stage: Epochs, batch size, rates.
        artifact: The artifact of this stage; until it is whole its work holds checkpoints.
        run: Its device, random streams, log and signals; a dry one is only told how long this would take.
        selector: Chooses which examples count.
        metric: Gives a figure on dev, higher is better; with it the student ends as the best it was.
        masker: Makes of a batch what both networks read and the objective sees; its draws are from torch's stream of
            the update, so that a resume draws the same. None = the batch as it is.

    Returns:
        Steps, seconds and the best figure; the stored ones where the stage was finished before.

    Raises:
        ResourceError: If memory or disk run out; what was saved stays valid.
        Interrupted: After a checkpoint, if a signal came.
        FloatingPointError: If gradients are not finite many times in a row.
    """
    rows_of = rows if callable(rows) else lambda _: rows
    if run.plan is not None:
        return _planned(student, teacher, rows_of(0), stage, artifact.name, run.plan)
    own = run.own(artifact)
    allowed = None if own is artifact or run.deadline is None else run.deadline.seconds_for(artifact.name)
    with run.making(own) as missing:
        if missing:
            known = (selector, stage, own, run, len(rows_of(0)), masker, allowed)
            learner = Learner(student, objective.to(run.device), *known)
            if run.settings.graphs:
                _record(learner, teacher)
            report = _learn(learner, teacher, rows_of, metric, artifact)
            student.use_fastest_attention(torch.float32, run.device)  # it answers in fp32
        else:
            report = _recall(student, selector, own, run.log)
    if report.wanted is not None:
        told = f"ended after {report.steps:,} of {report.wanted:,} updates, when its share of the time was up"
        run.notes.append(f"{artifact.name}: {told} (--max-minutes)")
        run.log.say(run.notes[-1])
    return report


def _record(learner: Learner, teacher: Observed | None) -> None:
    """Have updates recorded, or say why not: they must be the same work each time, and ask the device for nothing."""
    reasons = {
        "there are several processes": learner.run.world > 1,
        "batches are cut into parts": learner.stage.accumulate > 1,
        "pieces are masked": learner.masker is not None,
        "not every example counts": not isinstance(learner.selector, KeepAll),
        "transformers asks the device for the student's mask": learner.student.waited_for,
        "the teacher's outputs are not at hand on the device": teacher is not None and teacher.waited_for,
    }
    if why := [reason for reason, holds in reasons.items() if holds]:
        learner.run.log.say(f"{learner.artifact.name}: updates are not recorded (run.graphs), since {why[0]}")
    else:
        learner.record_updates(CudaGraphs(learner.run.device))


def _learn(
    learner: Learner,
    teacher: Observed | None,
    rows_of: RowsOf,
    metric: Callable[[], float] | None,
    shared: Artifact,
) -> StageReport:
    """Begin or go on, to the end."""
    artifact, run = learner.artifact, learner.run
    learner.resume()
    with run.deferring_signals(), run.log.progress(artifact.name, learner.steps, learner.now.step) as bar:
        for read, indices in learner.remaining_batches(rows_of):
            update(learner, teacher, read, indices)
            learner.plan_for_time()
            learner.read_if_due()
            learner.selector.after_update()
            if learner.at_end_of_epoch:
                learner.selector.after_epoch()
            if metric is not None and learner.evaluation_due:
                learner.keep_best(metric)
            learner.save_if_due()
            bar.advance(loss=learner.loss)
            if learner.over:
                break
    if run.stop_signal and run.world == 1:  # it came after the last look
        raise Interrupted(run.stop_signal)
    return _finished(learner, shared)


def _finished(learner: Learner, shared: Artifact) -> StageReport:
    """Leave the student as its best, and store it; where all can find it, if it is what they would have made."""
    if learner.best_weights:
        learner.student.load_state_dict(learner.best_weights)
    now = learner.now
    passes, rest = divmod(now.step, learner.epoch_steps)  # the last batch of a pass may be shorter
    seen = passes * learner.examples + rest * learner.stage.batch_size
    report = StageReport(now.step, seen, round(now.seconds, 3), now.best, now.best_step)
    if now.hurried and now.step < learner.wanted:
        report = replace(report, wanted=learner.wanted)

    def write(folder: Path) -> None:
        kept = {"student": learner.student.state_dict(), SELECTOR: learner.selector.state_dict()}
        checkpoint.write_tensors(folder, {name: tensors for name, tensors in kept.items() if tensors})
        files.write_json(folder / "report.json", asdict(report))
        files.write_text(folder / CURVES, learner.run.log.lines_of(learner.artifact.name))

    if learner.run.is_main and learner.artifact is not shared and not now.hurried:
        shared.make(write)
        files.remove(learner.artifact.work)
    elif learner.run.is_main:
        learner.artifact.make(write)
    return report


def _planned(
    student: Network, teacher: Observed | None, rows: Rows, stage: Stage, name: str, plan: RunPlan
) -> StageReport:
    """Note what a stage would take; the backward pass is twice the forward one."""
    epoch, updates = length_of(stage, len(rows))
    flops = 3 * student.flops_of(rows.lengths)
    if isinstance(teacher, Teacher):  # not its stored outputs
        flops += teacher.flops_of(rows.lengths)
    plan.add(flops * updates / epoch)
    plan.stage(name, updates)
    return StageReport(updates, updates * stage.batch_size, 0.0, best=0.0, best_step=updates)


def _recall(student: Network, selector: Selector, artifact: Artifact, log: Log) -> StageReport:
    """As a finished stage ended: the student's weights, what the selector had learnt, what was logged."""
    log.recall(artifact.name, (artifact.result / CURVES).read_text(encoding="utf-8"))
    found = checkpoint.read_tensors(artifact.result)
    student.load_state_dict(found["student"])
    selector.load_state_dict(dict(found.get(SELECTOR, {})))
    return StageReport(**files.read_json(artifact.result / "report.json"))
