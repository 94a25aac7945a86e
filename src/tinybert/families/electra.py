"""ELECTRA (Clark et al. 2020, arXiv:2003.10555): its tables may be narrower than its layers; a matrix widens them."""

from transformers import PretrainedConfig

from tinybert.families.network import Shape
from tinybert.families.parts import Layout
from tinybert.families.transformer import TransformerFamily


def _resize_tables(config: PretrainedConfig, shape: Shape) -> None:
    """The tables keep their size, but are never wider than the network itself."""
    config.embedding_size = min(config.embedding_size, shape.width)


ELECTRA = TransformerFamily(
    Layout(
        "electra",
        embedding_output=("embeddings_project", "embeddings"),  # the first only where the tables are narrower
        masked_lm=("generator_predictions", "generator_lm_head"),
    ),
    _resize_tables,
)
