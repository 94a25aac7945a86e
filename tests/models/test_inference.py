"""evaluation_mode: no dropout and no gradient inside, everything as before outside."""

import pytest
import torch
from torch import nn

from tinybert.models.inference import evaluation_mode


def test_evaluation_mode__no_dropout_no_gradient_inside():
    network = nn.Sequential(nn.Linear(5, 5), nn.Dropout(0.9)).train()
    with evaluation_mode(network) as same:
        assert same is network
        first, second = network(torch.ones(3, 5)), network(torch.ones(3, 5))
    assert torch.equal(first, second)
    assert not first.requires_grad


def test_evaluation_mode__every_part_gets_its_own_mode_back_also_after_an_error():
    network = nn.Sequential(nn.Linear(5, 5), nn.Dropout(), nn.Sequential(nn.Dropout())).train()
    network[2].eval()

    @evaluation_mode(network)
    def fail():
        assert not any(module.training for module in network.modules())
        raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert [module.training for module in network.modules()] == [True, True, True, False, False]
    assert torch.is_grad_enabled()
    assert network(torch.ones(3, 5)).requires_grad
