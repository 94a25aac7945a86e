"""MPNet (Song et al. 2020, arXiv:2004.09297): a bias by distance and head is added to the scores of every layer.

It has no token types; transformers has no fused attention for it.
"""

from tinybert.families.parts import Layout
from tinybert.families.transformer import TransformerFamily

MPNET = TransformerFamily(
    Layout(
        "mpnet",
        embedding_tables=("embeddings.word_embeddings", "embeddings.position_embeddings"),
        query="attention.attn.q",
        key="attention.attn.k",
        value="attention.attn.v",
        attention_output="attention.attn.o",
        attention_norm="attention.LayerNorm",
        position_bias="encoder.relative_attention_bias",
        token_types=False,
        fused=False,
        first_position=2,  # positions are counted from the padding piece's id, as RoBERTa's
    )
)
