"""A family of networks of your own: a student that is no Transformer learns from one that is.

python examples/own_family.py [TEACHER_FOLDER [RUN_FOLDER]]

Without arguments the teacher that `distill_in_memory.py` leaves behind is used. The network averages the vectors of a
text's pieces: no layers, no attention, only soft targets to learn from. It is saved, exported and evaluated like any
other.
"""

import sys

import torch
from transformers import PretrainedConfig

import tinybert
from tinybert.families import FAMILIES, Family, Network, Shape
from tinybert.recipes import Distiller, Outcome, Recipe, TaskSettings, Teacher, task_teacher


class AveragingConfig(PretrainedConfig):
    """What config.json holds."""

    model_type = "averaging"


class Averaging(Network):
    """The mean of the pieces' vectors, and a linear layer on it."""

    signals = frozenset({"logits"})
    longest = 512

    def __init__(self, config):
        super().__init__()
        self.config = config
        self.pieces = torch.nn.Embedding(config.vocab_size, config.hidden_size)
        self.head = torch.nn.Linear(config.hidden_size, config.num_labels)

    @property
    def shape(self):
        """There is only a width."""
        return Shape(0, self.config.hidden_size, 0, 0)

    @property
    def piece_vectors(self):
        """One for each piece of the vocabulary."""
        return self.pieces.weight

    def forward(self, input_ids, attention_mask, token_type_ids=None):
        """The logits; padding does not count."""
        real = attention_mask[:, :, None].to(self.dtype)
        return self.head((self.pieces(input_ids) * real).sum(dim=1) / real.sum(dim=1))

    def record(self, batch, needs):
        """What objectives see. Only logits are ever asked for, because `signals` names nothing else."""
        return tinybert.types.Trace({signal: self(batch.input_ids, batch.real) for signal in needs})


class AveragingFamily(Family):
    """What is known of the networks before one is loaded."""

    name, task_head, masked_lm_head, token_types, padding = "averaging", "head", None, False, None

    def config(self, content):
        """Of a config.json."""
        return AveragingConfig.from_dict(dict(content))

    def shape(self, config):
        """Only a width."""
        return Shape(0, config.hidden_size, 0, 0)

    def resized(self, config, shape):
        """The same with another width."""
        return AveragingConfig.from_dict({**config.to_dict(), "hidden_size": shape.width})

    def longest(self, config):
        """Any number would do: pieces have no positions here."""
        return Averaging.longest

    def create(self, config, head):
        """With weights drawn from torch's generator."""
        return Averaging(config).eval()

    def load(self, folder, config, head, *, new_head):
        """As it was saved, and the names of weights that do not fit."""
        network = Averaging(config).eval()
        misfits = network.restore(folder)
        return network, [name for name in misfits if not (new_head and name.startswith("head."))]


def distill(job, config, run):
    """The student learns the teacher's soft targets; the best on dev is kept."""
    model = task_teacher(job, config.teacher, config.fine_tune, run)
    sizes = {"vocab_size": model.config.vocab_size, "pad_token_id": model.config.pad_token_id, "hidden_size": 24}
    described = AveragingConfig(**sizes)
    job.head.describe_in(described)
    torch.manual_seed(run.seed_for("student"))
    student, teacher = Averaging(described).to(run.device), Teacher(model, config.teacher.dtype, run.device)
    distiller = Distiller(student, teacher, job.train, job.task, config.teacher, run)
    distiller.run_stage("distill", job.task.soft(2.0), tinybert.types.Stage(epochs=10, lr=1e-2), job.dev)
    return Outcome(student, model)


FAMILIES["averaging"] = AveragingFamily()
RECIPE = Recipe("averaging", "soft targets for averaged piece vectors", "this file", TaskSettings, distill)

data = f"{tinybert.__path__[0]}/demo_data"
run = sys.argv[2] if len(sys.argv) > 2 else "runs/own-family"
metrics = tinybert.distill(
    RECIPE,
    train=f"{data}/cafe_train.tsv",
    test=f"{data}/cafe_test.tsv",
    teacher=sys.argv[1] if len(sys.argv) > 1 else "runs/in-memory/teacher",
    output=run,
    data={"max_length": 48},
)
for name in ("teacher", "student"):
    print(f"{name:8} accuracy {metrics[name]['test']['accuracy']:.3f}, {metrics[name]['parameters']:,} parameters")
for model in (f"{run}/student", f"{run}/export"):
    print(f"{model}: accuracy {tinybert.evaluate(model, data=f'{data}/kitchen_test.tsv')['accuracy']:.3f} elsewhere")
