"""MPNet (Song et al. 2020, arXiv:2004.09297): a bias by distance and head is added to the scores of every layer.

It has no token types; transformers has no fused attention for it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from tinybert.families.attention import Place, Projected
from tinybert.families.parts import Block, Layout
from tinybert.families.transformer import TransformerFamily


@dataclass(frozen=True)
class _Biased(Projected):
    """QKᵀ/√d plus the bias, which is the same in every layer."""

    def places(self, parts: Any, layer: int, kind: str) -> dict[str, Place]:
        """The matrices, and the table of the bias."""
        bias = {"position_bias": Place(parts.position_bias)} if kind == "attention_scores" else {}
        return super().places(parts, layer, kind) | bias

    def signal(self, parts: Any, kind: str, seen: Mapping[str, Any]) -> Tensor:
        """What the matrices give, or the scores."""
        found = super().signal(parts, kind, seen)
        return found + seen["position_bias"].permute(2, 0, 1) if kind == "attention_scores" else found


MPNET = TransformerFamily(
    Layout(
        "mpnet",
        embedding_tables=("embeddings.word_embeddings", "embeddings.position_embeddings"),
        block=Block(
            query="attention.attn.q",
            key="attention.attn.k",
            value="attention.attn.v",
            attention_output="attention.attn.o",
            attention_norm="attention.LayerNorm",
        ),
        attention=_Biased(),
        position_bias="encoder.relative_attention_bias",
        token_types=False,
        fused=False,
        first_position=2,  # positions are counted from the padding piece's id, as RoBERTa's
    )
)
