"""Packing plain text into blocks, and reading random batches back: speed, and memory by the size of the text.

python benchmarks/corpus.py TOKENIZER                10 MB and 1 GB of text
python benchmarks/corpus.py TOKENIZER 10 100         so many MB

TOKENIZER is the folder of a checkpoint. The text is made up: words of its vocabulary, their frequencies by Zipf's law,
in paragraphs of 20 to 200 words. Each size is a process of its own; the peak is of memory that no file backs, over the
whole process tree, looked at every 50 ms.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from augment_memory import peak_of

from tinybert.data.corpus.blocks import Blocks
from tinybert.data.corpus.packing import pack
from tinybert.data.corpus.texts import texts_of
from tinybert.files import read_json, write_json
from tinybert.models.loading import load_tokenizer

BLOCK_LENGTH = 128
BATCHES, BATCH_SIZE = 1_000, 32


def write_text(path: Path, size: int, tokenizer: str) -> None:
    rng, pieces = np.random.default_rng(0), load_tokenizer(tokenizer).get_vocab()
    whole = (piece.lstrip("Ġ▁") for piece in sorted(pieces, key=lambda piece: pieces[piece]))  # frequent ones first
    words = np.array([word for word in whole if word.isalpha()], dtype=object)
    written = 0
    with path.open("w", encoding="utf-8") as stream:
        while written < size:
            drawn = words[(rng.zipf(1.2, size=100_000) - 1) % len(words)]
            paragraphs = np.split(drawn, np.cumsum(rng.integers(20, 200, size=400)))
            written += stream.write("".join(" ".join(paragraph) + "\n" for paragraph in paragraphs if len(paragraph)))


def work(tokenizer: str, text: Path, folder: Path) -> None:
    started = time.monotonic()
    pack(texts_of(text), load_tokenizer(tokenizer), BLOCK_LENGTH, folder / "blocks")
    packed = time.monotonic()
    blocks = Blocks.open(folder / "blocks")
    opened = time.monotonic()
    order = blocks.order(BATCH_SIZE, np.random.default_rng(0))
    for number in range(BATCHES):
        blocks.batch(order[number % len(order)])
    seconds = {"pack": packed - started, "open": opened - packed, "batch": (time.monotonic() - opened) / BATCHES}
    write_json(folder / "result.json", {"pieces": blocks.pieces, **seconds})


def measured(tokenizer: str, megabytes: int) -> str:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_text(folder / "text.txt", megabytes * 1_000_000, tokenizer)
        size = (folder / "text.txt").stat().st_size
        command = [sys.executable, __file__, tokenizer, "--work", str(folder / "text.txt"), str(folder)]
        _, anonymous, _ = peak_of(command)
        result = read_json(folder / "result.json")
    speed, pieces = size / 1e6 / result["pack"], result["pieces"] / result["pack"]
    return (
        f"{size / 1e6:>8,.0f} {result['pieces']:>13,} {speed:>6.2f} {pieces:>10,.0f} {1e3 * result['open']:>8.1f} "
        f"{1e3 * result['batch']:>9.2f} {anonymous / 1e6:>8.0f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tokenizer")
    parser.add_argument("megabytes", nargs="*", type=int, default=[10, 1_000])
    parser.add_argument("--work", nargs=2, type=Path, metavar=("TEXT", "FOLDER"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        work(arguments.tokenizer, *arguments.work)
        return
    print(f"{'MB':>8} {'pieces':>13} {'MB/s':>6} {'pieces/s':>10} {'open ms':>8} {'batch ms':>9} {'peak MB':>8}")
    for megabytes in arguments.megabytes:
        print(measured(arguments.tokenizer, megabytes), flush=True)


if __name__ == "__main__":
    main()
