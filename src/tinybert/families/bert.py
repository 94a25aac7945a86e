"""BERT (Devlin et al. 2019, arXiv:1810.04805): the layout that the others are told apart from.

ERNIE (Sun et al. 2020, arXiv:1907.12412) has the same, and may have a further table, of tasks.
"""

from dataclasses import replace

from transformers import BertConfig, PretrainedConfig

from tinybert.families.parts import Layout
from tinybert.families.transformer import TransformerFamily

_BERT = Layout("bert", head_hidden="bert.pooler.dense", head_output="classifier", masked_lm=("cls",))
_TABLES = (*_BERT.embedding_tables, "embeddings.task_type_embeddings")
BERT = TransformerFamily(_BERT)
ERNIE = TransformerFamily(
    replace(_BERT, model_type="ernie", embedding_tables=_TABLES, head_hidden="ernie.pooler.dense")
)

_POSITIONS = 512  # BERT's own number; each costs as much as a piece of the vocabulary


def bert_config(other: PretrainedConfig, longest: int) -> PretrainedConfig:
    """BERT's defaults on the vocabulary of a network of another family, which reads up to `longest` pieces."""
    return BertConfig(
        vocab_size=other.vocab_size,
        pad_token_id=other.pad_token_id,
        max_position_embeddings=min(longest, _POSITIONS),
        # DeBERTa has no table of types (0), but its tokenizer says which text of a pair a piece is of.
        type_vocab_size=getattr(other, "type_vocab_size", 1) or 2,
    )
