"""Make the asset of `minilm-mlm`: what turns all-MiniLM-L6-v2 into a masked language model, in a few megabytes.

Masked-LM training with the engine of the package, on public-domain novels, WikiText-2 and WordNet's glosses and
examples. The same command again continues; the last line says the loss on held-out text.

    python tools/make_minilm_mlm.py --novels DIR --wikitext DIR --wordnet DIR --output DIR --steps 3000
"""

import argparse
import gzip
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import low_rank
import numpy as np
import torch
from safetensors.torch import save_file

from tinybert import files
from tinybert.artifacts import Store
from tinybert.data.encode import encode
from tinybert.data.encoded import EncodedRows
from tinybert.data.examples import Examples
from tinybert.data.masking import Masking
from tinybert.engine.evaluate import held_out_loss
from tinybert.log import Log
from tinybert.machine import prepare
from tinybert.models import embedded
from tinybert.models.inference import without_dropout
from tinybert.models.loading import load_masked_lm, load_tokenizer
from tinybert.objectives.masked_lm import MaskedCrossEntropy
from tinybert.run import Run, RunSettings
from tinybert.stages.masked_lm import MaskedLMSettings, piece_masker, train_masked_lm
from tinybert.types import Example

PIECES = 64
WORDS = 44  # per passage; about 60 pieces
HELD_OUT = 100  # one stretch of passages in so many is held out
STRETCH = 20  # passages on end
SEED = 7


def main() -> None:
    """Encode the texts, train, write the asset, measure what was written."""
    arguments = parsed()
    prepare(arguments.threads, deterministic=True)
    arguments.output.mkdir(parents=True, exist_ok=True)
    run = Run(
        arguments.output,
        SEED,
        RunSettings(threads=arguments.threads),
        torch.device("cpu"),
        Log(arguments.output / "metrics.jsonl"),
        store=Store(arguments.output / "stages"),
    )
    tokenizer = load_tokenizer(embedded.folder_of_minilm())
    train, held_out = encoded(arguments, tokenizer, run)
    run.log.say(f"{int(train.lengths.sum()):,} pieces in {len(train):,} passages; {len(held_out):,} held out")
    model = load_masked_lm(embedded.folder_of_minilm(), new_head=SEED)
    low_rank.make_low_rank(model, arguments.rank, SEED)
    settings = MaskedLMSettings(
        epochs=1 + arguments.steps * arguments.batch // len(train),
        max_steps=arguments.steps,
        batch_size=arguments.batch,
        lr=arguments.lr,
        warmup=0.05,
        evaluate_every=max(arguments.steps // 6, 1),
        masking=Masking(share=0.2),
    )
    with run.listening(), without_dropout(model):
        artifact = run.begin("masked_lm", settings=settings, rank=arguments.rank, examples=train)
        train_masked_lm(model, tokenizer, train, settings, artifact, run, held_out=held_out)
    asset = arguments.output / embedded.ASSET
    with files.atomic_file(asset) as temporary:
        save_file(low_rank.asset_of(model), temporary)
    rebuilt = load_masked_lm(embedded.folder_of_minilm(), new_head=SEED)
    embedded.complete(rebuilt, asset)
    masker = piece_masker(tokenizer, Masking())
    loss = held_out_loss(rebuilt, MaskedCrossEntropy(), held_out, masker=masker)
    run.log.say(f"{asset}: {asset.stat().st_size:,} bytes, sha256 {files.sha256_file(asset)}")
    run.log.say(f"held-out loss, 15 % hidden, rebuilt from the asset: {loss:.4f} nats per piece")


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("novels", "wikitext", "wordnet", "output"):
        parser.add_argument(f"--{name}", type=Path, required=True, metavar="DIR")
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--rank", type=int, default=64)
    parser.add_argument("--threads", type=int)
    return parser.parse_args()


def encoded(arguments: argparse.Namespace, tokenizer, run: Run) -> tuple[EncodedRows, EncodedRows]:
    """Train and held-out passages; every hundredth stretch of passages on end is held out."""
    parts = [run.folder / name for name in ("train.arrow", "held_out.arrow")]
    if not all(part.exists() for part in parts):
        texts = [*passages(novels(arguments.novels)), *passages(wikitext(arguments.wikitext))]
        texts += list(passages(glosses(arguments.wordnet)))
        out = np.arange(len(texts)) // STRETCH % HELD_OUT == HELD_OUT // 2
        for part, chosen in zip(parts, (~out, out), strict=True):
            rows = Examples.of(Example(texts[number]) for number in np.flatnonzero(chosen))
            encode(rows, tokenizer, PIECES, part)
    train, held_out = map(EncodedRows.open, parts)
    return train, held_out


def passages(words: Iterator[str]) -> Iterator[str]:
    """So many words on end, whatever sentences they belong to."""
    while passage := list(islice(words, WORDS)):
        yield " ".join(passage)


def novels(folder: Path) -> Iterator[str]:
    """All words on end, without the marks of italics."""
    for path in sorted(folder.glob("*.txt.gz")):
        yield from gzip.decompress(path.read_bytes()).decode("utf-8-sig").replace("_", "").split()


def wikitext(folder: Path) -> Iterator[str]:
    """Sentences without an unknown word; hyphens and commas in numbers as people write them."""
    for path in sorted(folder.glob("*.txt.gz")):
        for line in gzip.decompress(path.read_bytes()).decode().splitlines():
            if line.startswith(" = ") or not line.strip():
                continue
            for sentence in re.split(r"(?<= \.) ", re.sub(r" @(.)@ ", r"\1", line)):
                if "<unk>" not in sentence:
                    yield from sentence.split()


def glosses(folder: Path) -> Iterator[str]:
    """What each sense means, with its first word and its examples."""
    for path in sorted(folder.glob("data.*.gz")):
        for line in gzip.decompress(path.read_bytes()).decode().splitlines():
            if " | " in line and not line.startswith(" "):
                entry, gloss = line.split(" | ", 1)
                word = entry.split()[4].split("(")[0].replace("_", " ")
                yield from f"{word} : {gloss.strip()} .".replace('"', "").split()


if __name__ == "__main__":
    main()
