"""Examples per second of TinyBERT's two stages: this engine beside a plain loop, in one run.

The plain loop pads every row to 128 pieces, runs eager attention in fp32 and asks the teacher at every step, as the
authors' code does. TextBrewer pads a batch to its longest row; it is compared with where it is installed (`pip install
textbrewer tensorboard`). "Bare products" would be the speed if an update were nothing but its products of matrices,
at the speed that each of them reaches alone. Ratios count; absolute speeds belong to the machine. Without `--teacher`
it is one of BERT base's sizes with random weights. The engine is timed over whole passes of the rows, whose batches
are of unlike lengths, the others over so many updates.

    python benchmarks/distillation_step.py --teacher TEACHER --student 4x192 --data train.tsv --text sentence
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice, repeat
from math import ceil
from pathlib import Path

import numpy as np
import torch
from bare import Products
from large import TEXTS, large
from peers import HAS_TEXTBREWER, textbrewer_steps

from tinybert.data.batches import batches
from tinybert.data.encode import encode
from tinybert.data.encoded import EncodedRows
from tinybert.data.settings import DataSettings
from tinybert.engine.learner import Learner
from tinybert.engine.teacher_outputs import cached_teacher
from tinybert.engine.update import Observed, update
from tinybert.families import shape_of
from tinybert.families.network import Network
from tinybert.initialise import start
from tinybert.log import Log
from tinybert.machine import prepare
from tinybert.models.heads import Head
from tinybert.models.loading import load_classifier, load_tokenizer
from tinybert.models.student import parse_shape
from tinybert.models.teacher import Teacher
from tinybert.objectives.prediction import SoftCrossEntropy
from tinybert.recipes.tinybert import loss
from tinybert.run import Run, RunSettings
from tinybert.selectors.fixed import KeepAll
from tinybert.stages.initialisation import InitialStudent, StudentSettings
from tinybert.tasks.load import load
from tinybert.types import Batch, Objective, Stage

PADDED_TO = 128
WANTED = {"teacher at each step": 10, "teacher stored": 25}  # times the plain loop, on a processor with bf16


def main() -> None:
    """Measure and print one line per way."""
    options = parse()
    prepare(options.threads, deterministic=True)
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(options, Path(folder))
        for name, objective in (("intermediate", bench.layers()), ("prediction", SoftCrossEntropy())):
            stage(bench, name, objective, options.steps)


def stage(bench: "Bench", name: str, objective: Objective, steps: int) -> None:
    """All ways of one stage."""
    plain = speed(bench.plain_steps(objective), steps)

    def say(way: str, found: float, more: str = "") -> None:
        wanted = f", wanted {WANTED[way]}" if way in WANTED else ""
        print(f"{name:13} {way:20} {found:8.1f} examples/s   {found / plain:5.1f} x plain{wanted}   {more}", flush=True)

    say("plain loop", plain)
    if HAS_TEXTBREWER:
        say("TextBrewer", speed(bench.textbrewer_steps(name), steps))
    for budget, way in (("off", "teacher at each step"), ("100GB", "teacher stored")):
        updates = bench.our_steps(*bench.learner(name, objective, budget))
        ours = speed(updates, bench.whole_passes(steps))
        say(way, ours, f"{ours / bench.bare_products(updates):4.0%} of bare products")


def parser_of(about: str | None, steps: int) -> argparse.ArgumentParser:
    """Options of networks and rows; how many updates are timed where nobody says."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--teacher", help="folder of a classifier or of a network without a head")
    parser.add_argument("--student", default="4x312")
    parser.add_argument("--data", default=str(TEXTS))
    parser.add_argument("--text", default="text", help="column")
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--steps", type=int, default=steps)
    parser.add_argument("--dtype", default="auto", help="of the student's forward pass: fp32 or bf16")
    return parser


def parse() -> argparse.Namespace:
    """The options."""
    parser = parser_of(__doc__, steps=4)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.set_defaults(device="cpu", batch=32, rows=640)
    return parser.parse_args()


def speed(steps: Iterator[int], count: int, device: str = "cpu") -> float:
    """Examples per second over so many steps, two before them left out."""
    next(steps), next(steps)
    settle(device)
    started, seen = time.perf_counter(), 0
    for _ in range(count):
        seen += next(steps)
    settle(device)
    return seen / (time.perf_counter() - started)


def settle(device: str) -> None:
    """Wait until a GPU has done what it was told."""
    if device != "cpu":
        torch.cuda.synchronize(device)


