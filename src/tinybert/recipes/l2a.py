"""L2A: learning to augment for data-scarce domain BERT knowledge distillation (Feng et al. 2021, arXiv:2101.08106).

A domain with few labels, the target, and one with many, the source. The student learns from its teacher on samples
near the texts of both; a policy, rewarded by the student's progress on the target's validation data, keeps or drops
each. The paper has no public code; docs/recipes/l2a.md says what it leaves open and how that is decided here. Where we
depart from it even in the preset `paper`: the target's own texts are always learnt from.
"""

from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Int

from tinybert.augment.settings import AugmentGroups
from tinybert.data.settings import DataSettings
from tinybert.data.source_domain import SourceDomain, TeacherData, limited
from tinybert.engine.evaluate import judge_on
from tinybert.errors import UserError
from tinybert.models.teacher import Teacher
from tinybert.run import Run, RunSettings
from tinybert.stages.classroom import Classroom
from tinybert.stages.common_settings import CommonSettings
from tinybert.stages.initialisation import StudentSettings, initialise
from tinybert.stages.job import Job, Outcome
from tinybert.stages.l2a.chooser import chooser
from tinybert.stages.l2a.generator import generator_of
from tinybert.stages.l2a.journal import Journal
from tinybert.stages.l2a.pool import epoch_of, pool_of
from tinybert.stages.l2a.settings import L2ASettings
from tinybert.stages.last_layer import LastLayerSettings, last_layer_objective
from tinybert.stages.teacher import TeacherSettings, task_teacher
from tinybert.types import Stage, flatten

CITATION = (
    "Feng et al. 2021, Learning to Augment for Data-Scarce Domain BERT Knowledge Distillation, AAAI, arXiv:2101.08106"
)


@dataclass(frozen=True, kw_only=True)
class Config(CommonSettings):
    """Settings of the recipe; the defaults are the preset `paper`, where the paper gives a value."""

    data: DataSettings = field(default_factory=DataSettings)
    teacher: TeacherSettings = field(default_factory=TeacherSettings)
    student: StudentSettings = field(default_factory=StudentSettings)
    fine_tune: Stage = field(default_factory=lambda: Stage(epochs=None))
    l2a: L2ASettings = field(default_factory=L2ASettings)
    objective: LastLayerSettings = field(default_factory=LastLayerSettings)
    distill: Stage = field(default_factory=lambda: Stage(epochs=10, lr=5e-5))
    run: RunSettings = field(default_factory=RunSettings)

    @property
    def heads_learn(self) -> bool:
        """Whether attention scores are among what is learnt."""
        return self.objective.attention

    def domains(self, source: SourceDomain | None, /) -> TeacherData:
        """What a teacher without a head is fine-tuned on."""
        if self.l2a.teacher_data is not None:
            return self.l2a.teacher_data
        return "target" if source is None or source.labelled is None else "source_then_target"

    def used_source(self, source: SourceDomain | None, rng: np.random.Generator, /) -> SourceDomain | None:
        """At most so many rows as `l2a.source_limit` says."""
        return None if source is None else limited(source, self.l2a.source_limit, rng)

    def epoch_of(
        self, target: Int[np.ndarray, " target"], source: Int[np.ndarray, " source"], /
    ) -> Int[np.ndarray, " epoch"]:
        """The pool, balanced where that is wanted."""
        return epoch_of(target, source, self.l2a)

    def augmenting(self) -> AugmentGroups | None:
        """The samples of the target; None where nothing is drawn by a masked LM."""
        settings = self.l2a
        if settings.learn_from == "source":
            return settings.augmenting(source=True) if settings.samples_source else None
        return settings.augmenting()


def distill(job: Job, config: Config, run: Run) -> Outcome:
    """Teacher, student, samples; in each epoch the policy chooses, the student learns, the policy is rewarded."""
    settings = config.l2a
    job = replace(job, source=config.used_source(job.source, run.rng("source")))
    _refuse_nothing(job, settings, run)
    model = task_teacher(job, config.teacher, config.fine_tune, run, config.domains(job.source))
    initial = initialise(job, model, config.student, run)
    student, teacher = initial.student, Teacher(model, config.teacher.dtype, run.device)

    # Alg. 1, lines 2 and 3: samples z ~ P_s(z|x) of both domains, drawn once.
    pool = pool_of(job, settings, config.mlm, run)
    journal = Journal(pool, job.task.classes, run)
    journal.begin()

    # Lines 4 to 15: states, actions, updates and rewards, batch by batch; the policy learns at the end of an epoch,
    # and after it the generator, where that is not frozen.
    generator = generator_of(job, pool, settings, config.mlm, config.distill, run)
    after = [journal.note] if generator is None else [journal.note, generator.learn]
    selector = chooser(student, job, pool, settings, config.distill.temperature, run, after)
    epoch = pool.rows.select(pool.epoch) if generator is None else generator.rows_of
    learnt = last_layer_objective(initial, teacher, config.objective, config.distill, job.task, run)
    judge = judge_on(student, job.dev, job.task, run)
    lessons = Classroom(student, teacher, pool.rows, config.teacher, run)
    depends_on = {**flatten("l2a", settings), **flatten("objective", config.objective)}
    lessons.teach("distill", learnt, config.distill, judge, selector, epoch, **depends_on)
    return Outcome(student, model, journal.figures())


def _refuse_nothing(job: Job, settings: L2ASettings, run: Run) -> None:
    """Without a source there is the target; unless that is not to be learnt from."""
    if job.source is not None:
        return
    if settings.learn_from == "source":
        raise UserError("--source is missing: l2a.learn_from=source learns from its texts")
    run.log.say("l2a: no --source; the student learns from samples of the target only")
