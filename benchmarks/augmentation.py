"""Sentences per second of TinyBERT's augmentation: this augmenter beside the way of the authors' code, in one run.

Their way, written anew: for each word to be replaced one forward pass of one row, which is the masked sentence and the
original as a pair; fp32; the vocabulary head at all positions; all of the vocabulary sorted. The same words on both
sides (no stop words, letters only, a single piece) and 20 copies of each sentence, which is when every word needs its
candidates. Word vectors are left out on both sides. Ratios count; absolute speeds belong to the machine. One thread
of a processor is timed by processor time, so that other programs do not count; all else by the clock. "Of bare
products" is, on a processor, the share of the speed that the masked LM's products of matrices alone would have.

    python benchmarks/augmentation.py --threads 1
    python benchmarks/augmentation.py --threads 1 --mlm MODEL --data train.tsv --text sentence --overlap
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import mean

import numpy as np
import torch
from bare import Products
from large import TEXTS, large
from transformers import PreTrainedTokenizerFast

from tinybert.augment.bert_glove import BertGlove, BertGloveSettings
from tinybert.augment.candidates import Candidates, Context
from tinybert.data.lexicon import STOP_WORDS
from tinybert.data.pieces import tokenize
from tinybert.data.settings import DataSettings
from tinybert.families.network import Network
from tinybert.machine import prepare
from tinybert.models.loading import load_masked_lm, load_tokenizer
from tinybert.models.masked_lm import MaskedLM
from tinybert.tasks.load import load
from tinybert.types import Example

COPIES, CANDIDATES, MAX_LENGTH = 20, 15, 128
WANTED = {"exact": 12, "group_positions=8": 40}  # times their way, on a processor with bf16
Clock = Callable[[], float]


def main() -> None:
    """Measure and print one line per way."""
    options = parse()
    prepare(options.threads, deterministic=True)
    now = time.process_time if options.threads == 1 and options.device == "cpu" else time.perf_counter
    model, tokenizer = network(options.mlm)
    texts = some_texts(options)
    few = texts[:: max(len(texts) // options.slow_rows, 1)][: options.slow_rows]
    mlm = MaskedLM(model, tokenizer, torch.device(options.device), options.dtype, options.pieces)
    if options.overlap:
        print_overlap(mlm, texts, options.groups)
        return
    settings = {"exact": settings_of(1)} | {f"group_positions={group}": settings_of(group) for group in options.groups}
    ways: dict[str, Callable[[], tuple[float, float]]] = {
        "their way": lambda: slow(model, tokenizer, few, now, gradients=True),
        "their way, without gradients": lambda: slow(model, tokenizer, few, now, gradients=False),
        **{name: partial(fast, mlm, texts, now, how) for name, how in settings.items()},
    }
    speeds: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for _ in range(options.repeats):  # in turn, so that what else the machine does meets all of them
        for name, way in ways.items():
            speeds[name].append(way())
    print(f"{'':30} positions/s sentences/s  x their way  of bare products")
    base = mean(positions for positions, _ in speeds["their way"])
    for name, found in speeds.items():
        positions, sentences = (mean(column) for column in zip(*found, strict=True))
        wanted = f"   wanted {WANTED[name]}" if name in WANTED else ""
        known = name in settings and options.device == "cpu"
        share = f"{sentences / bare_products(mlm, texts, settings[name]):16.0%}" if known else ""
        print(f"{name:30} {positions:11.2f} {sentences:11.2f} {positions / base:12.1f} {share}{wanted}")


def parse() -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mlm", help="folder of a masked language model; default: BERT base (12x768), random")
    parser.add_argument("--data", default=str(TEXTS))
    parser.add_argument("--text", default="text", help="column")
    parser.add_argument("--rows", type=int, default=48, help="sentences for this augmenter")
    parser.add_argument("--slow-rows", type=int, default=3, help="sentences for the slow way, out of these")
    parser.add_argument("--groups", type=int, nargs="*", default=[2, 4, 8])
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--pieces", type=int, help="of one forward pass")
    parser.add_argument(
        "--overlap", action="store_true", help="how many grouped candidates are those of the exact form"
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="auto", choices=("auto", "fp32", "bf16"))
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    return parser.parse_args()


def network(folder: str | None) -> tuple[Network, PreTrainedTokenizerFast]:
    """A masked language model and its tokenizer."""
    with tempfile.TemporaryDirectory() as made:
        found = large(folder, Path(made))
        return load_masked_lm(found), load_tokenizer(found)


def some_texts(options: argparse.Namespace) -> list[str]:
    """Random sentences, the shortest first, so that every k-th of them has the same spread of lengths."""
    rng = np.random.default_rng(0)
    settings = DataSettings(text=options.text)
    splits = load(options.data, None, None, settings, kind=None, head_classes=None, rng=lambda _: rng, rejected_to=None)
    rows = rng.permutation(len(splits.train))[: options.rows]
    return sorted((splits.train[int(row)].text for row in rows), key=len)


def settings_of(group: int) -> BertGloveSettings:
    """Of this augmenter, so that it replaces the words that their code replaces."""
    return BertGloveSettings(skip_stopwords=True, skip_nonletters=True, group_positions=group)


def is_replaceable(word: str) -> bool:
    """Whether their code replaces a word."""
    return word.isascii() and word.isalpha() and word.lower() not in STOP_WORDS


def slow(
    model: Network, tokenizer: PreTrainedTokenizerFast, texts: Sequence[str], now: Clock, *, gradients: bool
) -> tuple[float, float]:
    """Positions and sentences per second of their way."""
    started, count = now(), 0
    with torch.set_grad_enabled(gradients):
        for text in texts:
            for word in text.split():
                if not is_replaceable(word) or len(tokenizer.tokenize(word)) != 1:
                    continue
                pieces = tokenizer.tokenize(text)  # again for each word, as they do
                position = pieces.index(tokenizer.tokenize(word)[0])
                masked = [*pieces[:position], tokenizer.mask_token, *pieces[position + 1 :]]
                ids = tokenizer.convert_tokens_to_ids(["[CLS]", *masked, "[SEP]", *pieces, "[SEP]"])
                types = [0] * (len(pieces) + 2) + [1] * (len(pieces) + 1)
                scores = model.model(input_ids=torch.tensor([ids]), token_type_ids=torch.tensor([types])).logits
                torch.argsort(scores[0, position + 1], descending=True)[:CANDIDATES].tolist()
                count += 1
    seconds = now() - started
    return count / seconds, len(texts) / seconds


class NoNeighbours:
    """In place of word vectors, which are not timed."""

    def nearest(self, words: Sequence[str], count: int) -> list[tuple[str, ...]]:
        """None."""
        del count
        return [()] * len(words)


def fast(mlm: MaskedLM, texts: Sequence[str], now: Clock, settings: BertGloveSettings) -> tuple[float, float]:
    """Positions and sentences per second of the whole augmenter, from text to `COPIES` texts."""
    augment = BertGlove(settings, mlm, NoNeighbours(), MAX_LENGTH)
    examples = [Example(text, row=row) for row, text in enumerate(texts, 1)]
    started = now()
    made = sum(1 for _ in augment(examples, COPIES, lambda row, copy: np.random.default_rng([row, copy])))
    seconds = now() - started
    assert made == COPIES * len(texts)
    return sum(len(positions) for _, positions in replaceable_positions(mlm, texts)) / seconds, len(texts) / seconds


def bare_products(mlm: MaskedLM, texts: Sequence[str], settings: BertGloveSettings) -> float:
    """Sentences per second if all was the masked LM's products."""
    with Products() as made:
        fast(mlm, texts, time.perf_counter, settings)
    return len(texts) / made.seconds()


