"""A network that computes in fp32 as it will in int8, so that it can learn to be rounded.

Jacob et al. 2018, arXiv:1712.05877, section 3: values are rounded in the forward pass, and gradients pass as if they
were not. What goes into linear maps and their matrices are, as `quantise` does it; LSTMs and tables are not.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from tinybert.export.quantise import SMALLEST_SCALE, steps_of
from tinybert.families.network import Network
from tinybert.models.inference import evaluation_mode
from tinybert.types import Batch


class Input(NamedTuple):
    """What goes into linear maps.

    Attributes:
        readers: The maps, by name.
        ranges: The lowest and the highest value of each channel.
    """

    readers: tuple[str, ...]
    ranges: Float[Tensor, "2 channel"]


def measured_inputs(network: Network, batches: Iterable[Batch]) -> list[Input]:
    """What goes into the linear maps of a network on some texts; padding counts, so give it none."""
    found: list[Input] = []
    for batch in batches:
        seen = [Input(tuple(names), _ranges(states)) for names, states in _inputs_of(network, batch)]
        found = [Input(one.readers, _wider(one, other)) for one, other in zip(found or seen, seen, strict=True)]
    return found


def _inputs_of(network: Network, batch: Batch) -> list[tuple[list[str], Tensor]]:
    """In order, what linear maps are given, and which of them; queries, keys and values read the same."""
    seen: list[tuple[list[str], Tensor]] = []

    def note(name: str, _: nn.Module, given: tuple[Tensor]) -> None:
        known = next((names for names, states in seen if states is given[0]), None)
        if known is None:
            seen.append(([name], given[0]))
        else:
            known.append(name)

    hooks = [part.register_forward_pre_hook(partial(note, name)) for name, part in _linear(network)]
    with evaluation_mode(network):
        network.observe(batch.to(network.device), frozenset({network.output}))
    for hook in hooks:
        hook.remove()
    return seen


def _ranges(states: Float[Tensor, "... channel"]) -> Float[Tensor, "2 channel"]:
    values = states.detach().flatten(0, -2)
    return torch.stack([values.amin(dim=0), values.amax(dim=0)])


def _wider(one: Input, other: Input) -> Float[Tensor, "2 channel"]:
    return torch.stack([torch.minimum(one.ranges, other.ranges)[0], torch.maximum(one.ranges, other.ranges)[1]])


@contextmanager
def rounded(network: Network, inputs: Iterable[Input]) -> Iterator[None]:
    """Inside, linear maps compute with inputs and matrices of 8 bits, by scales of ranges that were measured."""
    maps = dict(_linear(network))
    for readers, ranges in inputs:
        matrices = [maps[name].weight.detach().T.cpu().numpy() for name in readers]
        factors, scale, zero = steps_of(ranges.cpu().numpy(), matrices)
        on_device = torch.from_numpy(factors).to(network.device)
        for name in readers:
            maps[name].__dict__["forward"] = partial(_rounded_map, maps[name], on_device, scale, zero)
    try:
        yield
    finally:
        for part in maps.values():
            part.__dict__.pop("forward", None)


def _rounded_map(
    part: nn.Linear, factors: Float[Tensor, " channel"], scale: float, zero: int, states: Float[Tensor, "... channel"]
) -> Float[Tensor, "... output"]:
    with torch.autocast(states.device.type, enabled=False):
        smooth = torch.fake_quantize_per_tensor_affine(states.float() / factors, scale, zero, 0, 255)
        matrix = part.weight * factors
        scales = (matrix.detach().abs().amax(dim=1) / 127).clamp(min=SMALLEST_SCALE)
        zeros = torch.zeros_like(scales, dtype=torch.int32)
        eight = torch.fake_quantize_per_channel_affine(matrix, scales, zeros, 0, -127, 127)
        return F.linear(smooth, eight, part.bias)


def _linear(network: nn.Module) -> Iterator[tuple[str, nn.Linear]]:
    return ((name, part) for name, part in network.named_modules() if isinstance(part, nn.Linear))
