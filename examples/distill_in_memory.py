"""From texts in memory to a small model, without a file and without the network.

python examples/distill_in_memory.py [RUN_FOLDER]

The teacher is made on the spot, tiny and random, so that this takes seconds anywhere. For a real one replace
`tiny_teacher(...)` by a folder or by a name on the hub; the rest stays as it is.
"""

import csv
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

import torch
from tokenizers import BertWordPieceTokenizer
from transformers import BertConfig, BertModel, BertTokenizerFast

import tinybert


def reviews(name: str, count: int) -> list[dict[str, str]]:
    """The first rows of a data set that comes with the package: dictionaries with `text` and `label`."""
    with (files("tinybert") / "demo_data" / f"{name}.tsv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))[:count]


def tiny_teacher(folder: Path, texts: list[str]) -> Path:
    """A random network without a task head, with a vocabulary learnt from the texts, saved as transformers does."""
    pieces = BertWordPieceTokenizer()
    pieces.train_from_iterator(texts, vocab_size=600, show_progress=False)
    tokenizer = BertTokenizerFast(vocab=pieces.get_vocab())
    torch.manual_seed(0)  # the same teacher every time, so that the same command again finds the run finished
    sizes = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=48,
        num_hidden_layers=4,
        num_attention_heads=4,
        intermediate_size=96,
        max_position_embeddings=64,
    )
    BertModel(sizes).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


train, dev, test = reviews("kitchen_train", 64), reviews("kitchen_dev", 32), reviews("kitchen_test", 32)

with tempfile.TemporaryDirectory() as folder:
    metrics = tinybert.distill(
        "tinybert",
        train=train,
        dev=dev,
        test=test,
        teacher=tiny_teacher(Path(folder), [row["text"] for row in train]),
        student="2x24",  # layers x width
        output=sys.argv[1] if len(sys.argv) > 1 else "runs/in-memory",
        data={"max_length": 48},
        fine_tune={"epochs": 2, "lr": 1e-3},  # of the teacher, which has no task head yet
        augment={"copies": 4},
        intermediate={"epochs": 2},
        prediction={"epochs": 2},
    )

for name in ("teacher", "student", "student_int8"):
    system = metrics[name]
    print(f"{name:13} accuracy {system['test']['accuracy']:.3f}  {system['bytes'] / 1e3:6.0f} kB")
