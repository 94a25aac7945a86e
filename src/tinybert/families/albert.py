"""ALBERT (Lan et al. 2020, arXiv:1909.11942): one layer, called again and again.

It teaches only: a student cut out of it would be its one layer, called less often.
"""

from tinybert.families.parts import Block, Layout
from tinybert.families.transformer import TransformerFamily

ALBERT = TransformerFamily(
    Layout(
        "albert",
        layers="encoder.albert_layer_groups.0.albert_layers.0",
        shared=True,
        block=Block(
            query="attention.query",
            key="attention.key",
            value="attention.value",
            attention_output="attention.dense",
            attention_norm="attention.LayerNorm",
            inner="ffn",
            output="ffn_output",
            output_norm="full_layer_layer_norm",
        ),
        embedding_output=("encoder.embedding_hidden_mapping_in",),
        head_hidden="albert.pooler",
        head_output="classifier",
        masked_lm=("predictions",),
    ),
    starts=frozenset(),
)
