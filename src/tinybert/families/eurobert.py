"""EuroBERT (Boizard et al. 2025, arXiv:2503.05500): built like Llama, with attention in both directions.

Norms stand before attention and feed-forward, positions are rotary, several heads may share a key; no token types.
"""

from typing import Any

from tinybert.families.attention import Rotary
from tinybert.families.network import Shape
from tinybert.families.parts import Layout
from tinybert.families.transformer import TransformerFamily


def _resize_heads(config: Any, shape: Shape) -> None:
    """As many keys as divide the heads: each of them serves equally many."""
    if shape.heads % config.num_key_value_heads:
        config.num_key_value_heads = shape.heads


EUROBERT = TransformerFamily(
    Layout(
        "eurobert",
        layers="layers",
        block=None,
        gated=True,
        attention=Rotary("self_attn"),
        embedding_tables=("embed_tokens",),
        embedding_output=("embed_tokens",),
        final_norm="norm",
        head_hidden="dense",
        head_output="classifier",
        answer_head=(),
        masked_lm=("lm_head",),
        token_types=False,
    ),
    resize_more=_resize_heads,
    starts=frozenset({"layers", "random"}),
)
