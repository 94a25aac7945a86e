"""Times fused against eager attention by dtype and size; `attention_kernel` in src/tinybert/precision.py rests on it.

python benchmarks/attention_kernels.py --device cpu --threads 1
"""

import argparse
import time
from collections.abc import Callable
from statistics import median

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention


def eager(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
    scores = query @ key.transpose(2, 3) * query.shape[-1] ** -0.5
    return torch.softmax(scores.masked_fill(~mask, torch.finfo(scores.dtype).min), dim=-1) @ value


def fused(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
    return scaled_dot_product_attention(query, key, value, attn_mask=mask)


def milliseconds(call: Callable[[], object], device: torch.device, repeats: int) -> float:
    times = []
    for _ in range(repeats + 3):
        start = time.perf_counter()
        call()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(1000 * (time.perf_counter() - start))
    return median(times[3:])


def measure(arguments: argparse.Namespace, dtype: torch.dtype, heads: int, pieces: int, train: bool) -> list[float]:
    device = torch.device(arguments.device)
    size = (arguments.batch, heads, pieces, arguments.head_width)
    qkv = [torch.randn(size, device=device, dtype=dtype, requires_grad=train) for _ in range(3)]
    lengths = torch.randint(pieces // 2, pieces + 1, (arguments.batch, 1), device=device)
    mask = (torch.arange(pieces, device=device) < lengths)[:, None, None, :].expand(-1, 1, pieces, -1)

    def run(attention: Callable[..., Tensor]) -> Callable[[], object]:
        if not train:
            return lambda: attention(*qkv, mask)
        return lambda: torch.autograd.grad(attention(*qkv, mask).sum(), qkv)

    with torch.set_grad_enabled(train):
        return [milliseconds(run(attention), device, arguments.repeats) for attention in (fused, eager)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--head-width", type=int, default=64)
    parser.add_argument("--heads", type=int, nargs="+", default=[12])
    parser.add_argument("--pieces", type=int, nargs="+", default=[32, 64, 128])
    parser.add_argument("--repeats", type=int, default=10)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print("dtype     heads pieces pass     fused ms  eager ms  eager / fused")
    for dtype in (torch.float32, torch.bfloat16):
        for heads in arguments.heads:
            for pieces in arguments.pieces:
                for train in (False, True):
                    fast, slow = measure(arguments, dtype, heads, pieces, train)
                    label = f"{str(dtype)[6:]:9} {heads:5} {pieces:6} {'both' if train else 'forward':8}"
                    print(f"{label}{fast:9.2f} {slow:9.2f} {slow / fast:14.2f}")


if __name__ == "__main__":
    main()
