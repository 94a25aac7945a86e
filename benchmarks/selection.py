"""What L2A's policy costs: the same epoch of distillation with it and without, the teacher asked each time and stored.

States, actions, rewards and the policy's own training are the difference. Settings are those of a preset. One thread
of a processor is timed by processor time, so that other programs do not count; all else by the clock.

    python benchmarks/selection.py --teacher TEACHER --student 4x192 --data train.tsv --dev dev.tsv --text sentence
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from tinybert.config import resolve
from tinybert.data.encode import Encoder, encode
from tinybert.data.settings import DataSettings
from tinybert.engine.fit import fit
from tinybert.engine.teacher_outputs import cached_teacher
from tinybert.engine.update import Observed
from tinybert.families import shape_of
from tinybert.families.network import Network
from tinybert.initialise import start
from tinybert.log import Log
from tinybert.machine import prepare
from tinybert.models.heads import Head
from tinybert.models.loading import load_classifier, load_tokenizer
from tinybert.models.student import parse_shape
from tinybert.models.teacher import Teacher
from tinybert.recipes import l2a
from tinybert.run import Run, RunSettings
from tinybert.selectors.features import Facts
from tinybert.selectors.fixed import KeepAll
from tinybert.stages.initialisation import InitialStudent
from tinybert.stages.job import Job
from tinybert.stages.l2a.pool import Pool
from tinybert.stages.l2a.selector import reinforced
from tinybert.tasks.load import load
from tinybert.types import LOGITS, Objective, Selector, Stage


def main() -> None:
    """Measure and print one line per round, then the median of the ratios."""
    options = parse()
    prepare(options.threads, deterministic=True)
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(options, Path(folder))
        for teacher, told in (("asked", bench.teacher), ("stored", bench.stored())):
            ratios = []
            for number in range(options.rounds):
                names = [f"{teacher}-{who}-{number}" for who in ("plain", "policy")]
                plain, chosen = (bench.epoch(name, told, policy=name == names[1]) for name in names)
                ratios.append(chosen / plain)
                print(f"{teacher}: all kept {plain:6.1f} s   policy {chosen:6.1f} s   {ratios[-1]:.2f} x", flush=True)
            print(f"{teacher}: median {np.median(ratios):.2f} x, preset {options.preset}")


def parse() -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--teacher", required=True, help="folder of a classifier or of a network without a head")
    parser.add_argument("--student", default="4x312")
    parser.add_argument("--data", required=True)
    parser.add_argument("--dev", required=True)
    parser.add_argument("--text", default="text", help="column")
    parser.add_argument("--preset", default="practical")
    parser.add_argument("--rows", type=int, default=1280)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


class Bench:
    """Teacher, student and rows; both ways start from the same weights."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.now = time.process_time if options.threads == 1 else time.perf_counter
        self.config = resolve(l2a.Config, "l2a", config=options.preset).settings
        self.run = Run(folder, 0, RunSettings(), torch.device("cpu"), Log(silent=True))
        teacher, tokenizer = load_classifier(options.teacher, Head(("0", "1"))).model, load_tokenizer(options.teacher)
        settings, rng = DataSettings(text=options.text), np.random.default_rng(0)
        given = (options.data, options.dev, None, settings)
        splits = load(*given, kind=None, head_classes=None, rng=lambda _: rng, rejected_to=None)
        some = splits.train.select(rng.permutation(len(splits.train))[: options.rows])
        rows, dev = (encode(part, tokenizer, 128, folder / f"{n}.arrow") for n, part in enumerate((some, splits.dev)))
        self.job = Job(splits, rows, dev, None, Encoder(tokenizer, 128))
        shape = parse_shape(options.student, None, None, shape_of(teacher.config))
        self.student = lambda: start.random(start.Plan(shape, Head(("0", "1")), seed=0), teacher)
        self.teacher = Teacher(teacher, "auto", self.run.device)

    def stored(self) -> Observed:
        """The teacher's outputs for all rows."""
        rows, needs = self.job.train, self.objective(self.student()).needs_teacher | {LOGITS}
        return cached_teacher(self.teacher, needs, rows, self.run.begin("stored"), self.run, "auto")

    def objective(self, student: Network) -> Objective:
        """L_KD."""
        return l2a.loss(InitialStudent(student, None), self.teacher, self.config, self.job.task, self.run)

    def epoch(self, name: str, teacher: Observed, *, policy: bool) -> float:
        """Seconds of one epoch."""
        student, stage = self.student(), Stage(epochs=1, lr=1e-4)
        learnt = self.objective(student)
        selector = self.policy(student, learnt) if policy else KeepAll()
        started = self.now()
        fit(student, teacher, learnt, self.job.train, stage, self.run.begin(name), self.run, selector=selector)
        return self.now() - started

    def policy(self, student: Network, learnt: Objective) -> Selector:
        """A policy that knows nothing yet, of rows that are all samples."""
        rows = len(self.job.train)
        nothing = torch.zeros(rows)
        facts = Facts(nothing == 1, nothing == 1, nothing.long(), nothing, nothing)
        pool, settings = Pool(self.job.train, facts, self.run.folder, np.arange(rows)), self.config.l2a
        told = (self.teacher, self.job, pool, settings, self.config.distill, self.run)
        return reinforced(student, learnt, *told, lambda _: None)


if __name__ == "__main__":
    main()
