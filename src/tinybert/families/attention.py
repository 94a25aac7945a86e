"""Where queries, keys, values and scores of attention are seen, without giving up fused attention.

Fused attention never builds its scores; they are computed again from queries and keys, and only for the layers that are
asked for. BERT and its like show queries and keys as outputs of matrices (`Projected`); networks that turn them by
their positions (Su et al. 2021, arXiv:2104.09864) show them only where attention begins (`Rotary`).
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Literal, NamedTuple, Protocol

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, AttentionMaskInterface
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS, AttentionInterface

_NAME: Final = "tinybert"  # of fused attention that says what it was given


class Place(NamedTuple):
    """Where something is seen in a forward pass.

    Attributes:
        module: That sees or makes it.
        call: Which of its calls, from 0; ALBERT calls the same layer again and again.
        side: What is kept: its output; the module with its named arguments, as `call`; or queries, keys and values of
            the attention that it computes.
    """

    module: nn.Module
    call: int = 0
    side: Literal["output", "call", "attention"] = "output"


class Attention(Protocol):
    """Of one kind of network: what the signals queries, keys, values and attention_scores are made of."""

    def places(self, parts: Any, layer: int, kind: str) -> dict[str, Place]:
        """Where the makings of a signal are seen, by name; `parts` as of `parts.Parts`, layers from 1."""

    def signal(self, parts: Any, kind: str, seen: Mapping[str, Any]) -> Tensor:
        """The signal, of what was seen there."""

    def more_flops(self, config: Any, length: int) -> int:  # noqa: ARG002
        """Operations in a layer for a text of so many pieces, beside those that `transformer.forward_flops` counts."""
        return 0


@dataclass(frozen=True)
class Projected(Attention):
    """BERT's: a matrix for each of queries, keys and values, and nothing between them and the scores."""

    def places(self, parts: Any, layer: int, kind: str) -> dict[str, Place]:
        """The matrices."""
        block, call = parts.layer(layer), parts.call(layer)
        matrices = {"queries": block.query, "keys": block.key, "values": block.value}
        wanted = ("queries", "keys") if kind == "attention_scores" else (kind,)
        return {name: Place(matrices[name], call) for name in wanted}

    def signal(self, parts: Any, kind: str, seen: Mapping[str, Any]) -> Tensor:
        """What they give, or QKᵀ/√d."""
        if kind != "attention_scores":
            return seen[kind]  # type: ignore[no-any-return]
        return attention_scores(seen["queries"], seen["keys"], parts.heads)


BY_MATRICES: Final = Projected()


@dataclass(frozen=True)
class Rotary(Attention):
    """Queries and keys turned by their positions, as attention is given them; some layers look at near pieces only.

    Scores of pieces too far apart are -inf: this layer never compares them.

    Attributes:
        module: The path of the attention in a layer.
    """

    module: str

    def places(self, parts: Any, layer: int, kind: str) -> dict[str, Place]:  # noqa: ARG002  all are seen at once
        """Where attention begins."""
        return {"attention": Place(parts.layers[layer - 1].get_submodule(self.module), side="attention")}

    def signal(self, parts: Any, kind: str, seen: Mapping[str, Any]) -> Tensor:
        """Heads are joined again, so that all networks show the same; a key of several heads is repeated."""
        attended: _Attended = seen["attention"]
        if kind != "attention_scores":
            return attended.joined(kind)
        scores = attention_scores(attended.joined("queries"), attended.joined("keys"), parts.heads)
        if attended.window is None:
            return scores
        positions = torch.arange(scores.shape[-1], device=scores.device)
        return scores.masked_fill((positions[:, None] - positions).abs() >= attended.window, -torch.inf)


class _Attended(NamedTuple):
    """What the attention of a layer was given; `window` is how far apart pieces never meet, None = all do."""

    queries: Float[Tensor, "batch head piece head_width"]
    keys: Float[Tensor, "batch key_head piece head_width"]
    values: Float[Tensor, "batch key_head piece head_width"]
    window: int | None

    def joined(self, kind: str) -> Float[Tensor, "batch piece width"]:
        """Of all heads side by side, as many as there are queries."""
        heads: Tensor = getattr(self, kind)
        return heads.repeat_interleave(self.queries.shape[1] // heads.shape[1], 1).transpose(1, 2).flatten(2)


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


@contextmanager
def watching(places: Iterable[Place], config: Any) -> Iterator[dict[Place, Any]]:
    """Collect what is seen at some places during the block; nothing of it is left after, however it ends.

    Args:
        places: Of the network that runs in the block.
        config: Its configuration, which says what computes its attention.
    """
    seen: dict[Place, Any] = {}
    wanted = set(places)
    with ExitStack() as undo:
        for module, sides in _by_module(place for place in wanted if place.side != "attention").items():
            undo.callback(module.register_forward_hook(_keeping(seen, sides), with_kwargs=True).remove)
        if attending := {place.module: place for place in wanted if place.side == "attention"}:
            undo.enter_context(_attending(partial(_keep_attended, seen, attending), config))
        yield seen


def _by_module(places: Iterable[Place]) -> dict[nn.Module, list[Place]]:
    found: dict[nn.Module, list[Place]] = {}
    for place in places:
        found.setdefault(place.module, []).append(place)
    return found


def _keeping(seen: dict[Place, Any], places: list[Place]) -> Any:
    """A hook that keeps what places of one module are about; it counts the calls."""
    calls = 0

    def hook(module: nn.Module, _given: Any, arguments: dict[str, Any], output: Any) -> None:
        nonlocal calls
        for place in places:
            if place.call == calls:
                seen[place] = (module, arguments) if place.side == "call" else _first(output)
        calls += 1

    return hook


def _first(output: Any) -> Any:
    return output if isinstance(output, Tensor) else output[0]


def _keep_attended(
    seen: dict[Place, Any], places: dict[nn.Module, Place], module: Any, query: Tensor, key: Tensor, value: Tensor
) -> None:
    if module in places:
        seen[places[module]] = _Attended(query, key, value, getattr(module, "sliding_window", None))


_told: ContextVar[Any] = ContextVar("told", default=None)


@contextmanager
def _attending(told: Any, config: Any) -> Iterator[None]:
    """Inside the block fused attention tells `told` what it is given."""
    before, token = config._attn_implementation, _told.set(told)
    config._attn_implementation = _NAME
    try:
        yield
    finally:
        config._attn_implementation = before
        _told.reset(token)


def _attend(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **how: Any
) -> Any:
    """Fused attention."""
    _told.get()(module, query, key, value)
    return ALL_ATTENTION_FUNCTIONS["sdpa"](module, query, key, value, attention_mask, **how)


AttentionInterface.register(_NAME, _attend)
AttentionMaskInterface.register(_NAME, ALL_MASK_ATTENTION_FUNCTIONS["sdpa"])  # without it padding is looked at
