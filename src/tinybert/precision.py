"""Number formats: in which one a network computes on a device, and which attention is fastest in it."""

from collections.abc import Callable, Mapping
from typing import Any, Literal

import torch

DType = Literal["auto", "fp32", "bf16"]


def compute_dtype(setting: DType, device: torch.device) -> torch.dtype:
    """What a network computes in; `auto` is bfloat16 where the device multiplies it in hardware, else float32."""
    fast = native_bfloat16(device) if setting == "auto" else setting == "bf16"
    return torch.bfloat16 if fast else torch.float32


def native_bfloat16(device: torch.device) -> bool:
    """Whether a device multiplies bfloat16 matrices in hardware; without that it is slower than float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu" or not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    ask: Callable[[], Mapping[str, Any]] = getattr(torch.cpu, "get_capabilities", dict)  # older torch cannot say
    return any(ask().get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def attention_kernel(dtype: torch.dtype, device: torch.device) -> str:
    """Which attention is fastest: "sdpa" (fused) or "eager".

    Measured with benchmarks/attention_kernels.py, 32 examples, 12 heads of 64, one thread, torch 2.13, forward time of
    eager over fused: on a CPU without bfloat16 instructions 2.0, 1.2, 3.5 in float32 and 15, 13, 14 in bfloat16 at 32,
    64, 128 pieces, so fused throughout. With AVX512-BF16 torch's fused kernel is slow in bfloat16: 28 ms at 64 pieces
    and heads of 32, seven times its own backward pass, and eager attention takes a whole training step from 1.00 to
    0.69 s. On CUDA fused attention is the rule.
    """
    return "eager" if device.type == "cpu" and dtype == torch.bfloat16 and native_bfloat16(device) else "sdpa"
