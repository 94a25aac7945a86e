"""Dropout with cheap random numbers: the share it drops, each element by itself, and what becomes of the others."""

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn
from torch.nn import functional as F

from tinybert.engine.dropout import QuickDropout, dropout


@pytest.mark.parametrize("p", [0.1, 0.25, 0.5, 0.9])
def test__it_drops_the_share_that_torch_drops_and_divides_the_rest_by_the_share_kept(p):
    torch.manual_seed(0)
    found = dropout(torch.ones(300, 1001), p)
    dropped = int((found == 0).sum())
    assert stats.binomtest(dropped, found.numel(), p).pvalue > 1e-3
    assert found[found != 0].unique().tolist() == pytest.approx([1 / (1 - p)], rel=1e-4)


def test__neighbours_which_share_a_draw_are_dropped_independently():
    torch.manual_seed(0)
    dropped = (dropout(torch.ones(200_000, 4), 0.3) == 0).numpy()
    patterns = np.bincount(dropped @ np.array([8, 4, 2, 1]), minlength=16)
    ones = np.array([bin(pattern).count("1") for pattern in range(16)])
    assert stats.chisquare(patterns, patterns.sum() * 0.3**ones * 0.7 ** (4 - ones)).pvalue > 1e-3


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test__the_gradient_passes_where_values_do(dtype):
    torch.manual_seed(0)
    given = torch.randn(7, 5, 3, dtype=dtype, requires_grad=True)
    found = dropout(given, 0.4)
    found.sum().backward()
    assert found.dtype == dtype
    assert torch.equal(found.detach(), given.detach() * given.grad)


def test__nothing_is_dropped_in_evaluation_or_with_a_share_of_none_and_all_with_a_share_of_all():
    given = torch.randn(5)
    assert dropout(given, 0.5, training=False) is given
    assert dropout(given, 0.0) is given
    assert dropout(given, 1.0).tolist() == [0] * 5


def test__inside_the_block_modules_and_functions_draw_from_the_same_stream_and_after_it_torch_s_own():
    layer, given = nn.Dropout(0.5), torch.ones(1000)

    def drawn(apply):
        torch.manual_seed(3)
        return apply(given)

    plain = drawn(layer)
    with QuickDropout():
        found = drawn(layer), drawn(lambda tensor: F.dropout(tensor, p=0.5))
        assert layer.eval()(given) is given
    layer.train()
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], drawn(lambda tensor: dropout(tensor, 0.5)))
    assert not torch.equal(found[0], plain)
    assert torch.equal(drawn(layer), plain)
