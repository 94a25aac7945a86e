"""A low-rank difference: nothing at first, the only thing of the matrices that learns, and exact when it is merged."""

import pytest
import torch

from tinybert.models import low_rank
from tinybert.models.trace import observe
from tinybert.types import Signal

STATES = Signal("hidden_states", 2)


def shown(model, batch):
    return observe(model, batch, frozenset({STATES}))[STATES]


@pytest.mark.parametrize("model_type", ["bert", "roberta", "distilbert"])
def test_make_low_rank__changes_nothing_at_first(model_type, tiny_model, make_batch):
    model, batch = tiny_model(model_type), make_batch(pad=1)
    before = shown(model, batch)
    low_rank.make_low_rank(model, rank=3, seed=0)
    torch.testing.assert_close(shown(model, batch), before)


def test_make_low_rank__leaves_matrices_and_embeddings_as_they_are(tiny_model, make_batch):
    model, batch = tiny_model("bert"), make_batch()
    before = {name: value.clone() for name, value in model.bert.named_parameters()}
    low_rank.make_low_rank(model, rank=3, seed=0)
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    for _ in range(2):  # in the first update only one of the two narrow matrices has a gradient
        shown(model, batch).square().sum().backward()
        optimizer.step()
    frozen = {n: p for n, p in model.bert.named_parameters() if n.endswith("original") or "embeddings.weight" in n}
    assert len(frozen) == 2 * 6 + 3
    for name, value in frozen.items():
        assert torch.equal(value, before[name.replace("parametrizations.weight.original", "weight")]), name
    assert all(value.abs().sum() > 0 for value in low_rank.difference(model).values())


def test_merge_and_apply__give_the_same_network(tiny_model, make_batch):
    model, other, batch = tiny_model("bert"), tiny_model("bert"), make_batch()
    low_rank.make_low_rank(model, rank=3, seed=0)
    with torch.no_grad():
        for value in low_rank.difference(model).values():
            value.copy_(torch.randn_like(value))  # `difference` gives views
    expected = shown(model, batch)
    low_rank.apply(other, low_rank.difference(model))
    low_rank.merge(model)
    torch.testing.assert_close(shown(model, batch), expected)
    torch.testing.assert_close(shown(other, batch), expected)
    assert model.state_dict().keys() == other.state_dict().keys()
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_make_low_rank__touches_no_other_random_state(tiny_model):
    torch.manual_seed(4)
    expected = torch.rand(1)
    torch.manual_seed(4)
    low_rank.make_low_rank(tiny_model("bert"), rank=2, seed=9)
    assert torch.equal(torch.rand(1), expected)
