"""Blocks and tokens a second of general distillation: this engine beside a plain loop, in one run.

The plain loop runs eager attention and dropout in fp32; the engine none of both, as the preset `small`. Student,
teacher and objective are the same. Ratios count; absolute speeds belong to the machine.

    python benchmarks/general_step.py --teacher T --student 4x312 --train corpus.txt
"""

import argparse
import tempfile
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path

import numpy as np
import torch
from distillation_step import plain_steps, speed

from tinybert.data.corpus.blocks import Blocks
from tinybert.data.corpus.packing import pack
from tinybert.data.corpus.texts import texts_of
from tinybert.engine.learner import Learner
from tinybert.engine.update import update
from tinybert.families import shape_of
from tinybert.families.network import Network
from tinybert.initialise import start
from tinybert.log import Log
from tinybert.machine import prepare
from tinybert.models.inference import without_dropout
from tinybert.models.loading import load_masked_lm, load_tokenizer
from tinybert.models.student import parse_shape
from tinybert.models.teacher import Teacher
from tinybert.recipes.tinybert import loss
from tinybert.run import Run, RunSettings
from tinybert.selectors.fixed import KeepAll
from tinybert.stages.initialisation import InitialStudent, StudentSettings
from tinybert.types import Objective, Stage

LENGTH = 128


def main() -> None:
    options = parsed()
    prepare(options.threads, deterministic=True)
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(options, Path(folder))
        plain, ours = (speed(steps, options.steps) for steps in (bench.plain_steps(), bench.our_steps()))
    for name, found in (("plain loop", plain), ("this engine", ours)):
        print(f"{name:12} {found:7.2f} blocks/s {found * LENGTH:9.0f} tokens/s   {found / plain:5.2f} x plain")


class Bench:
    """Teacher, student and blocks; both ways start from the same weights."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.folder, self.batch = folder, options.batch
        self.teacher = load_masked_lm(options.teacher, new_head=0)
        limit = 10 * LENGTH * self.batch * (options.steps + 2)
        texts, tokenizer = texts_of(options.train, None), load_tokenizer(options.teacher)
        pack(texts, tokenizer, LENGTH, folder / "packed", limit_bytes=limit)
        self.blocks = Blocks.open(folder / "packed")
        self.shape = parse_shape(options.student, None, None, shape_of(self.teacher.config))

    def layers(self) -> Objective:
        """Embedding, hidden states and attention scores."""
        teacher = Teacher(self.teacher, "auto", torch.device("cpu"))
        return loss(InitialStudent(self.student(), None), teacher, StudentSettings(), seed=0)

    def student(self) -> Network:
        """A new one."""
        return start.random(start.Plan(self.shape, None, seed=0), self.teacher)

    def our_steps(self) -> Iterator[int]:
        """The engine's updates."""
        run = Run(self.folder, 0, RunSettings(), torch.device("cpu"), Log(silent=True))
        artifact, teacher = run.begin("general"), Teacher(self.teacher, "auto", run.device)
        stage, student = Stage(epochs=1000, batch_size=self.batch), self.student()
        learner = Learner(student, self.layers(), KeepAll(), stage, artifact, run, len(self.blocks))
        with without_dropout(student):
            for rows, indices in learner.remaining_batches(lambda _: self.blocks):
                update(learner, teacher, rows, indices)
                learner.read_if_due()
                yield len(indices)

    def plain_steps(self) -> Iterator[int]:
        """A loop as people write it, on the same blocks."""
        rng = np.random.default_rng(1)
        order = (part for _ in repeat(None) for part in self.blocks.order(self.batch, rng))
        return plain_steps(self.student(), self.teacher, self.layers(), map(self.blocks.batch, order))


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
