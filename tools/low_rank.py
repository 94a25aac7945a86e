"""A network that learns only a small difference to what it was: W + B A for the matrices of its layers.

Hu et al. 2022, LoRA (arXiv:2106.09685), for all matrices of the layers and without scaling; biases and LayerNorms
learn in full. What was learnt is then a few megabytes beside the network it was learnt on.
"""

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils import parametrize

from tinybert.families.network import Network
from tinybert.models import embedded


class LowRank(nn.Module):
    """A matrix plus the product of two narrow ones; nothing at first, since one of them is zero."""

    def __init__(self, matrix: Float[Tensor, "out in_"], rank: int) -> None:
        super().__init__()
        rows, columns = matrix.shape
        self.down = nn.Parameter(torch.randn(rank, columns) / math.sqrt(columns))
        self.up = nn.Parameter(torch.zeros(rows, rank))

    def forward(self, matrix: Float[Tensor, "out in_"]) -> Float[Tensor, "out in_"]:
        """The matrix as the network uses it."""
        return matrix + self.up @ self.down


def make_low_rank(model: Network, rank: int, seed: int) -> None:
    """Freeze all matrices of a network's layers and its embeddings, and give each matrix a difference that learns.

    Args:
        model: Changed in place.
        rank: Of the differences.
        seed: Of their starting point.
    """
    base = model.parts.base
    for parameter in base.parameters():
        parameter.requires_grad_(parameter.ndim == 1)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        for _, linear in embedded.matrices_of(model):
            parametrize.register_parametrization(linear, "weight", LowRank(linear.weight, rank))


def difference(model: Network) -> dict[str, Tensor]:
    """The narrow matrices by the name of the module they belong to, such as `encoder.layer.0.output.dense.up`."""
    found: dict[str, Tensor] = {}
    for name, linear in embedded.matrices_of(model):
        learnt: Any = linear.get_submodule("parametrizations.weight.0")
        found |= {f"{name}.down": learnt.down.detach(), f"{name}.up": learnt.up.detach()}
    return found


def asset_of(model: Network) -> dict[str, Tensor]:
    """What a network of low rank learnt, in half precision: what `embedded.complete` takes."""
    full = {name: parameter.detach() for name, parameter in embedded.learnt_in_full(model)}
    return {name: tensor.half().contiguous() for name, tensor in {**difference(model), **full}.items()}
