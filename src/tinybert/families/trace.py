"""Traces: what a network showed in one forward pass, taken by hooks so that fused attention stays on.

Layers above the highest one needed do not run unless the logits are wanted.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Final, NamedTuple

from jaxtyping import Float
from torch import Tensor

from tinybert.families.attention import Place, watching
from tinybert.families.parts import Parts
from tinybert.types import LOGITS, MASKED_LOGITS, PIECE_LOGITS, Batch, Signal, Trace, head_logits

_OUTPUTS = frozenset({LOGITS, PIECE_LOGITS})  # of a task head; a network has one of the two
_STATES = ("hidden_states", "first_state")


def record(parts: Parts, batch: Batch, needs: frozenset[Signal]) -> Trace:
    """Run a Transformer on a batch and record the signals asked for; see `network.Network.observe`."""
    recorded = {signal: _RECORDED[signal.kind] for signal in needs if signal.kind in _RECORDED}
    places = {signal: kind.places(parts, signal.layer) for signal, kind in recorded.items()}
    watched = [place for named in places.values() for place in named.values()]
    with (
        watching(watched, parts.model.config) as seen,
        _only(parts, needs),
        _only_at_masked_positions(parts, batch, needs),
    ):
        network = parts.base if needs.isdisjoint(_OUTPUTS) else parts.model
        result = network(**parts.inputs(batch))
        ends = {MASKED_LOGITS: _filled(parts, result, batch, needs)} if MASKED_LOGITS in needs else {}
    if (asked := needs & _OUTPUTS) and (logits := head_logits(result)) is not None:
        ends |= dict.fromkeys(asked, logits)
    shown = {
        signal: kind.of(parts, {name: seen[place] for name, place in places[signal].items()})
        for signal, kind in recorded.items()
    }
    return Trace(shown | ends)


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
    states = any(signal.kind in _STATES and signal.layer == top for signal in needs)
    return MASKED_LOGITS in needs and needs.isdisjoint(_OUTPUTS) and not states and parts.ends_position_by_position


def _filled(parts: Parts, result: Any, batch: Batch, needs: frozenset[Signal]) -> Float[Tensor, "position vocabulary"]:
    """The masked-LM head runs only at the masked positions: its matrix is as large as the vocabulary."""
    states = result.last_hidden_state
    return parts.masked_lm_scores(
        states[0] if _masked_logits_only(parts, needs) else states[batch.needed_targets() >= 0]
    )


class _Recorded(NamedTuple):
    """How a signal of a layer is recorded.

    Attributes:
        places: By name, where what it is made of is seen.
        of: Makes it of the network and what was seen there.
    """

    places: Callable[[Parts, int], dict[str, Place]]
    of: Callable[[Parts, Mapping[str, Any]], Tensor]


def _states(parts: Parts, layer: int) -> dict[str, Place]:
    return {"states": parts.states_after(layer)}


def _of_attention(kind: str) -> _Recorded:
    """A network's attention says where its queries, keys, values and scores are."""
    return _Recorded(
        lambda parts, layer: parts.layout.attention.places(parts, layer, kind),
        lambda parts, seen: parts.layout.attention.signal(parts, kind, seen),
    )


_RECORDED: Final[Mapping[str, _Recorded]] = {
    "hidden_states": _Recorded(_states, lambda _, seen: seen["states"]),
    "first_state": _Recorded(_states, lambda _, seen: seen["states"][:, 0]),
    **{kind: _of_attention(kind) for kind in ("queries", "keys", "values", "attention_scores")},
}
