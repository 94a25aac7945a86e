"""What it costs to record a teacher of each family, beside transformers' own eager attention.

python benchmarks/traces.py --layers 12 --width 384 --heads 12 --pieces 128

Random networks of one size; the forward pass alone, with all hidden states and scores recorded by `observe`, and with
what transformers itself gives (`output_attentions`, eager, after softmax). Ratios to the forward pass alone.
"""

import argparse
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import torch
from transformers import AutoConfig, AutoModel

from tinybert.families import TRANSFORMERS, network_of
from tinybert.families.network import Network, Shape
from tinybert.types import Batch, Signal

VOCABULARY = 1000


def network(name: str, shape: Shape) -> Network:
    family = TRANSFORMERS[name]
    config = AutoConfig.for_model(name, vocab_size=VOCABULARY, pad_token_id=family.padding or 0)
    for special in ("bos", "eos", "cls", "sep", "mask"):
        if (getattr(config, f"{special}_token_id", None) or 0) >= VOCABULARY:
            setattr(config, f"{special}_token_id", 4)
    if name == "deberta-v2":  # as v3 is
        config.relative_attention, config.share_att_key, config.pos_att_type = True, True, ["c2p", "p2c"]
        config.position_buckets, config.norm_rel_ebd, config.position_biased_input = 256, "layer_norm", False
    return network_of(AutoModel.from_config(family.resized(config, shape)).eval())


def milliseconds(call: Callable[[], Any], repeats: int) -> float:
    times = []
    with torch.no_grad():
        for _ in range(repeats + 1):
            start = time.perf_counter()
            call()
            times.append(1000 * (time.perf_counter() - start))
    return median(times[1:])


def measure(name: str, shape: Shape, options: argparse.Namespace) -> list[float]:
    model = network(name, shape)
    size = (options.batch, options.pieces)
    pieces = torch.randint(5, VOCABULARY, size, generator=torch.Generator().manual_seed(0))
    real = torch.ones(size, dtype=torch.bool)
    batch = Batch(pieces, torch.zeros_like(pieces), real, None, torch.arange(options.batch))
    layers = range(1, shape.layers + 1)
    every = frozenset(Signal(kind, m) for kind in ("hidden_states", "attention_scores") for m in layers)
    inputs = model.inputs(batch)
    alone = milliseconds(lambda: model.model(**inputs), options.repeats)
    recorded = milliseconds(lambda: model.observe(batch, every), options.repeats)
    model.model.set_attn_implementation("eager")
    eager = milliseconds(
        lambda: model.model(**inputs, output_attentions=True, output_hidden_states=True), options.repeats
    )
    return [alone, recorded, eager]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sizes = {"layers": 6, "width": 384, "heads": 12, "pieces": 64, "batch": 8, "repeats": 5, "threads": 1}
    for size, default in sizes.items():
        parser.add_argument(f"--{size}", type=int, default=default)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    shape = Shape(options.layers, options.width, options.heads, 4 * options.width)
    print(f"torch {torch.__version__}, {options.threads} thread(s), {vars(options)}")
    print(f"{'family':20}{'alone ms':>10}{'recorded':>10}{'eager':>10}")
    for name in TRANSFORMERS:
        alone, recorded, eager = measure(name, shape, options)
        print(f"{name:20}{alone:10.1f}{recorded / alone:9.2f}x{eager / alone:9.2f}x", flush=True)


if __name__ == "__main__":
    main()
