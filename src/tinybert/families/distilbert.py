"""DistilBERT (Sanh et al. 2019, arXiv:1910.01108): no token types, and names of its own for everything."""

from tinybert.families.parts import Block, Layout
from tinybert.families.transformer import TransformerFamily

DISTILBERT = TransformerFamily(
    Layout(
        "distilbert",
        layers="transformer.layer",
        embedding_tables=("embeddings.word_embeddings", "embeddings.position_embeddings"),
        block=Block(
            query="attention.q_lin",
            key="attention.k_lin",
            value="attention.v_lin",
            attention_output="attention.out_lin",
            attention_norm="sa_layer_norm",
            inner="ffn.lin1",
            output="ffn.lin2",
            output_norm="output_layer_norm",
        ),
        head_hidden="pre_classifier",
        head_output="classifier",
        masked_lm=("vocab_transform", "activation", "vocab_layer_norm", "vocab_projector"),
        token_types=False,
        inner_size="hidden_dim",
        activation="activation",
    )
)
