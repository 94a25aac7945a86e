"""A recipe of your own: what is learnt in which stage; everything around it is the package's.

python examples/own_recipe.py [TEACHER_FOLDER [RUN_FOLDER]]

Without arguments the teacher that `distill_in_memory.py` leaves behind is used. Data, teacher, checkpoints, resume,
export and report work as for the recipes of the package: the same command again finds the run finished.
"""

import sys
from dataclasses import dataclass, field

import tinybert
from tinybert.objectives import HiddenMSE, Sum, layer_map
from tinybert.recipes import Distiller, Outcome, Recipe, TaskSettings, Teacher, initialise, task_teacher
from tinybert.types import Stage


@dataclass(frozen=True, kw_only=True)
class Config(TaskSettings):
    """One group of its own; those of data, teacher and student are there already."""

    distill: Stage = field(default_factory=lambda: Stage(epochs=3, lr=1e-3, temperature=2.0))


def distill(job, config, run):
    """A student made of teacher layers learns last states and soft targets at once; the best on dev is kept."""
    model = task_teacher(job, config.teacher, config.fine_tune, run)
    initial = initialise(job, model, config.student, run)
    student, teacher = initial.student, Teacher(model, config.teacher.dtype, run.device)
    last = layer_map("last", student.shape.layers, teacher.shape.layers)
    states = HiddenMSE(last, student.shape.width, teacher.shape.width, initial=initial.directions, embedding=False)
    loss = Sum(job.task.soft(config.distill.temperature), (0.5, states))
    distiller = Distiller(student, teacher, job.train, job.task, config.teacher, run)
    distiller.run_stage("distill", loss, config.distill, job.dev)
    return Outcome(student, model)


RECIPE = Recipe("states_and_soft", "last states and soft targets in one stage", "this file", Config, distill)

data = f"{tinybert.__path__[0]}/demo_data"
metrics = tinybert.distill(
    RECIPE,
    train=f"{data}/cafe_train.tsv",
    test=f"{data}/cafe_test.tsv",
    teacher=sys.argv[1] if len(sys.argv) > 1 else "runs/in-memory/teacher",
    student="2x24",
    output=sys.argv[2] if len(sys.argv) > 2 else "runs/own-recipe",
    data={"max_length": 48},
)
for name in ("teacher", "student"):
    print(f"{name:8} accuracy {metrics[name]['test']['accuracy']:.3f}, {metrics[name]['parameters']:,} parameters")
