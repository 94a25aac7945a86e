"""Stored teacher outputs on the device, so that an update neither decodes them nor waits for them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from tinybert.types import Batch, Signal


@dataclass(frozen=True)
class DeviceOutputs:
    """Teacher outputs of all rows, without padding, one row behind the other.

    Attributes:
        values: Of each signal, in the type they are stored in.
        starts: Where each row of a signal begins.
        lengths: Pieces of each row.
        axes: Sizes of the axes that are the same for all rows, by name.
    """

    values: Mapping[Signal, Float[Tensor, " number"]]
    starts: Mapping[Signal, Int[Tensor, " row"]]
    lengths: Int[Tensor, " row"]
    axes: Mapping[str, int]

    def read(self, signal: Signal, batch: Batch) -> Float[Tensor, "batch ..."]:
        """One signal of a batch's rows as the teacher would give it: in fp32, zero in the padding."""
        padded = signal.shape(batch.real.shape[1], self.axes)
        lengths, starts = self.lengths[batch.rows], self.starts[signal][batch.rows]
        sizes = [lengths if name == "piece" else size for name, size in zip(signal.axes, padded, strict=True)]
        return rows_of(self.values[signal], starts, sizes, padded).float()


def rows_of(
    values: Shaped[Tensor, " number"],
    starts: Int[Tensor, " batch"],
    sizes: Sequence[Int[Tensor, " batch"] | int],
    padded: Sequence[int],
) -> Shaped[Tensor, "batch ..."]:
    """Arrays of different sizes that lie one behind the other, as one that is zero where a smaller one has nothing.

    Args:
        values: All numbers.
        starts: Where each array begins.
        sizes: Of its axes; a tensor where arrays differ.
        padded: Sizes of the axes of the result.

    Example:
        >>> rows_of(torch.tensor([1, 2, 3, 4, 5]), torch.tensor([0, 3]), [torch.tensor([3, 2])], [4])
        tensor([[1, 2, 3, 0],
                [4, 5, 0, 0]])
    """
    ones = [1] * len(padded)
    place, stride = starts.view(-1, *ones), torch.ones_like(starts).view(-1, *ones)
    there = torch.ones_like(place, dtype=torch.bool)
    for axis in reversed(range(len(padded))):
        size = sizes[axis]
        size = size.view(-1, *ones) if isinstance(size, Tensor) else size
        number = torch.arange(padded[axis], device=values.device).view(-1, *[1] * (len(padded) - axis - 1))
        place, there, stride = place + number * stride, there & (number < size), stride * size
    found = values[place.expand(-1, *padded).clamp(max=len(values) - 1)]
    return torch.where(there, found, torch.zeros_like(found))
