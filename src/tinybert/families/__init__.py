"""Families of networks, a page each; `FAMILIES` is the only list. What every network can do is in `network`."""

from dataclasses import replace
from typing import Any

import torch
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel

from tinybert.errors import UserError
from tinybert.families.albert import ALBERT
from tinybert.families.bert import BERT, ERNIE
from tinybert.families.bilstm import BILSTM
from tinybert.families.deberta import DEBERTA
from tinybert.families.distilbert import DISTILBERT
from tinybert.families.electra import ELECTRA
from tinybert.families.eurobert import EUROBERT
from tinybert.families.gte import GTE, JINA_EMBEDDINGS_V3, NOMIC_BERT
from tinybert.families.modernbert import MODERNBERT
from tinybert.families.mpnet import MPNET
from tinybert.families.network import Family, Network, Shape
from tinybert.families.roberta import CAMEMBERT, ROBERTA, XLM_ROBERTA
from tinybert.families.static import STATIC
from tinybert.families.tfidf import TFIDF
from tinybert.families.transformer import Transformer

__all__ = ["FAMILIES", "Family", "Network", "Shape", "family_named", "family_of", "network_of"]

TRANSFORMERS = {
    family.name: family
    for family in (
        *(BERT, ROBERTA, XLM_ROBERTA, CAMEMBERT, ELECTRA, DISTILBERT, MPNET, ERNIE, ALBERT),
        *(MODERNBERT, DEBERTA, EUROBERT, GTE, NOMIC_BERT, JINA_EMBEDDINGS_V3),
    )
}
FAMILIES: dict[str, Family] = {**TRANSFORMERS, **{family.name: family for family in (BILSTM, STATIC, TFIDF)}}


def family_named(model_type: Any, where: str) -> Family:
    """A family by its name; `where` opens the error.

    Raises:
        UserError: If there is none of that name; the error lists those that are.
    """
    if not isinstance(model_type, str) or model_type not in FAMILIES:
        raise UserError(f"{where}: architecture {model_type!r} is not supported; use one of {', '.join(FAMILIES)}")
    return FAMILIES[model_type]


def family_of(config: PretrainedConfig) -> Family:
    """The family of a configuration; errors as of `family_named`."""
    return family_named(config.model_type, str(getattr(config, "name_or_path", "") or "model"))


def network_of(model: PreTrainedModel) -> Network:
    """A model of transformers as this package sees it; shares the weights.

    Raises:
        UserError: If its architecture is not supported.
    """
    return Transformer(TRANSFORMERS[family_of(model.config).name].layout, model)


def shape_of(config: PretrainedConfig) -> Shape:
    """The sizes a configuration gives, and whose they are."""
    family = family_of(config)
    return replace(family.shape(config), family=family.name)


def longest_input(config: PretrainedConfig) -> int:
    """How many pieces, special ones included, a network of this configuration can read."""
    return family_of(config).longest(config)


def give_token_types(network: Network, count: int, seed: int) -> None:
    """Make a network read `count` token types, in place; a table with fewer rows gives way to a random one.

    Raises:
        UserError: If its family has no token types.
    """
    embeddings: Any = network.parts.base.get_submodule("embeddings")
    if not FAMILIES[network.family].token_types or embeddings.token_type_embeddings is None:
        others = ", ".join(name for name, family in FAMILIES.items() if family.token_types)
        raise UserError(f"{network.family} networks read no token types; take one of {others}")
    if network.config.type_vocab_size >= count:
        return
    before = embeddings.token_type_embeddings.weight
    spread = torch.Generator().manual_seed(seed)
    fresh = torch.randn(count, before.shape[1], generator=spread) * network.config.initializer_range
    embeddings.token_type_embeddings = nn.Embedding(count, before.shape[1], _weight=fresh.to(before))
    network.config.type_vocab_size = count
