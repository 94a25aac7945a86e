"""How well a student that was initialised by `project` reproduces its teacher, on texts it was not made with.

python benchmarks/initialisation.py TEACHER TRAIN HELD_OUT [--student 4x192] [--text COLUMN]

Prints, by layer (0 = embeddings), the share of the teacher's states that the directions P keep on the texts the student
was made with, and r2: the share of the variance of the teacher's states times P that the student reproduces on others.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from tinybert.data.batches import by_length
from tinybert.data.encode import encode
from tinybert.data.settings import DataSettings
from tinybert.initialise.matrices import r2
from tinybert.initialise.project import project
from tinybert.initialise.recording import teacher_states
from tinybert.initialise.start import Plan
from tinybert.models.heads import Head
from tinybert.models.loading import load_classifier, load_tokenizer
from tinybert.models.student import parse_shape
from tinybert.tasks.classification import Classification
from tinybert.tasks.read import load_for
from tinybert.types import Batch

CLASSES = ("0", "1")  # of the random head, which plays no part


def texts(file: str, column: str, teacher: str, count: int) -> Iterator[Batch]:
    """So many rows, drawn with seed 0, in batches of like length."""
    examples = load_for(file, DataSettings(text=column), Classification(CLASSES, 1), labels="none")
    chosen = examples.select(np.random.default_rng(0).permutation(len(examples))[:count])
    with tempfile.TemporaryDirectory() as folder:
        rows = encode(chosen, load_tokenizer(teacher), 128, Path(folder) / "rows.arrow")
        for part in by_length(rows.lengths, 50):
            yield rows.batch(part)


def main() -> None:
    """Make the student, then compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("teacher")
    parser.add_argument("train")
    parser.add_argument("held_out")
    parser.add_argument("--student", default="4x192")
    parser.add_argument("--text", default="text", help="column of the text")
    asked = parser.parse_args()
    teacher = load_classifier(asked.teacher, Head(CLASSES)).model
    shape = parse_shape(asked.student, None, None, teacher.shape)
    batches = list(texts(asked.train, asked.text, asked.teacher, 1500))
    made_with = [batches[number] for number in np.random.default_rng(0).permutation(len(batches))]
    started = time.process_time()
    initial = project(Plan(shape, Head(CLASSES), seed=0), teacher, made_with)
    seconds = time.process_time() - started
    others = list(texts(asked.held_out, asked.text, asked.teacher, 1000))
    numbers = range(1, shape.layers + 1)
    copied = [-(-m * teacher.shape.layers // shape.layers) for m in numbers]  # the uniform map
    theirs = teacher_states(teacher, others, copied).hidden
    ours = teacher_states(initial.model, others, list(numbers)).hidden
    pairs = [(0, 0), *zip(numbers, copied, strict=True)]
    found = [r2(ours[m], theirs[g] @ initial.directions) for m, g in pairs]
    print(f"{asked.student}: {seconds:.0f} s of processor time with {torch.get_num_threads()} threads")
    print("energy kept, by teacher layer:", ", ".join(f"{layer} {kept:.2f}" for layer, kept in initial.energy.items()))
    shown = ", ".join(f"{m} {share:.2f}" for (m, _), share in zip(pairs, found, strict=True))
    print("r2 on other texts, by student layer:", shown)


if __name__ == "__main__":
    main()
