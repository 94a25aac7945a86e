"""BERT (Devlin et al. 2019, arXiv:1810.04805): the layout that the others are told apart from; ERNIE has the same."""

from transformers import BertConfig, PretrainedConfig

from tinybert.families.parts import Layout
from tinybert.families.transformer import TransformerFamily

BERT, ERNIE = (
    TransformerFamily(Layout(name, head_hidden=f"{name}.pooler.dense", head_output="classifier", masked_lm=("cls",)))
    for name in ("bert", "ernie")
)

POSITIONS = 512  # BERT's own number; each costs as much as a piece of the vocabulary


def bert_config(other: PretrainedConfig, longest: int) -> PretrainedConfig:
    """BERT's defaults on the vocabulary of a network of another family, which reads up to `longest` pieces."""
    return BertConfig(
        vocab_size=other.vocab_size,
        pad_token_id=other.pad_token_id,
        max_position_embeddings=min(longest, POSITIONS),
        type_vocab_size=max(getattr(other, "type_vocab_size", 1), 1),
    )
