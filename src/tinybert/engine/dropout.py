"""Dropout whose random numbers cost a quarter on processors, where torch's are a tenth of an update.

Measured, one thread of an AMD EPYC with bf16, 32 rows of RT, `4x312` and MiniLM: updates with stored outputs are 6 and
8 % faster, those of fine-tuning 6 %.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import Any, no_type_check

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

LEVELS = 1 << 16


def quick_dropout(device: torch.device) -> AbstractContextManager[Any]:
    """What updates are made in: `QuickDropout` on processors; GPUs draw quickly themselves."""
    return QuickDropout() if device.type == "cpu" else nullcontext()


class QuickDropout(TorchFunctionMode):
    """Inside the block `torch.nn.functional.dropout` is `dropout`."""

    @no_type_check  # every call of torch passes here
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call a function of torch, or the one in its place."""
        return (dropout if func is F.dropout else func)(*args, **(kwargs or {}))


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:  # noqa: ARG001
    """As `torch.nn.functional.dropout`: zeroes a share of the elements, and divides the others by the share kept.

    Four elements share one draw of 64 bits, so the share is p rounded to 1/65536; others draw 53 bits for each.
    """
    dropped = round(p * LEVELS)
    if not training or dropped == 0:
        return input
    draws = torch.empty(-(-input.numel() // 4), dtype=torch.int64).random_(-(1 << 63), None).view(torch.int16)
    kept = draws[: input.numel()].view(input.shape) > dropped - 1 - LEVELS // 2
    return input * kept.to(input.dtype).mul_(LEVELS / max(LEVELS - dropped, 1))