class Bench:
    """Teacher, student and rows; both ways start from the same weights."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.folder, self.device, self.batch = folder, torch.device(options.device), options.batch
        self.dtype = options.dtype
        source = large(options.teacher, folder / "teacher")
        self.teacher = load_classifier(source, Head(("0", "1"))).model
        tokenizer = load_tokenizer(source)
        settings = DataSettings(text=options.text)
        rng = np.random.default_rng(0)
        splits = load(
            options.data, None, None, settings, kind=None, head_classes=None, rng=lambda _: rng, rejected_to=None
        )
        some = splits.train.select(rng.permutation(len(splits.train))[: options.rows])
        self.rows: EncodedRows = encode(some, tokenizer, PADDED_TO, folder / "rows.arrow")
        shape = parse_shape(options.student, None, None, shape_of(self.teacher.config))
        self.plan = start.Plan(shape, Head(("0", "1")), seed=0)

    def whole_passes(self, steps: int) -> int:
        """So many updates, and as many more as end a pass of the rows: batches are of unlike lengths."""
        epoch = ceil(len(self.rows) / self.batch)
        return epoch * ceil(steps / epoch)

    def layers(self) -> Objective:
        """Embedding, hidden states and attention scores."""
        teacher = Teacher(self.teacher, "auto", self.device)
        return loss(InitialStudent(self.student(), None), teacher, StudentSettings(), seed=0)

    def student(self) -> Network:
        """A new one."""
        return start.random(self.plan, self.teacher).to(self.device)

    def learner(self, name: str, objective: Objective, budget: str, **settings: bool) -> tuple[Learner, Observed]:
        """What the engine makes updates of: a new student, and the teacher, or what is stored of it."""
        folder = self.folder / f"{name}-{budget}"
        folder.mkdir(exist_ok=True)
        run = Run(folder, 0, RunSettings(dtype=self.dtype, **settings), self.device, Log(silent=True))
        artifact = run.begin(name)
        teacher = Teacher(self.teacher, "auto", run.device)
        observed = cached_teacher(teacher, objective.needs_teacher, self.rows, artifact, run, budget)
        stage = Stage(epochs=1000, batch_size=self.batch)
        student, own = self.student(), objective.to(self.device)
        return Learner(student, own, KeepAll(), stage, artifact, run, len(self.rows)), observed

    def our_steps(self, learner: Learner, teacher: Observed) -> Iterator[int]:
        """The engine's updates."""
        for rows, indices in learner.remaining_batches(lambda _: self.rows):
            update(learner, teacher, rows, indices)
            learner.read_if_due()
            yield len(indices)

    def bare_products(self, steps: Iterator[int]) -> float:
        """Examples per second if a pass of the engine's updates was nothing but its products."""
        with Products() as made:
            seen = sum(islice(steps, self.whole_passes(1)))
        return seen / made.seconds()

    def plain_steps(self, objective: Objective) -> Iterator[int]:
        """A loop as people write it, on rows that are all padded to the full length."""
        read = (padded(batch).to(self.device) for batch in self.in_random_order())
        teacher = self.teacher.to(self.device)
        return plain_steps(self.student(), teacher, objective.to(self.device), read)

    def textbrewer_steps(self, name: str) -> Iterator[int]:
        """TextBrewer's updates, on rows in random order."""
        return textbrewer_steps(self.student(), self.teacher, name, self.in_random_order(), self.folder / "textbrewer")

    def in_random_order(self) -> Iterator[Batch]:
        """Batches without end, each padded to its longest row."""
        rng = np.random.default_rng(1)
        order = (part for _ in repeat(None) for part in batches(np.ones(len(self.rows), int), self.batch, rng))
        return map(self.rows.batch, order)


def plain_steps(student: Network, model: Network, objective: Objective, read: Iterator[Batch]) -> Iterator[int]:
    """A loop as people write it: eager attention, dropout, fp32, everything at every step."""
    teacher = model
    for network in (student, teacher):
        network.parts.model.set_attn_implementation("eager")
    teacher.eval()
    student.train()
    parameters = [*student.parameters(), *objective.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=5e-5)
    for batch in read:
        with torch.no_grad():
            shown = teacher.observe(batch, objective.needs_teacher)
        loss = objective(student.observe(batch, objective.needs_student), shown, batch).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        yield len(batch)


def padded(batch: Batch) -> Batch:
    """The batch padded to the full length."""
    more = PADDED_TO - batch.input_ids.shape[1]
    pad: Callable[[torch.Tensor], torch.Tensor] = lambda tensor: torch.nn.functional.pad(tensor, (0, more))  # noqa: E731
    return Batch(pad(batch.input_ids), pad(batch.token_type_ids), pad(batch.real), batch.labels, batch.rows)


if __name__ == "__main__":
    main()
