"""Blocks and tokens a second of general distillation: this engine beside a plain loop, in one run.

The plain loop runs eager attention and dropout in fp32; the engine none of both, as the preset `small`. Student,
teacher and objective are the same. Ratios count; absolute speeds belong to the machine.

    python benchmarks/general_step.py --teacher T --student 4x312 --train corpus.txt
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from tinybert.data.corpus.blocks import Blocks
from tinybert.data.corpus.packing import pack
from tinybert.data.corpus.texts import texts_of
from tinybert.engine.learner import Learner
from tinybert.engine.update import update
from tinybert.layer_maps import layer_map
from tinybert.log import Log
from tinybert.machine import prepare
from tinybert.models import birth
from tinybert.models.hf import shape_of
from tinybert.models.loading import load_masked_lm, load_tokenizer
from tinybert.models.student import Student, parse_shape
from tinybert.models.teacher import Teacher
from tinybert.objectives.attention import AttentionScoreMSE
from tinybert.objectives.hidden import HiddenMSE
from tinybert.objectives.weighted_sum import WeightedSum
from tinybert.run import Run, RunSettings
from tinybert.selectors.keep_all import KeepAll
from tinybert.types import Objective, Stage

LENGTH = 128


def main() -> None:
    options = parsed()
    prepare(options.threads, deterministic=True)
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(options, Path(folder))
        plain, ours = (speed(steps, options) for steps in (bench.plain_steps(), bench.our_steps()))
    for name, found in (("plain loop", plain), ("this engine", ours)):
        print(f"{name:12} {found:7.2f} blocks/s {found * LENGTH:9.0f} tokens/s   {found / plain:5.2f} x plain")


def speed(steps: Iterator[int], options: argparse.Namespace) -> float:
    """Blocks a second over `--steps` steps, the first left out."""
    next(steps)
    started, seen = time.perf_counter(), 0
    for _ in range(options.steps):
        seen += next(steps)
    return seen / (time.perf_counter() - started)


class Bench:
    """Teacher, student and blocks; both ways start from the same weights."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.folder, self.batch = folder, options.batch
        self.teacher = load_masked_lm(options.teacher, new_head=0)
        limit = 10 * LENGTH * self.batch * (options.steps + 2)
        texts, tokenizer = texts_of(options.train, None), load_tokenizer(options.teacher)
        pack(texts, tokenizer, LENGTH, folder / "packed", limit_bytes=limit)
        self.blocks = Blocks.open(folder / "packed")
        known = shape_of(self.teacher.config)
        self.shape = parse_shape(options.student, None, None, known)
        self.map, self.teacher_width = layer_map("uniform", self.shape.layers, known.layers), known.width

    def layers(self) -> Objective:
        """Embedding, hidden states and attention scores."""
        hidden = HiddenMSE(self.map, self.shape.width, self.teacher_width)
        return WeightedSum({"hidden": (hidden, 1.0), "attention": (AttentionScoreMSE(self.map), 1.0)})

    def student(self) -> Student:
        """A new one."""
        return Student(birth.random(birth.Plan(self.shape, None, seed=0), self.teacher))

    def our_steps(self) -> Iterator[int]:
        """The engine's updates."""
        run = Run(self.folder, 0, RunSettings(), torch.device("cpu"), Log(silent=True))
        place, teacher = run.stage("general", {}), Teacher(self.teacher, "auto", run.device)
        stage = Stage(epochs=1000, batch_size=self.batch)
        student = self.student()
        for module in student.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        learner = Learner(student, self.layers(), KeepAll(), stage, place, len(self.blocks))
        for rows, indices in learner.remaining_batches(lambda _: self.blocks):
            update(learner, teacher, rows, indices)
            yield len(indices)

    def plain_steps(self) -> Iterator[int]:
        """A loop as people write it: eager attention, dropout, fp32."""
        student, teacher, objective = self.student(), Student(self.teacher), self.layers()
        for model in (student.model, teacher.model):
            model.set_attn_implementation("eager")
        teacher.eval()
        student.train()
        parameters = [*student.parameters(), *objective.parameters()]
        optimizer = torch.optim.AdamW(parameters, lr=5e-5)
        rng = np.random.default_rng(1)
        while True:
            for indices in self.blocks.order(self.batch, rng):
                batch = self.blocks.batch(indices)
                with torch.no_grad():
                    shown = teacher.observe(batch, objective.needs_teacher)
                loss = objective(student.observe(batch, objective.needs_student), shown, batch).mean()
                optimizer.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(parameters, 1.0)
                optimizer.step()
                yield len(indices)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--teacher", required=True, help="folder of a network, with any head or none")
    parser.add_argument("--student", default="4x312")
    parser.add_argument("--train", required=True, help="plain text")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    return parser.parse_args()


if __name__ == "__main__":
    main()
