"""What a model costs: parameters, and time of one forward pass.

Time is measured on any callable, so that a torch model and an ONNX Runtime session go through the same clock.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import nn

LENGTHS = (32, 128)
Forward = Callable[[Int[np.ndarray, "batch seq"], Int[np.ndarray, "batch seq"]], object]

_BUDGET = 3.0  # seconds of repeats per length
_WARM_UP = (0.1, 3)  # share of the budget, and the fewest calls
_FEWEST, _MOST = 5, 1000  # repeats


def count_parameters(model: nn.Module) -> int:
    """Number of trainable and frozen values, shared ones once."""
    return sum(parameter.numel() for parameter in model.parameters())


def latency(
    forward: Forward, *, vocabulary: int, lengths: Sequence[int] = LENGTHS, texts: int = 1, budget: float = _BUDGET
) -> dict[str, dict[str, float]]:
    """Milliseconds of one forward pass, without padding.

    Args:
        forward: Takes `input_ids` and `attention_mask` and returns when the result is there; without gradients, in
            evaluation mode. On an accelerator it must wait for the device.
        vocabulary: Number of piece ids the model knows; the ids are random, which costs the same as text.
        lengths: Numbers of pieces to measure at.
        texts: How many are read at once.
        budget: Seconds to spend on the repeats of each length; a slow model is still called a few times.

    Returns:
        By length: `p50` and `p95`, the median and the time that 95 % of the calls stay below.
    """
    rng = np.random.default_rng(0)
    ids = {length: rng.integers(0, vocabulary, size=(texts, length)) for length in lengths}
    return {str(length): _latency(forward, some, budget) for length, some in ids.items()}


def torch_forward(network: nn.Module) -> Forward:
    """A network as `latency` wants it; call `latency` inside `models.inference.evaluation_mode`.

    With a task head the time includes it.
    """
    device = next(network.parameters()).device

    def forward(input_ids: np.ndarray, attention_mask: np.ndarray) -> object:
        ids, mask = (torch.from_numpy(array).to(device) for array in (input_ids, attention_mask))
        return network(input_ids=ids, attention_mask=mask).cpu()  # the copy waits for an accelerator

    return forward


def onnx_forward(session: Any) -> Forward:
    """An ONNX Runtime session as `latency` wants it; inputs that the graph does not have are left out."""
    names = {given.name for given in session.get_inputs()}

    def forward(input_ids: np.ndarray, attention_mask: np.ndarray) -> object:
        known = {
            "input_ids": input_ids,
            "attention_mask": attention_mask,
            "token_type_ids": np.zeros_like(input_ids),
        }
        return session.run(None, {name: value for name, value in known.items() if name in names})

    return forward


def _latency(forward: Forward, ids: Int[np.ndarray, "batch seq"], budget: float) -> dict[str, float]:
    mask = np.ones_like(ids)
    share, fewest = _WARM_UP
    _timed(forward, ids, mask, seconds=share * budget, fewest=fewest)
    milliseconds = 1000 * np.array(_timed(forward, ids, mask, seconds=budget, fewest=_FEWEST))
    p50, p95 = np.quantile(milliseconds, [0.5, 0.95])
    return {"p50": round(float(p50), 4), "p95": round(float(p95), 4)}


def _timed(forward: Forward, ids: np.ndarray, mask: np.ndarray, *, seconds: float, fewest: int) -> list[float]:
    """Seconds of each call, until the time is spent."""
    taken: list[float] = []
    end = time.perf_counter() + seconds
    while len(taken) < fewest or (time.perf_counter() < end and len(taken) < _MOST):
        start = time.perf_counter()
        forward(ids, mask)
        taken.append(time.perf_counter() - start)
    return taken
