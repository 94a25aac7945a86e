"""DeBERTa v2 and v3 (He et al. 2021, arXiv:2006.03654; 2023, arXiv:2111.09543).

Scores have parts of their own for how far pieces stand from each other, "disentangled" from what the pieces are;
transformers has no fused attention for that.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from tinybert.families.attention import Place, Projected
from tinybert.families.network import Shape
from tinybert.families.parts import Block, Layout
from tinybert.families.transformer import TransformerFamily


@dataclass(frozen=True)
class _Disentangled(Projected):
    """(QKᵀ + what the relative positions add) / √(d · parts), with up to three parts."""

    def places(self, parts: Any, layer: int, kind: str) -> dict[str, Place]:
        """The matrices, at their first call (the second may be on positions), and what the layer is told of these."""
        found = super().places(parts, layer, kind)
        if kind == "attention_scores":
            found["attention"] = Place(parts.layers[layer - 1].attention.self, side="call")
        return found

    def signal(self, parts: Any, kind: str, seen: Mapping[str, Any]) -> Tensor:
        """What the matrices give, or the scores before the padding is masked."""
        if kind != "attention_scores":
            return super().signal(parts, kind, seen)
        attention, told = seen["attention"]
        terms = 1 + sum(term in attention.pos_att_type for term in ("c2p", "p2c"))
        scores: Tensor = super().signal(parts, kind, seen) / terms**0.5
        if not attention.relative_attention:
            return scores
        by_head = (
            attention.transpose_for_scores(seen[name], attention.num_attention_heads) for name in ("queries", "keys")
        )
        distances = told["relative_pos"], told["rel_embeddings"]
        where: Tensor = attention.disentangled_attention_bias(*by_head, *distances, terms)
        return scores + where.view_as(scores)

    def more_flops(self, config: Any, length: int) -> int:
        """Each term is a product with the vectors of all distances, which each layer makes of the same table."""
        if not config.relative_attention:
            return 0
        distances = 2 * (config.position_buckets if config.position_buckets > 0 else config.max_position_embeddings)
        terms = len(config.pos_att_type or ())
        return int(2 * terms * distances * config.hidden_size * (config.hidden_size + length))


def _resize_more(config: Any, shape: Shape) -> None:
    config.legacy = True  # the form of masked-LM head that transformers loads
    config.pooler_hidden_size = shape.width
    if getattr(config, "embedding_size", None):
        config.embedding_size = min(config.embedding_size, shape.width)


DEBERTA = TransformerFamily(
    Layout(
        "deberta-v2",
        least=1,  # its encoder hands on what the last layer gave
        block=Block(
            query="attention.self.query_proj", key="attention.self.key_proj", value="attention.self.value_proj"
        ),
        attention=_Disentangled(),
        beside_layers=("encoder.rel_embeddings", "encoder.LayerNorm", "encoder.conv"),
        after_first="encoder.conv",
        head_hidden="pooler.dense",
        head_output="classifier",
        masked_lm=("cls",),
        fused=False,
    ),
    resize_more=_resize_more,
    starts=frozenset({"layers", "random"}),
)
