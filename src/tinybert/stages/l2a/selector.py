"""Who chooses among the samples of L2A: nobody, a rule, or the policy, rewarded by the student on a part of dev."""

from collections.abc import Callable
from math import isnan

import numpy as np
from jaxtyping import Int, Shaped

from tinybert.engine.evaluate import held_out_loss, metric_fn
from tinybert.errors import UserError
from tinybert.families.network import Network
from tinybert.models.teacher import Teacher
from tinybert.run import Run
from tinybert.selectors.features import View
from tinybert.selectors.fixed import Agreement, KeepAll
from tinybert.selectors.reinforced import Reinforced
from tinybert.selectors.rewards import Progress, Reward
from tinybert.stages.job import Job
from tinybert.stages.l2a.influence import Influence
from tinybert.stages.l2a.paired import Paired
from tinybert.stages.l2a.pool import Pool
from tinybert.stages.l2a.settings import L2ASettings
from tinybert.types import Objective, Selector, Stage


def without_reward(pool: Pool, settings: L2ASettings) -> Selector | None:
    """The selector of a run in which nothing is rewarded; None where the policy chooses."""
    match settings.selector:
        case "keep_all":
            return KeepAll()
        case "agreement":
            return Agreement(pool.facts)
        case "reinforced":
            return None


def reinforced(
    student: Network,
    learnt: Objective,
    teacher: Teacher,
    job: Job,
    pool: Pool,
    settings: L2ASettings,
    stage: Stage,
    run: Run,
    ended: Callable[[Reinforced], object],
) -> Reinforced:
    """The policy of a run.

    Args:
        student: Whose progress is rewarded.
        learnt: What it learns.
        teacher: Whom it learns from.
        job: Has the target's dev.
        pool: What there is to choose from.
        settings: Of policy and reward.
        stage: How it learns.
        run: Its streams and its device.
        ended: Called at the end of every episode, when the policy has learnt from it.

    Raises:
        UserError: If several processes share the run: each would reward its own share of a batch.
    """
    if run.world > 1:
        raise UserError("l2a: the policy learns in one process; start it without a launcher, or l2a.selector=keep_all")

    policy, shapes = settings.policy, (student.shape, teacher.shape)
    first = tuple((shape.layers, shape.width) for shape in shapes) if policy.first_states else ()
    view = View(job.task.head.outputs, policy.state, stage.temperature, policy.agreement, first)
    reward = reward_of(student, learnt, job, settings, stage, run)
    return Reinforced(policy, pool.facts, view, reward, seed=run.seed_for("policy"), ended=ended)


def reward_of(student: Network, learnt: Objective, job: Job, settings: L2ASettings, stage: Stage, run: Run) -> Reward:
    """Measure the student as `l2a.reward` says, on so many rows of dev as `l2a.reward_eval_size` says."""
    rows, size = job.dev, settings.reward_eval_size
    if size is not None and size < len(rows):
        rows = rows.select(stratified(rows.needed_labels(), size, run.rng("reward")))
    gold, every, metric = job.task.gold().to(run.device), settings.reward_every, metric_fn(student, rows, job.task, run)
    if settings.reward == "influence":
        return Influence(student, learnt, gold, rows, every)

    def quality() -> float:
        value = metric() if settings.reward == "metric" else -held_out_loss(student, gold, rows)
        return 0.0 if isnan(value) else value  # the correlation of a student that always says the same

    if settings.reward_over == "all_kept":
        return Paired(student, learnt, quality, stage, run.student_dtype, every)
    return Progress(quality, every)


def stratified(labels: Shaped[np.ndarray, " row"], count: int, rng: np.random.Generator) -> Int[np.ndarray, " drawn"]:
    """Draw rows so that every class, or range of scores, has its share: of the rows in order of label, one in so many.

    Example:
        >>> labels = np.repeat([0, 1], [60, 20])
        >>> np.bincount(labels[stratified(labels, 8, np.random.default_rng(0))]).tolist()
        [6, 2]
    """
    order = np.lexsort((rng.random(len(labels)), labels))
    positions = (np.arange(count) + rng.random()) * len(labels) / count
    return np.sort(order[positions.astype(np.int64)])
