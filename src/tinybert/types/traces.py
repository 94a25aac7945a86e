"""What networks show: signals, and the traces that hold them."""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final, Literal, NamedTuple

import torch
from torch import Tensor

from tinybert.types.batches import Batch

Axis = Literal["label", "vocabulary", "head", "piece", "width"]


class SignalKind(NamedTuple):
    """What a network shows in a forward pass, at some of its layers or at its end.

    Attributes:
        axes: Those behind the first one, which is that of examples (of `masked_logits`: of the masked positions).
        lowest: The lowest layer that shows it; 0 = the embedding output.
    """

    axes: tuple[Axis, ...]
    lowest: int = 0


SIGNAL_KINDS: Final[Mapping[str, SignalKind]] = {
    # Of the task head, before softmax; it has no layer, which counts as 0.
    "logits": SignalKind(("label",)),
    # Of the masked-LM head, before softmax, only at the masked positions (`Batch.targets`), row by row.
    "masked_logits": SignalKind(("vocabulary",)),
    # Of a task head that says something of every piece.
    "piece_logits": SignalKind(("piece", "label")),
    # After the layer; of layer 0 the embedding output.
    "hidden_states": SignalKind(("piece", "width")),
    # The hidden state of the first piece only, BERT's [CLS]: all that PKD compares, and a small part to store.
    "first_state": SignalKind(("width",), lowest=1),
    # Before softmax, without a padding mask: QKᵀ/√d, plus a position bias where the network has one.
    "attention_scores": SignalKind(("head", "piece", "piece"), lowest=1),
    # What these projections give, before the heads are split.
    "queries": SignalKind(("piece", "width"), lowest=1),
    "keys": SignalKind(("piece", "width"), lowest=1),
    "values": SignalKind(("piece", "width"), lowest=1),
}


@dataclass(frozen=True, order=True)
class Signal:
    """One thing that a network shows in a forward pass: a kind of `SIGNAL_KINDS`, at one layer."""

    kind: str
    layer: int = 0

    def __post_init__(self) -> None:
        """Refuse what no network shows."""
        if self.kind not in SIGNAL_KINDS:
            meant = "".join(f", did you mean {close}?" for close in get_close_matches(self.kind, SIGNAL_KINDS, n=1))
            raise ValueError(f"there is no signal {self.kind!r}{meant or ';'} there are {', '.join(SIGNAL_KINDS)}")
        if self.layer < self.lowest:
            raise ValueError(f"{self.kind} begin at layer {self.lowest}; there are none of layer {self.layer}")

    def __str__(self) -> str:
        """As messages call it."""
        return self.kind if self in (LOGITS, PIECE_LOGITS, MASKED_LOGITS) else f"{self.kind} of layer {self.layer}"

    @property
    def axes(self) -> tuple[Axis, ...]:
        """See `SignalKind`."""
        return SIGNAL_KINDS[self.kind].axes

    @property
    def lowest(self) -> int:
        """See `SignalKind`."""
        return SIGNAL_KINDS[self.kind].lowest

    def shape(self, pieces: int, sizes: Mapping[str, int]) -> tuple[int, ...]:
        """The shape for one example of so many pieces; `sizes` are those of the other axes."""
        return tuple(pieces if axis == "piece" else sizes[axis] for axis in self.axes)


LOGITS = Signal("logits")
PIECE_LOGITS = Signal("piece_logits")
MASKED_LOGITS = Signal("masked_logits")


class Trace(dict[Signal, Tensor]):
    """What one network showed in one forward pass, by signal; only what was asked for is recorded."""

    @classmethod
    def from_transformers(cls, output: Any, batch: Batch | None = None) -> "Trace":
        """A trace of what a model of transformers returns: logits, and hidden states where they were asked for.

        Attention scores, queries, keys and values are not in it: transformers returns attention after softmax.

        Args:
            output: Of `model(..., output_hidden_states=True)`.
            batch: Says which pieces are masked, where the logits are those of a masked LM, or which have labels.

        Raises:
            ValueError: If the logits are of pieces, and no batch says which of them count.
        """
        trace, logits = cls(), head_logits(output)
        if logits is not None and logits.ndim == 2:
            trace[LOGITS] = logits
        elif logits is not None:
            if batch is None:
                raise ValueError(
                    f"logits {tuple(logits.shape)} are of pieces; give the batch whose targets say of which"
                )
            if batch.labels is not None and batch.labels.shape == logits.shape[:2]:
                trace[PIECE_LOGITS] = logits
            else:
                trace[MASKED_LOGITS] = logits[batch.needed_targets() >= 0]
        for layer, states in enumerate(getattr(output, "hidden_states", None) or ()):
            trace[Signal("hidden_states", layer)] = states
            if layer > 0:
                trace[Signal("first_state", layer)] = states[:, 0]
        return trace

    def require(self, needs: frozenset[Signal], batch: Batch) -> None:
        """Refuse a trace that lacks what is needed, or belongs to another batch.

        Raises:
            ValueError: Naming the signal.
        """
        for signal in needs:
            values = self[signal]
            axes = ("batch" if signal != MASKED_LOGITS else "masked piece", *signal.axes)
            sizes = {"batch": len(batch), "piece": batch.real.shape[1]}
            fits = len(axes) == values.ndim and all(
                size == sizes.get(axis, size) for axis, size in zip(axes, values.shape, strict=True)
            )
            if not fits or not values.is_floating_point():
                raise ValueError(
                    f"{signal}: {values.dtype} of shape {tuple(values.shape)} do not belong to a batch of {len(batch)} "
                    f"examples of {sizes['piece']} pieces; floats with the axes {', '.join(axes)} are wanted"
                )

    def __missing__(self, signal: object) -> Tensor:
        """Say what is missing, and what is there.

        Raises:
            ValueError: Always.
        """
        there = ", ".join(map(str, self)) or "nothing"
        if not isinstance(signal, Signal):
            raise ValueError(f"a trace is read by signals such as Signal('hidden_states', 3), not by {signal!r}")
        raise ValueError(
            f"this forward pass recorded {there}, not {signal}; name it in needs_student or needs_teacher, "
            "of a model of transformers ask for output_hidden_states=True"
        )


def head_logits(output: Any) -> Tensor | None:
    """The logits in what a model of transformers returns; None where there are none.

    A head that finds answers gives two numbers of every piece, how well an answer begins there and how well it ends.
    """
    start = getattr(output, "start_logits", None)
    return getattr(output, "logits", None) if start is None else torch.stack([start, output.end_logits], dim=2)


NO_TRACE: Final = Trace()  # what a recipe without a teacher hands to its objective
