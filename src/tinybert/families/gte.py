"""Encoders of embedding models: BERT's order of parts with rotary positions and, but for Jina's, a gated feed-forward.

gte (Zhang et al. 2024, arXiv:2407.19669), nomic_bert (Nussbaum et al. 2024, arXiv:2402.01613), jina_embeddings_v3
(Sturua et al. 2024, arXiv:2409.10173).
"""

from tinybert.families.attention import Rotary
from tinybert.families.parts import Layout
from tinybert.families.transformer import TransformerFamily


def _family(name: str, **others: object) -> TransformerFamily:
    tables = ("embeddings.word_embeddings", "embeddings.token_type_embeddings")
    layout = {"layers": "layers", "block": None, "attention": Rotary("self_attn"), "embedding_tables": tables}
    return TransformerFamily(Layout(name, **(layout | others)), starts=frozenset({"layers", "random"}))  # type: ignore[arg-type]


GTE = _family(
    "gte",
    gated=True,
    embedding_tables=("embeddings.word_embeddings",),
    head_hidden="gte.pooler.dense",
    head_output="classifier",
    answer_head=(),
    token_types=False,
)
NOMIC_BERT = _family(
    "nomic_bert",
    gated=True,
    head_hidden="nomic_bert.pooler.dense",
    head_output="classifier",
    answer_head=(),
    masked_lm=("cls",),
)
JINA_EMBEDDINGS_V3 = _family("jina_embeddings_v3")
