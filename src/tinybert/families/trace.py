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

from tinybert.families.parts import Parts
from tinybert.types import LOGITS, MASKED_LOGITS, PIECE_LOGITS, Batch, Signal, Trace, head_logits

_OUTPUTS = frozenset({LOGITS, PIECE_LOGITS})  # of a task head; a network has one of the two


def record(parts: Parts, batch: Batch, needs: frozenset[Signal]) -> Trace:
    """Run a Transformer on a batch and record the signals asked for; see `network.Network.observe`."""
    recorded = {signal: _RECORDED[signal.kind] for signal in needs if signal.kind in _RECORDED}
    modules = {signal: kind.modules(parts, signal.layer) for signal, kind in recorded.items()}
    with _outputs(modules.values()) as outputs, _only(parts, needs), _only_at_masked_positions(parts, batch, needs):
        network = parts.base if needs.isdisjoint(_OUTPUTS) else parts.model
        result = network(**parts.inputs(batch))
        ends = {MASKED_LOGITS: _filled(parts, result, batch, needs)} if MASKED_LOGITS in needs else {}
    if (asked := needs & _OUTPUTS) and (logits := head_logits(result)) is not None:
        ends |= dict.fromkeys(asked, logits)
    shown = {
        signal: kind.of(parts, **{name: outputs[module] for name, module in modules[signal].items()})
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


def _only(parts: Parts, needs: frozenset[Signal]) -> AbstractContextManager[None]:
    """Leave out the layers that nothing needs."""
    whole = not needs.isdisjoint({*_OUTPUTS, MASKED_LOGITS})
    return nullcontext() if whole else parts.truncated(max((signal.layer for signal in needs), default=0))


@contextmanager
def _only_at_masked_positions(parts: Parts, batch: Batch, needs: frozenset[Signal]) -> Iterator[None]:
    """Where only the masked logits look at the top layer, its feed-forward part runs only at the masked positions.

    From the attention's norm on, a layer treats each position by itself; the hook hands on one row of all positions.
    """
    if not _masked_logits_only(parts, needs):
        yield
        return
    positions = batch.needed_targets() >= 0
    norm = parts.layer(len(parts.layers)).attention_norm
    handle = norm.register_forward_hook(lambda _module, _inputs, states: states[positions][None])
    try:
        yield
    finally:
        handle.remove()


def _masked_logits_only(parts: Parts, needs: frozenset[Signal]) -> bool:
    """Whether nothing but the masked logits is made of the top layer's output."""
    top = len(parts.layers)
    states = any(signal.kind in ("hidden_states", "first_state") and signal.layer == top for signal in needs)
    return MASKED_LOGITS in needs and needs.isdisjoint(_OUTPUTS) and not states


def _filled(parts: Parts, result: Any, batch: Batch, needs: frozenset[Signal]) -> Float[Tensor, "position vocabulary"]:
    """The masked-LM head runs only at the masked positions: its matrix is as large as the vocabulary."""
    states = result.last_hidden_state
    return parts.masked_lm_scores(
        states[0] if _masked_logits_only(parts, needs) else states[batch.needed_targets() >= 0]
    )


class _Recorded(NamedTuple):
    """How a signal of a layer is recorded.

    Attributes:
        modules: By name, the modules whose outputs it is made of.
        of: Makes it of the network and these outputs.
    """

    modules: Callable[[Parts, int], dict[str, nn.Module]]
    of: Callable[..., Tensor]


def _states(parts: Parts, layer: int) -> dict[str, nn.Module]:
    return {"states": parts.states_after(layer)}


def _projection(name: str) -> Callable[[Parts, int], dict[str, nn.Module]]:
    """`query`, `key` or `value`, as `Layer` calls them."""

    def module(parts: Parts, layer: int) -> dict[str, nn.Module]:
        return {name: getattr(parts.layer(layer), name)}

    return module


def _scored(parts: Parts, layer: int) -> dict[str, nn.Module]:
    """MPNet adds a bias by head and distance, the same in every layer."""
    modules = _projection("query")(parts, layer) | _projection("key")(parts, layer)
    return modules if parts.position_bias is None else modules | {"position_bias": parts.position_bias}


def _scores_of(
    parts: Parts, query: Tensor, key: Tensor, position_bias: Tensor | None = None
) -> Float[Tensor, "batch head seq seq"]:
    scores = attention_scores(query, key, parts.heads)
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
