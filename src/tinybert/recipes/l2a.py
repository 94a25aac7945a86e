"""L2A: learning to augment for data-scarce domain BERT knowledge distillation (Feng et al. 2021, arXiv:2101.08106).

A domain with few labels, the target, and one with many, the source. The student learns from its teacher on samples
near the texts of both; a policy, rewarded by the student's progress on the target's validation data, keeps or drops
each. The paper has no public code; docs/recipes/l2a.md says what it leaves open and how that is decided here. Where we
depart from it even in the preset `paper`: the target's own texts are always learnt from.
"""

from copy import deepcopy
from dataclasses import dataclass, field, replace

from tinybert.data.encoded import EncodedRows
from tinybert.engine.learner import RowsOf
from tinybert.families.network import Network
from tinybert.models.teacher import Teacher
from tinybert.objectives import AttentionScoreMSE, HiddenMSE, Sum, layer_map
from tinybert.recipes.recipe import Recipe, TaskSettings
from tinybert.run import Run
from tinybert.selectors.learnt import Learnt
from tinybert.stages.distiller import Distiller
from tinybert.stages.initialisation import InitialStudent, initialise
from tinybert.stages.job import Job, Outcome
from tinybert.stages.l2a.generator import generator_of
from tinybert.stages.l2a.groups import L2AGroups
from tinybert.stages.l2a.pool import pool_of
from tinybert.stages.l2a.selection_log import SelectionLog
from tinybert.stages.l2a.selector import reinforced, without_reward
from tinybert.stages.teacher import task_teacher
from tinybert.tasks.base import Task
from tinybert.types import Objective, Selector, Stage

CITATION = (
    "Feng et al. 2021, Learning to Augment for Data-Scarce Domain BERT Knowledge Distillation, AAAI, arXiv:2101.08106"
)


@dataclass(frozen=True, kw_only=True)
class Config(L2AGroups, TaskSettings):
    """Settings of the recipe; the defaults are the preset `paper`, where the paper gives a value."""

    distill: Stage = field(default_factory=lambda: Stage(epochs=10, lr=5e-5))


def distill(job: Job, config: Config, run: Run) -> Outcome:
    """Teacher, student, samples; in each epoch the policy chooses, the student learns, the policy is rewarded."""
    settings = config.l2a
    job = replace(job, source=config.used_source(job.source, run.rng("source")))
    if job.source is None:
        run.log.say("l2a: no --source; the student learns from samples of the target only")
    model = task_teacher(job, config.teacher, config.fine_tune, run, config.domains(job.source))
    initial = initialise(job, model, config.student, run)
    student, teacher = initial.student, Teacher(model, config.teacher.dtype, run.device)

    # Alg. 1, lines 2 and 3: samples z ~ P_s(z|x) of both domains, drawn once.
    pool = pool_of(job, settings, config.mlm, run)
    selection_log = SelectionLog(pool, job.task.classes, run)
    selection_log.begin()

    learnt, stage, gold = loss(initial, teacher, config, job.task, run), config.distill, pool.facts.gold

    def learn(name: str, student: Network, learnt: Objective, selector: Selector, epoch: EncodedRows | RowsOf) -> None:
        """Lines 4 to 15: states, actions, updates and rewards, batch by batch; after an epoch the policy learns."""
        distiller = Distiller(student, teacher, pool.rows, job.task, config.teacher, run)
        distiller.run_stage(name, learnt, stage, job.dev, selector, epoch, group="distill", l2a=settings, gold=gold)

    selector = without_reward(pool, settings)
    epoch: EncodedRows | RowsOf = pool.rows.select(pool.epoch)
    if selector is None:
        its = (deepcopy(student), deepcopy(learnt)) if settings.restart else (student, learnt)
        selector = policy = reinforced(*its, teacher, job, pool, settings, stage, run, selection_log.note)
        if settings.restart:  # ours: the policy learns with a student that is thrown away
            learn("policy", *its, policy, epoch)
            selector = Learnt(policy)
        elif settings.train_generator:  # the paper's text says so, its algorithm does not
            epoch = generator_of(job, pool, settings, config.mlm, policy, stage, run).rows_of
    learn("distill", student, learnt, selector, epoch)
    return Outcome(student, model, selection_log.figures(), pool.rows)


def loss(initial: InitialStudent, teacher: Teacher, config: Config, task: Task, run: Run) -> Objective:
    """L_KD, a plain sum of the last layer's attention scores, its hidden state and the soft targets."""
    student, known = initial.student.shape, teacher.shape
    last, seed = layer_map("last", student.layers, known.layers), run.seed_for("projection")
    hidden = HiddenMSE(last, student.width, known.width, initial=initial.directions, embedding=False, seed=seed)
    attention, soft = AttentionScoreMSE(last, config.objective.attention_heads), task.soft(config.distill.temperature)
    terms: dict[str, Objective] = {"attention": attention, "hidden": hidden, "prediction": soft}
    return Sum(*(term for name, term in terms.items() if getattr(config.objective, name)))


RECIPE = Recipe(
    "l2a",
    "for few labels: samples near the data of two domains, chosen by a policy that learns what helps",
    CITATION,
    Config,
    distill,
    uses=frozenset({"source", "mlm"}),
    preset="practical",
    answers="one_label",
)
