"""Traces: what a network showed in one forward pass, taken by hooks so that fused attention stays on.

Fused attention never builds its scores; they are computed again from the outputs of the query and key projections, and
only for the layers that are asked for. Layers above the highest one needed do not run unless the logits are wanted.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any, Final, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import PreTrainedModel

from tinybert.models.hf import (
    architecture_of,
    inputs_of,
    layers_of,
    masked_lm_scores,
    states_after,
    truncated,
)
from tinybert.types import LOGITS, MASKED_LOGITS, Batch, Signal, Trace


def observe(model: PreTrainedModel, batch: Batch, needs: frozenset[Signal]) -> Trace:
    """Run a network on a batch and record the signals asked for, nothing else; gradients flow through them.

    Args:
        model: A Hugging Face model of a supported architecture; with a task head where LOGITS is needed.
        batch: Encoded examples on the model's device.
        needs: The signals; layers count from 1, layer 0 of the hidden states is the embedding output.

    Raises:
        ValueError: If a signal names a layer the network does not have, or masked logits are asked for without places.
        UserError: If the architecture is not supported.
    """
    highest = _highest_layer(model, needs)
    recorded = {signal: _RECORDED[signal.kind] for signal in needs if signal.kind in _RECORDED}
    parts = {signal: kind.modules(model, signal.layer) for signal, kind in recorded.items()}
    with _outputs(parts.values()) as outputs, _only(model, highest, needs), _only_at_places(model, batch, needs):
        network = model if LOGITS in needs else model.base_model
        result = network(**inputs_of(model, batch))
        ends = {MASKED_LOGITS: _filled(model, result, batch, needs)} if MASKED_LOGITS in needs else {}
    if LOGITS in needs:
        ends[LOGITS] = result.logits
    shown = {
        signal: kind.of(model, **{name: outputs[module] for name, module in parts[signal].items()})
        for signal, kind in recorded.items()
    }
    return Trace(shown | ends)


def attention_scores(
    query: Float[Tensor, "batch seq width"], key: Float[Tensor, "batch seq width"], heads: int
) -> Float[Tensor, "batch head seq seq"]:
    """QKᵀ/√d of each head, d = width / heads, before softmax and without the padding mask; float32 at least.

    A network in bfloat16 gives its projections with 8 bits; rounding their long sums to 8 bits again would add noise
    to a target for next to no time saved.

    Example:
        >>> attention_scores(torch.ones(1, 2, 8), torch.ones(1, 2, 8), heads=2)[0, 0]
        tensor([[2., 2.],
                [2., 2.]])
    """
    precise = torch.promote_types(query.dtype, torch.float32)
    query, key = query.to(precise), key.to(precise)
    head_width = query.shape[-1] // heads
    by_head = (*query.shape[:2], heads, head_width)
    scaled = query.view(by_head).transpose(1, 2) * head_width**-0.5  # scaling the smaller tensor is cheaper
    return torch.matmul(scaled, key.view(by_head).permute(0, 2, 3, 1))


def _highest_layer(model: PreTrainedModel, needs: Iterable[Signal]) -> int:
    """The highest layer that some signal comes from."""
    layers = len(layers_of(model))
    for signal in needs:
        if signal.layer > layers:
            raise ValueError(f"{signal} asked of a network with layers {signal.lowest} to {layers}")
    return max((signal.layer for signal in needs), default=0)


def _only(model: PreTrainedModel, highest: int, needs: frozenset[Signal]) -> AbstractContextManager[None]:
    """Leave out the layers that nothing needs."""
    whole = not needs.isdisjoint({LOGITS, MASKED_LOGITS})
    return nullcontext() if whole else truncated(model, highest)


@contextmanager
def _only_at_places(model: PreTrainedModel, batch: Batch, needs: frozenset[Signal]) -> Iterator[None]:
    """Where only the masked logits look at the top layer, its feed-forward part runs only at the places to fill.

    From the attention's norm on, a layer treats each place by itself; what the hook hands on is one row of all places.
    """
    if not _narrowed(model, needs):
        yield
        return
    places = batch.needed_targets() >= 0
    norm = layers_of(model)[-1].get_submodule(architecture_of(model).attention_norm)
    handle = norm.register_forward_hook(lambda _module, _inputs, states: states[places][None])
    try:
        yield
    finally:
        handle.remove()


def _narrowed(model: PreTrainedModel, needs: frozenset[Signal]) -> bool:
    """Whether nothing but the masked logits is made of the top layer's output."""
    top = len(layers_of(model))
    states = any(signal.kind in ("hidden_states", "first_state") and signal.layer == top for signal in needs)
    return MASKED_LOGITS in needs and LOGITS not in needs and not states


def _filled(
    model: PreTrainedModel, result: Any, batch: Batch, needs: frozenset[Signal]
) -> Float[Tensor, "place vocabulary"]:
    """The masked-LM head runs only at the places to fill: its matrix is as large as the vocabulary."""
    states = result.last_hidden_state
    return masked_lm_scores(model, states[0] if _narrowed(model, needs) else states[batch.needed_targets() >= 0])


class _Recorded(NamedTuple):
    """How a signal of a layer is recorded.

    Attributes:
        modules: By name, the modules whose outputs it is made of.
        of: Makes it of the network and these outputs.
    """

    modules: Callable[[PreTrainedModel, int], dict[str, nn.Module]]
    of: Callable[..., Tensor]


def _states(model: PreTrainedModel, layer: int) -> dict[str, nn.Module]:
    return {"states": states_after(model, layer)}


def _projection(name: str) -> Callable[[PreTrainedModel, int], dict[str, nn.Module]]:
    """`query`, `key` or `value`, as `Architecture` calls them."""

    def module(model: PreTrainedModel, layer: int) -> dict[str, nn.Module]:
        return {name: layers_of(model)[layer - 1].get_submodule(getattr(architecture_of(model), name))}

    return module


def _scored(model: PreTrainedModel, layer: int) -> dict[str, nn.Module]:
    """MPNet adds a bias by head and distance, the same in every layer."""
    parts = _projection("query")(model, layer) | _projection("key")(model, layer)
    if bias := architecture_of(model).position_bias:
        parts["position_bias"] = model.base_model.get_submodule(bias)
    return parts


def _scores_of(
    model: PreTrainedModel, query: Tensor, key: Tensor, position_bias: Tensor | None = None
) -> Float[Tensor, "batch head seq seq"]:
    scores = attention_scores(query, key, model.config.num_attention_heads)
    return scores if position_bias is None else scores + position_bias.permute(2, 0, 1)


_RECORDED: Final[Mapping[str, _Recorded]] = {
    "hidden_states": _Recorded(_states, lambda _, states: states),
    "first_state": _Recorded(_states, lambda _, states: states[:, 0]),
    "queries": _Recorded(_projection("query"), lambda _, query: query),
    "keys": _Recorded(_projection("key"), lambda _, key: key),
    "values": _Recorded(_projection("value"), lambda _, value: value),
    "attention_scores": _Recorded(_scored, _scores_of),
}


@contextmanager
def _outputs(parts: Iterable[Mapping[str, nn.Module]]) -> Iterator[dict[nn.Module, Tensor]]:
    """Collect what modules give during the block; the hooks are gone after it, however it ends."""
    outputs: dict[nn.Module, Tensor] = {}

    def record(module: nn.Module, _: Any, output: Any) -> None:
        outputs[module] = output if isinstance(output, Tensor) else output[0]

    with ExitStack() as hooks:
        for module in {module for named in parts for module in named.values()}:
            hooks.callback(module.register_forward_hook(record).remove)
        yield outputs