def replaceable_positions(mlm: MaskedLM, texts: Sequence[str]) -> list[tuple[tuple[int, ...], list[int]]]:
    """By text: its pieces, and the positions of the words that both ways replace."""
    return [
        (
            tuple(reading.pieces),
            [
                reading.span_of(number).start
                for number, word in enumerate(reading.words)
                if is_replaceable(word.text) and reading.piece_of(number) is not None
            ],
        )
        for reading in tokenize(texts, mlm.vocabulary.tokenizer, MAX_LENGTH)
    ]


def print_overlap(mlm: MaskedLM, texts: Sequence[str], groups: Sequence[int]) -> None:
    """How many of the exact candidates are found when several positions are masked at once."""
    print(f"of the {CANDIDATES} exact candidates, grouped ones hold on average")
    for group in groups:
        candidates = Candidates(mlm, CANDIDATES, keep_original=True)
        pairs = []
        for pieces, positions in replaceable_positions(mlm, texts):
            step = -(-len(positions) // group)
            pairs += [
                (Context(pieces, (position,)), Context(pieces, tuple(positions[number % step :: step])), position)
                for number, position in enumerate(positions)
            ]
        candidates.learn(context for alone, together, _ in pairs for context in (alone, together))
        shares = [
            len(set(candidates.of(alone, position)) & set(candidates.of(together, position))) / CANDIDATES
            for alone, together, position in pairs
        ]
        print(f"group_positions={group}: {mean(shares):.3f} over {len(shares)} positions")


if __name__ == "__main__":
    main()
