"""A low-rank difference: nothing at first, the only thing of the matrices that learns, and exact when it is added."""

import low_rank
import pytest
import torch
from safetensors.torch import save_file
from torch.nn.utils import parametrize

from tinybert.models import embedded
from tinybert.types import Signal

STATES = Signal("hidden_states", 2)


def shown(model, batch):
    return model.observe(batch, frozenset({STATES}))[STATES]


@pytest.mark.parametrize("model_type", ["bert", "roberta", "distilbert"])
def test_make_low_rank__changes_nothing_at_first(model_type, tiny_model, make_batch):
    model, batch = tiny_model(model_type), make_batch(pad=1)
    before = shown(model, batch)
    low_rank.make_low_rank(model, rank=3, seed=0)
    torch.testing.assert_close(shown(model, batch), before)


def test_make_low_rank__leaves_matrices_and_embeddings_as_they_are(tiny_model, make_batch):
    model, batch = tiny_model("bert"), make_batch()
    before = {name: value.clone() for name, value in model.model.bert.named_parameters()}
    low_rank.make_low_rank(model, rank=3, seed=0)
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    for _ in range(2):  # in the first update only one of the two narrow matrices has a gradient
        shown(model, batch).square().sum().backward()
        optimizer.step()
    frozen = {
        n: p for n, p in model.model.bert.named_parameters() if n.endswith("original") or "embeddings.weight" in n
    }
    assert len(frozen) == 2 * 6 + 3
    for name, value in frozen.items():
        assert torch.equal(value, before[name.replace("parametrizations.weight.original", "weight")]), name
    assert all(value.abs().sum() > 0 for value in low_rank.difference(model).values())


def test_asset_of__is_what_the_embedded_masked_lm_is_completed_with(tiny_model, tmp_path):
    """A network learns a difference; another copy of where it began, with any head, becomes the same by the asset."""
    begun = tiny_model("bert", head="masked_lm")
    other = tiny_model("bert", head="masked_lm")
    other.load_state_dict(begun.state_dict())
    low_rank.make_low_rank(begun, rank=2, seed=1)
    with torch.no_grad():
        for parameter in begun.parameters():
            if parameter.requires_grad:
                parameter.copy_((parameter + torch.randn_like(parameter) / 8).half().float())
    asset = tmp_path / "asset.safetensors"
    save_file(low_rank.asset_of(begun), asset)
    embedded.complete(other, asset)
    for _, linear in embedded.matrices_of(begun):
        parametrize.remove_parametrizations(linear, "weight")
    for name, value in begun.state_dict().items():
        torch.testing.assert_close(other.state_dict()[name], value, msg=name)


def test_make_low_rank__touches_no_other_random_state(tiny_model):
    torch.manual_seed(4)
    expected = torch.rand(1)
    torch.manual_seed(4)
    low_rank.make_low_rank(tiny_model("bert"), rank=2, seed=9)
    assert torch.equal(torch.rand(1), expected)
