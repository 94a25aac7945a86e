"""Latency of a student beside a large network, as torch, ONNX and int8; and sentences per second as users call it.

Weights are random, which costs the same as learnt ones; tokenizer and configuration are those of `--network`. A line
gives the median and the 95th percentile of one forward pass, and how much faster it is than the large network in
PyTorch. Where OpenVINO is installed, lines with an "O" are the same files in it. Ratios count; absolute times belong to
the machine.

    python benchmarks/inference.py --large 12x768 --small 4x312 --data train.tsv --text sentence
"""

import argparse
import csv
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from large import TEXTS, large
from peers import HAS_OPENVINO, OpenVino
from transformers import pipeline

from tinybert.export.hub import save_student
from tinybert.export.layout import MODEL, MODEL_INT8
from tinybert.export.onnx import export_onnx
from tinybert.export.parity import random_batch
from tinybert.export.ranges import measured_ranges
from tinybert.export.runtime import OnnxModel
from tinybert.families import shape_of
from tinybert.families.network import Network
from tinybert.initialise import start
from tinybert.models.heads import Head
from tinybert.models.inference import evaluation_mode
from tinybert.models.loading import load_classifier, load_tokenizer
from tinybert.models.student import parse_shape
from tinybert.predictor import Predictor
from tinybert.report import measure

LONGEST = 256  # pieces
WANTED = 50  # times the large network in PyTorch, from the small one in int8, for one text
FILES = {"ONNX": MODEL, "int8": MODEL_INT8}


@dataclass(frozen=True)
class Exported:
    """One network in its three forms, in a folder of its own."""

    name: str
    network: Network
    folder: Path

    def forms(self, threads: int) -> Iterator[tuple[str, measure.Forward]]:
        """By name, what is timed."""
        yield "PyTorch", measure.torch_forward(self.network)
        for name, file in FILES.items():
            yield name, measure.onnx_forward(OnnxModel(self.folder / file, threads).session)
            if HAS_OPENVINO:
                yield f"{name} O", measure.onnx_forward(OpenVino(self.folder / file, threads))

    def megabytes(self) -> dict[str, float]:
        """Size of the weights, by form."""
        return {name: (self.folder / file).stat().st_size / 1e6 for name, file in FILES.items()}


def main() -> None:
    """Measure and print."""
    options = parse()
    with tempfile.TemporaryDirectory() as folder:
        source = large(options.network, Path(folder) / "source")
        slow, fast = (make(shape, source, Path(folder)) for shape in (options.large, options.small))
        whole, small = slow.megabytes()["ONNX"], fast.megabytes()["int8"]
        print(f"{slow.name} {whole:.1f} MB, {fast.name} int8 {small:.1f} MB: {whole / small:.1f} x smaller, wanted 30")
        for threads in options.threads:
            torch.set_num_threads(threads)
            for texts in options.texts:
                table([slow, fast], threads, texts, options)
        torch.set_num_threads(options.threads[0])
        as_called(fast, options)


def parse() -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", help="folder with a tokenizer and a configuration")
    parser.add_argument("--large", default="12x768")
    parser.add_argument("--small", default="4x312")
    parser.add_argument("--pieces", type=int, nargs="+", default=[16, 32, 64, 128, 256])
    parser.add_argument("--texts", type=int, nargs="+", default=[1, 32], help="read at once")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--seconds", type=float, default=1.0, help="for each figure")
    parser.add_argument("--data", default=str(TEXTS), help="texts for the comparison of whole programs")
    parser.add_argument("--text", default="text", help="column")
    parser.add_argument("--rows", type=int, default=500)
    return parser.parse_args()


def make(shape: str, source: Path, folder: Path) -> Exported:
    """A network of a shape with random weights, saved and exported."""
    head, tokenizer = Head(("bad", "good")), load_tokenizer(source)
    pattern = load_classifier(source, head).model
    network = start.random(start.Plan(parse_shape(shape, None, None, shape_of(pattern.config)), head, seed=0), pattern)
    length, rng = min(LONGEST, network.longest), np.random.default_rng(0)
    some = [random_batch(network, (4, 64), rng) for _ in range(4)]  # what int8 is made for
    export_onnx(network, tokenizer, folder / shape, max_length=length, ranges=lambda fp32: measured_ranges(fp32, some))
    save_student(network, tokenizer, folder / f"{shape}-torch", max_length=length)
    return Exported(shape, network, folder / shape)


def table(both: list[Exported], threads: int, texts: int, options: argparse.Namespace) -> None:
    """All forms of both networks at all lengths."""
    wanted = f"; of {both[1].name} in int8 {WANTED} are wanted" if texts == 1 else ""
    what = f"milliseconds (p50 / p95) and times {both[0].name} in PyTorch{wanted}"
    print(f"\n{texts} texts at once, {threads} threads: {what}")
    print(" " * 16 + "".join(f"{pieces:>24} pieces" for pieces in options.pieces))
    slow: dict[str, float] = {}
    for one in both:
        for form, forward in one.forms(threads):
            with evaluation_mode(one.network):
                how = {"vocabulary": one.network.config.vocab_size, "lengths": options.pieces, "texts": texts}
                found = measure.latency(forward, budget=options.seconds, **how)
            slow = slow or {pieces: known["p50"] for pieces, known in found.items()}
            cells = (f"{t['p50']:10.2f} /{t['p95']:8.2f} {slow[n] / t['p50']:7.1f} x" for n, t in found.items())
            print(f"{one.name:7} {form:8}" + "".join(f"{cell:>31}" for cell in cells), flush=True)


def as_called(one: Exported, options: argparse.Namespace) -> None:
    """Whole programs, from texts to answers: transformers' pipeline beside `tinybert.predict`."""
    with Path(options.data).open(encoding="utf-8", newline="") as lines:
        rows = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        texts = [row[options.text] for row in islice(rows, options.rows)]
    saved = one.folder.with_name(f"{one.name}-torch")
    asked = pipeline("text-classification", model=str(saved), device="cpu")
    ways: dict[str, Callable[[], object]] = {
        "pipeline": lambda: asked(texts, truncation=True),
        "pipeline, batch 32": lambda: asked(texts, truncation=True, batch_size=32),
        "predict, PyTorch": predicting(saved, texts),
        "predict, ONNX int8": predicting(one.folder / MODEL_INT8, texts),
    }
    print(f"\nsentences per second, {one.name}, {len(texts)} texts, {torch.get_num_threads()} threads")
    speeds: list[float] = []
    for name, way in ways.items():
        way()
        started = time.perf_counter()
        way()
        speeds.append(len(texts) / (time.perf_counter() - started))
        print(f"{name:20} {speeds[-1]:8.0f}   {speeds[-1] / speeds[0]:5.1f} x pipeline", flush=True)


def predicting(model: Path, texts: list[str]) -> Callable[[], object]:
    """What answers all texts."""
    predictor = Predictor.load(model, None, [])
    return lambda: list(predictor.predict([{"text": text} for text in texts]))


if __name__ == "__main__":
    main()
