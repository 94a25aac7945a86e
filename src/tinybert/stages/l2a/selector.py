"""Who chooses among the samples of L2A: nobody, or the policy, rewarded by the student's quality on a part of dev."""

from collections.abc import Callable, Sequence
from math import isnan

import numpy as np
from jaxtyping import Int, Shaped

from tinybert.engine.evaluate import held_out_loss, metric_fn
from tinybert.errors import UserError
from tinybert.families.network import Network
from tinybert.run import Run
from tinybert.selectors.fixed import KeepAll
from tinybert.selectors.reinforced import Reinforced, Reward
from tinybert.stages.job import Job
from tinybert.stages.l2a.pool import Pool
from tinybert.stages.l2a.settings import L2ASettings
from tinybert.types import Selector

AfterEpisode = Callable[[Reinforced], object]


def make_selector(
    student: Network,
    job: Job,
    pool: Pool,
    settings: L2ASettings,
    temperature: float,
    run: Run,
    after: Sequence[AfterEpisode],
) -> Selector:
    """The selector of a run.

    Args:
        student: Whose progress is rewarded.
        job: Has the target's dev.
        pool: What there is to choose from.
        settings: Who chooses.
        temperature: Of the soft targets.
        run: Its streams and its device.
        after: What is done at the end of every episode, when the policy has learnt from it.

    Raises:
        UserError: If several processes share the run: each would reward its own share of a batch.
    """
    if settings.selector == "keep_all":
        return KeepAll()
    if run.world > 1:
        raise UserError("l2a: the policy learns in one process; start it without a launcher, or l2a.selector=keep_all")

    def ended(selector: Reinforced) -> None:
        for step in after:
            step(selector)

    return Reinforced(
        settings.policy,
        pool.facts,
        job.task.head.outputs,
        reward_of(student, job, settings, run),
        temperature=temperature,
        seed=run.seed_for("policy"),
        ended=ended,
    )


def reward_of(student: Network, job: Job, settings: L2ASettings, run: Run) -> Reward:
    """Measure the student as `l2a.reward` says, on so many rows of dev as `l2a.reward_eval_size` says."""
    rows, size = job.dev, settings.reward_eval_size
    if size is not None and size < len(rows):
        rows = rows.select(stratified(rows.needed_labels(), size, run.rng("reward")))
    measured = metric_fn(student, rows, job.task, run)

    def metric() -> float:
        value = measured()
        return 0.0 if isnan(value) else value  # the correlation of a student that always says the same

    def loss() -> float:
        return -held_out_loss(student, job.task.gold(), rows)

    return Reward(loss if settings.reward == "neg_val_loss" else metric, settings.reward_every)


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
