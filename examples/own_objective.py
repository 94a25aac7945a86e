"""A new objective, and a training by hand with the parts that recipes are made of.

python examples/own_objective.py [TEACHER_FOLDER [RUN_FOLDER]]

Without arguments the teacher that `distill_in_memory.py` leaves behind is used. An objective gives one value per
example and never sees a model: what networks show arrives as traces. The rest is the engine's work.
"""

import sys
from importlib.resources import files
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from tinybert.data.encode import encode
from tinybert.data.settings import DataSettings
from tinybert.engine.evaluate import metric_fn, student_logits
from tinybert.engine.fit import fit
from tinybert.initialise.start import Plan, layers
from tinybert.log import Log
from tinybert.models.hf import Shape, shape_of
from tinybert.models.loading import load_classifier, load_tokenizer
from tinybert.models.student import Student
from tinybert.models.teacher import Teacher
from tinybert.objectives.prediction import SoftCrossEntropy
from tinybert.objectives.sum import Sum
from tinybert.run import Run, RunSettings
from tinybert.selectors.fixed import KeepAll
from tinybert.tasks.load import load
from tinybert.types import Batch, Objective, Signal, Stage, Trace


class LastStateCosine(Objective):
    """Term `cosine`: the student's last hidden states point where the teacher's do."""

    def __init__(self, student_layers: int, teacher_layers: int) -> None:
        """Say what is needed of each network; nothing else is recorded."""
        super().__init__()
        self.student_layer, self.teacher_layer = student_layers, teacher_layers
        self.needs_student = frozenset({Signal("hidden_states", student_layers)})
        self.needs_teacher = frozenset({Signal("hidden_states", teacher_layers)})

    def terms(self, student: Trace, teacher: Trace, batch: Batch) -> dict[str, Tensor]:
        """One minus the cosine, averaged over the real pieces of each example."""
        ours = student[Signal("hidden_states", self.student_layer)]
        theirs = teacher[Signal("hidden_states", self.teacher_layer)]
        gap = torch.where(batch.real, 1 - F.cosine_similarity(ours, theirs, dim=-1), 0.0)
        return {"cosine": gap.sum(dim=1) / batch.real.sum(dim=1)}


source = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/in-memory/teacher")
run = Run(
    folder=Path(sys.argv[2] if len(sys.argv) > 2 else "runs/own-objective"),
    seed=0,
    settings=RunSettings(),
    device=torch.device("cpu"),
    log=Log(),
)

# Data: read, checked, encoded once.
data = files("tinybert") / "demo_data"
splits = load(
    str(data / "cafe_train.tsv"),
    str(data / "cafe_test.tsv"),
    None,
    DataSettings(),
    kind=None,
    head_classes=("negative", "positive"),
    rng=lambda name: run.rng("data", name),
    rejected_to=None,
)
tokenizer = load_tokenizer(source)
train = encode(splits.train, tokenizer, 48, run.folder / "train.arrow")
dev = encode(splits.dev, tokenizer, 48, run.folder / "dev.arrow")

# Networks: a frozen teacher, and a student made of half of its layers.
network = load_classifier(source).model
sizes = shape_of(network.config)
half = Shape(layers=sizes.layers // 2, width=sizes.width, heads=sizes.heads, inner=sizes.inner)
student = Student(layers(Plan(half, splits.task.head, seed=run.seed_for("birth")), network))
teacher = Teacher(network, "fp32", run.device)

# One stage of training. A folder of its own makes it resumable: the same command again finds it finished.
objective = Sum(SoftCrossEntropy(), (0.5, LastStateCosine(half.layers, sizes.layers)))
stage = Stage(epochs=3, lr=1e-3)
place = run.stage("prediction", {"train": train.digest, "teacher": teacher.digest, "lr": stage.lr})
judge = metric_fn(student, dev, splits.task, run)
report = fit(student, teacher, objective, train, stage, place, selector=KeepAll(), judge=judge)

figures = splits.task.metrics(student_logits(student, dev, run), dev)
print(f"{report.steps} updates, best after {report.best_step}; accuracy on dev {figures['accuracy']:.3f}")
