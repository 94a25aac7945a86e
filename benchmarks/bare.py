"""Bare products: how long work would take if it were nothing but its products of matrices, each of them alone."""

import time
from functools import cache
from statistics import median
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

Matrix = tuple[torch.dtype, torch.Size, tuple[int, ...]]  # its type, shape and strides
MATRICES = {  # where they are among an operator's arguments
    torch.ops.aten.mm: (0, 1),
    torch.ops.aten.bmm: (0, 1),
    torch.ops.aten.addmm: (1, 2),
}


class Products(TorchDispatchMode):
    """Notes which matrices are multiplied inside the block, forward and backward."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[Matrix, Matrix]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Note and do."""
        if (places := MATRICES.get(func.overloadpacket)) is not None:
            left, right = (args[place] for place in places)
            self.found.append(((left.dtype, left.shape, left.stride()), (right.dtype, right.shape, right.stride())))
        return func(*args, **(kwargs or {}))

    def seconds(self) -> float:
        """What they take alone, on the processor."""
        return sum(seconds_of(*product) for product in self.found)


@cache
def seconds_of(left: Matrix, right: Matrix) -> float:
    """One product alone: the median of seven."""
    one, other = (torch.empty_strided(size, stride, dtype=dtype).normal_() for dtype, size, stride in (left, right))
    times = []
    for _ in range(7):
        started = time.perf_counter()
        one @ other
        times.append(time.perf_counter() - started)
    return median(times)
