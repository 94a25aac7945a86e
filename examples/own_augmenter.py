"""An augmenter of your own: copies beside the originals, and whether they help.

python examples/own_augmenter.py [TEACHER_FOLDER [RUN_FOLDER]]

Without arguments the teacher that `distill_in_memory.py` leaves behind is used. Two students are distilled, one from
the originals, one from originals and copies.
"""

import csv
import sys
from pathlib import Path

import numpy as np

import tinybert
from tinybert.types import Augmenter, Example


class NeighbourSwap(Augmenter):
    """Two neighbouring words change places; a label that does not hang on their order stays true."""

    def __call__(self, examples, copies, stream):
        """Copies of each example; what is drawn depends on row and copy only, not on who asks."""
        for example in examples:
            for copy in range(1, copies + 1):
                words, rng = example.text.split(), stream(example.row, copy)
                if len(words) > 1:
                    at = rng.integers(len(words) - 1)
                    words[at : at + 2] = reversed(words[at : at + 2])
                yield Example(" ".join(words), label=example.label, row=example.row, copy=copy)


def rows(name, count):
    """The first rows of a data set that comes with the package."""
    with (Path(tinybert.__file__).parent / "demo_data" / f"{name}.tsv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))[:count]


originals = [Example(line["text"], label=line["label"], row=row) for row, line in enumerate(rows("cafe_train", 40), 1)]
copies = list(NeighbourSwap()(originals, 3, lambda row, copy: np.random.default_rng((0, row, copy))))
print(f"{len(originals)} originals, {len(copies)} copies, {len({copy.text for copy in copies})} of them distinct")

for name, examples in {"originals": originals, "with-copies": originals + copies}.items():
    metrics = tinybert.distill(
        "augmented_kd",
        train=[{"text": example.text, "label": example.label} for example in examples],
        dev=rows("cafe_test", 40),
        test=rows("kitchen_test", 40),
        teacher=sys.argv[1] if len(sys.argv) > 1 else "runs/in-memory/teacher",
        student="2x24",
        output=Path(sys.argv[2] if len(sys.argv) > 2 else "runs/own-augmenter") / name,
        data={"max_length": 48},
        augment={"method": "none"},
        distill={"max_steps": 20, "lr": 1e-3},
    )
    print(f"{name:12} accuracy {metrics['student']['test']['accuracy']:.3f}")
