"""Who chooses among the samples of L2A: the policy with its reward, or nobody."""

from collections.abc import Callable, Sequence

from tinybert.errors import UserError
from tinybert.models.student import Student
from tinybert.run import Run
from tinybert.selectors.fixed import KeepAll
from tinybert.selectors.reinforced import Reinforced
from tinybert.stages.job import Job
from tinybert.stages.l2a.pool import Pool
from tinybert.stages.l2a.reward import reward_of
from tinybert.stages.l2a.settings import L2ASettings
from tinybert.types import Selector

AfterEpisode = Callable[[Reinforced], object]


def chooser(
    student: Student,
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
        job.task.outputs,
        reward_of(student, job, settings, run),
        temperature=temperature,
        seed=run.seed_for("policy"),
        ended=ended,
    )
