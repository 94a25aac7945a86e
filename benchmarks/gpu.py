"""Updates on a GPU: this engine, its recorded updates and a plain loop, in examples per second; and a whole run.

"Replays alone" is the speed of the recorded updates with nothing between them: no batches, no rates, no figures read.
The plain loop is that of distillation_step.py. Without `--teacher` it is one of BERT base's sizes with random weights.
Meant to take less than five minutes.

    python benchmarks/gpu.py --data train.tsv --text sentence

`--device cpu` shows that it runs, and records nothing.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from distillation_step import Bench, parser_of, settle, speed
from large import large

import tinybert
from tinybert.engine.graphs import MULTIPLE, CudaGraphs
from tinybert.engine.learner import Learner
from tinybert.machine import prepare
from tinybert.objectives.prediction import SoftCrossEntropy
from tinybert.types import Objective

WHOLE = ("augment.method=none", "intermediate.epochs=3", "prediction.epochs=3")


def main() -> None:
    """Measure and print one line per way."""
    options = parsed()
    prepare(None, deterministic=True)
    on_gpu = options.device != "cpu"
    print(f"{torch.cuda.get_device_name(options.device) if on_gpu else 'processor'}, torch {torch.__version__}")
    with tempfile.TemporaryDirectory() as folder:
        options.teacher = str(large(options.teacher, Path(folder) / "teacher"))
        for number in options.batches:
            options.batch = number
            bench = Bench(options, Path(folder) / str(number))
            for name, objective in (("intermediate", bench.layers()), ("prediction", SoftCrossEntropy())):
                updates(bench, options, name, objective)
        for recorded in (False, True) if on_gpu else (False,):
            print(f"whole run, recorded: {recorded}: {whole(options, Path(folder), recorded):.1f} s of training")


def updates(bench: Bench, options: argparse.Namespace, name: str, objective: Objective) -> None:
    """The ways of one stage."""

    def say(way: str, found: float) -> None:
        print(f"batch {options.batch:4} {name:13} {way:30} {found:9.1f} examples/s", flush=True)

    timed = bench.whole_passes(options.steps), options.device
    say("plain loop", speed(bench.plain_steps(objective), options.steps, options.device))
    for budget, what in (("off", "teacher asked"), ("100GB", "teacher stored")):
        say(what, speed(bench.our_steps(*bench.learner(name, objective, budget)), *timed))
        if options.device == "cpu":
            continue
        learner, teacher = bench.learner(name, objective, budget, graphs=True)
        learner.record_updates(CudaGraphs(bench.device))
        say(f"{what}, recorded", speed(after_recording(bench.our_steps(learner, teacher), learner), *timed))
        say(f"{what}, replays alone", replays(bench, learner, options))


def parsed() -> argparse.Namespace:
    parser = parser_of(__doc__, steps=30)
    parser.add_argument("--whole-rows", type=int, default=5000, help="of the whole run")
    parser.add_argument("--batches", type=int, nargs="+", default=[32, 256])
    parser.add_argument("--device", default="cuda")
    return parser.parse_args()


def after_recording(steps: Iterator[int], learner: Learner) -> Iterator[int]:
    """The updates after three epochs, when all usual shapes of batch have been recorded."""
    while learner.now.step < 3 * learner.epoch_steps:
        next(steps)
    return steps


def replays(bench: Bench, learner: Learner, options: argparse.Namespace) -> float:
    """Examples per second if an epoch were nothing but replays, each shape as often as it comes."""
    assert learner.recordings is not None
    seconds, seen, times = 0.0, 0, {}
    for part in bench.rows.order(bench.batch, np.random.default_rng(0)):
        shape = bench.rows.batch(part, MULTIPLE).input_ids.shape
        if (recording := learner.recordings._of_shape.get(shape)) is None:
            continue
        if shape not in times:
            settle(options.device)
            started = time.perf_counter()
            for _ in range(options.steps):
                recording.replay()
            settle(options.device)
            times[shape] = (time.perf_counter() - started) / options.steps
        seconds, seen = seconds + times[shape], seen + len(part)
    return seen / seconds


def whole(options: argparse.Namespace, folder: Path, recorded: bool) -> float:
    """Seconds of training in a run of `tinybert`, preset small, on so many rows; its teacher's aside."""
    source = Path(options.data)
    header, *lines = source.read_text(encoding="utf-8").splitlines()
    train, output = folder / f"train{source.suffix}", folder / f"run-{recorded}"
    train.write_text("\n".join([header, *lines[: options.whole_rows]]) + "\n", encoding="utf-8")
    settings = [f"data.text={options.text}", f"run.graphs={str(recorded).lower()}", *WHOLE]
    told = {"device": options.device, "teacher": options.teacher, "student": options.student}
    tinybert.distill("tinybert", train=str(train), output=str(output), set=settings, **told)
    lines = [json.loads(line) for line in (output / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    seconds = {line["stage"]: line["seconds"] for line in lines if "seconds" in line}  # the last of each counts
    return float(seconds["intermediate"] + seconds["prediction"])


if __name__ == "__main__":
    main()
