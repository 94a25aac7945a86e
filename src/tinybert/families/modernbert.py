"""ModernBERT (Warner et al. 2024, arXiv:2412.13663), and what is built alike: ettin, mmBERT.

Norms stand before attention and feed-forward, positions are rotary, most layers look at near pieces only; there are no
token types. Each layer has its kind of attention in the configuration, which a student takes over with the layer.
"""

from collections.abc import Sequence
from typing import Any

from tinybert.families.attention import Rotary
from tinybert.families.network import Shape
from tinybert.families.parts import Layout
from tinybert.families.transformer import TransformerFamily


def _resize_kinds(config: Any, shape: Shape) -> None:
    """The kinds of attention repeat themselves."""
    config.layer_types = [config.layer_types[number % len(config.layer_types)] for number in range(shape.layers)]


def _take_kinds(config: Any, teacher: Any, copied: Sequence[int]) -> None:
    config.layer_types = [teacher.layer_types[number - 1] for number in copied]


MODERNBERT = TransformerFamily(
    Layout(
        "modernbert",
        layers="layers",
        block=None,
        gated=True,
        attention=Rotary("attn"),
        embedding_tables=("embeddings.tok_embeddings",),
        final_norm="final_norm",
        head_hidden="head",
        head_output="classifier",
        piece_head=("head", "classifier"),
        answer_head=("head", "classifier"),
        masked_lm=("head", "decoder"),
        token_types=False,
    ),
    resize_more=_resize_kinds,
    take_more=_take_kinds,
    starts=frozenset({"layers", "random"}),
)
