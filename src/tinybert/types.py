"""The words all else is written in: Example, Batch, Signal, Trace, Stage; abstract Objective, Selector, Augmenter.

Only tensors, no networks: what an objective or a selector needs to know of a model is what a `Trace` shows of it.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from difflib import get_close_matches
from typing import Any, Final, Literal, NamedTuple, Protocol, TypeVar, cast, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor, nn


class Answer(NamedTuple):
    """Where in the context (`Example.pair`) an answer stands: characters from `start` to before `end`."""

    start: int
    end: int


# Class index | score | tag per word | answer (None where the context has none) | None = unlabelled.
Label = int | float | Answer | tuple[int, ...] | None
Kind = Literal["classification", "regression", "token-classification", "question-answering"]


@dataclass(frozen=True, slots=True)
class Sample:
    """How a copy was drawn from a distribution over texts near its original (L2A's P_s).

    Attributes:
        pieces: The copy as it was drawn, special pieces included; reading its text may give other pieces.
        types: The token type of each piece.
        places: Which of the pieces were replaced, in ascending order; their number is the distance d.
        open: How many pieces could have been replaced (m).
        log_probability: Logarithm of P_s.
    """

    pieces: tuple[int, ...]
    types: tuple[int, ...]
    places: tuple[int, ...]
    open: int
    log_probability: float


@dataclass(frozen=True, slots=True)
class Example:
    """One training example: a text or a pair of texts, with its label where it has one.

    Attributes:
        text: The only text, the first of a pair, or the question.
        pair: The second text, or the context of a question; None where there is one text.
        label: See `Label`.
        row: Which row of its file it comes from, counted from 1; 0 = not from a file.
        copy: Which augmented copy of that row it is, counted from 1; 0 = the original itself.
        words: The words that tags belong to; `text` is these, joined by spaces. None where words have no tags.
        sample: How this copy was drawn; None unless it comes from a distribution that says so.
    """

    text: str
    pair: str | None = None
    label: Label = None
    row: int = 0
    copy: int = 0
    words: tuple[str, ...] | None = None
    sample: Sample | None = None


@dataclass(frozen=True)
class Batch:
    """Encoded examples of one forward pass, padded to the longest of them.

    Attributes:
        input_ids: Piece ids.
        token_type_ids: 0 for the first text, 1 for the second.
        real: True where a piece is not padding.
        labels: Class index or score per example; None where the data has none.
        rows: Which encoded row each example is; names examples in error messages and in the teacher's cache.
        targets: The piece to be predicted, at places that a masked LM has to fill; -1 elsewhere. None = no such places.
    """

    input_ids: Int[Tensor, "batch seq"]
    token_type_ids: Int[Tensor, "batch seq"]
    real: Bool[Tensor, "batch seq"]
    labels: Shaped[Tensor, " batch"] | None
    rows: Int[Tensor, " batch"]
    targets: Int[Tensor, "batch seq"] | None = None

    def __post_init__(self) -> None:
        """Refuse parts that do not go together."""
        if self.real.dtype is not torch.bool:
            raise ValueError(f"real must be True and False, got {self.real.dtype}; write attention_mask.bool()")
        for name in ("token_type_ids", "real", "targets"):
            part = getattr(self, name)
            if part is not None and part.shape != self.input_ids.shape:
                raise ValueError(
                    f"{name} is {tuple(part.shape)}, input_ids {tuple(self.input_ids.shape)}: one per piece"
                )
        for name in ("labels", "rows"):
            part = getattr(self, name)
            if part is not None and part.shape != self.input_ids.shape[:1]:
                raise ValueError(f"{name} are {tuple(part.shape)} for {len(self.input_ids)} examples: one for each")

    @classmethod
    def from_tokenizer(cls, output: Mapping[str, Any], labels: Any = None) -> "Batch":
        """A batch of what a tokenizer of transformers returns.

        Args:
            output: `tokenizer(texts, padding=True, return_tensors="pt")`; lists and arrays will do too.
            labels: Class index or score of each example; None = there are none.

        Raises:
            ValueError: If a part is missing, is not rectangular, masks with something else than 0 and 1, or leaves an
                example without any piece; or labels are not numbers.

        Example:
            >>> Batch.from_tokenizer({"input_ids": [[5, 6]], "attention_mask": [[1, 0]]}, labels=[1]).real
            tensor([[ True, False]])
        """
        parts = {name: _tensor(name, output.get(name)) for name in ("input_ids", "attention_mask", "token_type_ids")}
        pieces, mask, types = parts.values()
        if pieces is None or mask is None:
            raise ValueError(
                f"input_ids and attention_mask are needed, got {', '.join(output)}; ask the tokenizer for them"
            )
        if not ((mask == 0) | (mask == 1)).all():
            raise ValueError("attention_mask must be 1 where a piece is real and 0 where it is padding")
        if pieces.ndim != 2 or mask.shape != pieces.shape or not mask.bool().any(dim=1).all():
            raise ValueError(
                f"each example needs a real piece, and input_ids {tuple(pieces.shape)} and attention_mask "
                f"{tuple(mask.shape)} the shape (examples, pieces); tokenize a list of texts"
            )
        types = torch.zeros_like(pieces) if types is None else types
        return cls(pieces, types, mask.bool(), _tensor("labels", labels), torch.arange(len(pieces)))

    def __len__(self) -> int:
        """Number of examples."""
        return len(self.rows)

    def to(self, device: torch.device) -> "Batch":
        """The same batch on another device."""
        parts: dict[str, Any] = {part.name: getattr(self, part.name) for part in fields(self)}
        return replace(self, **{name: part.to(device) for name, part in parts.items() if part is not None})

    def needed_targets(self) -> Int[Tensor, "batch seq"]:
        """The places to fill; a `ValueError` where there are none."""
        if self.targets is None:
            raise ValueError("this batch has no places to fill; a masked-LM objective needs a masker beside it")
        return self.targets


def _tensor(name: str, values: Any) -> Tensor | None:
    try:
        return None if values is None else torch.as_tensor(values)
    except (TypeError, ValueError, RuntimeError):
        advice = "class indices or scores" if name == "labels" else "as many in each row: tokenize with padding=True"
        raise ValueError(f"{name} must be numbers, {advice}") from None


Masker = Callable[[Batch], Batch]  # from a batch to what both networks read of it, with `targets`


@runtime_checkable
class Rows(Protocol):
    """Encoded examples to learn from: the rows of a task, or the blocks of a corpus."""

    @property
    def digest(self) -> str:
        """sha256 of their contents."""

    @property
    def lengths(self) -> Int[np.ndarray, " rows"]:
        """Pieces of each."""

    def __len__(self) -> int:
        """How many there are."""

    def batch(self, indices: Int[np.ndarray, " batch"]) -> Batch:
        """Pick some, padded to the longest of them."""

    def order(self, batch_size: int, rng: np.random.Generator) -> Sequence[Int[np.ndarray, " _"]]:
        """One epoch of global batches as a function of the stream: each index once; the last batch may be shorter."""


Axis = Literal["label", "vocabulary", "head", "piece", "width"]


class SignalKind(NamedTuple):
    """What a network shows in a forward pass, at some of its layers or at its end.

    Attributes:
        axes: Those behind the first one, which is that of examples (of `masked_logits`: of the places to fill).
        lowest: The lowest layer that shows it; 0 = the embedding output.
    """

    axes: tuple[Axis, ...]
    lowest: int = 0


SIGNAL_KINDS: Final[Mapping[str, SignalKind]] = {
    # Of the task head, before softmax; it has no layer, which counts as 0.
    "logits": SignalKind(("label",)),
    # Of the masked-LM head, before softmax, only at the places to fill (`Batch.targets`), row by row.
    "masked_logits": SignalKind(("vocabulary",)),
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
        return self.kind if self in (LOGITS, MASKED_LOGITS) else f"{self.kind} of layer {self.layer}"

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
MASKED_LOGITS = Signal("masked_logits")


class Trace(dict[Signal, Tensor]):
    """What one network showed in one forward pass, by signal; only what was asked for is recorded."""

    @classmethod
    def from_transformers(cls, output: Any, batch: Batch | None = None) -> "Trace":
        """A trace of what a model of transformers returns: logits, and hidden states where they were asked for.

        Attention scores, queries, keys and values are not in it: transformers returns attention after softmax.

        Args:
            output: Of `model(..., output_hidden_states=True)`.
            batch: Says which pieces are masked, where the logits are those of a masked LM.

        Raises:
            ValueError: If the logits are of pieces, and no batch says which of them count.
        """
        trace, logits = cls(), getattr(output, "logits", None)
        if logits is not None and logits.ndim == 2:
            trace[LOGITS] = logits
        elif logits is not None:
            if batch is None:
                raise ValueError(
                    f"logits {tuple(logits.shape)} are of pieces; give the batch whose targets say of which"
                )
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


NO_TRACE: Final = Trace()  # what a recipe without a teacher hands to its objective


class Objective(nn.Module, ABC):
    """What a student is trained on: one value per example; only the engine reduces.

    A module because some own a projection, which is trained with the student and never exported. Never holds a model.
    """

    needs_student: frozenset[Signal] = frozenset()
    needs_teacher: frozenset[Signal] = frozenset()

    @abstractmethod
    def terms(self, student: Trace, teacher: Trace, batch: Batch) -> dict[str, Float[Tensor, " batch"]]:
        """The named terms of the objective, each one value per example; their sum is the objective."""

    def forward(self, student: Trace, teacher: Trace, batch: Batch) -> Float[Tensor, " batch"]:
        """The sum of the terms.

        Raises:
            ValueError: If a trace lacks what is needed, or belongs to another batch.
        """
        student.require(self.needs_student, batch)
        teacher.require(self.needs_teacher, batch)
        return torch.stack(list(self.terms(student, teacher, batch).values())).sum(dim=0)


@runtime_checkable
class Selector(Protocol):
    """Chooses which examples of a batch count; the hooks of the loop."""

    needs_student: frozenset[Signal]
    needs_teacher: frozenset[Signal]

    def before_update(self) -> None:
        """Called before the first `choose` of an update; again where an update has to be done over."""

    def choose(self, student: Trace, teacher: Trace, batch: Batch) -> Float[Tensor, " batch"]:
        """Weights in [0, 1], detached; hard selection gives 0 and 1."""

    def after_update(self) -> None:
        """Called after every update of the student."""

    def after_epoch(self) -> None:
        """Called after the last update of an epoch."""

    def state_dict(self) -> dict[str, Tensor]:
        """What a checkpoint must keep for an exact resume."""

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take back what `state_dict` gave."""


Stream = Callable[[int, int], np.random.Generator]  # from row and copy to the random stream of just that copy


@runtime_checkable
class Augmenter(Protocol):
    """Rewrites examples; given several at once because batching is where its speed comes from."""

    def __call__(self, examples: Sequence[Example], copies: int, stream: Stream) -> Iterator[Example]:
        """Yield copies 1 to `copies` of each example, in order; originals are not among them.

        A copy has its original's `row` and label, and is a function of the example and of `stream(row, copy)` only:
        which examples are given together changes speed, never contents.
        """


@dataclass(frozen=True)
class Stage:
    """Settings of one call of `fit`: one objective, one data set.

    Attributes:
        epochs: Passes over the data; None = as many as the data need, see `usual_epochs`.
        usual_epochs: What `epochs: null` stands for; few rows are passed over more often, so that enough is learnt.
        most_epochs: How often at most, where `epochs` is null.
        batch_size: Examples per update over all ranks and micro-batches.
        lr: Peak learning rate of AdamW.
        weight_decay: On matrices; biases and LayerNorm parameters have none.
        warmup: Share of the updates over which the rate rises linearly from 0.
        schedule: `linear` falls to 0 at the end; `constant` stays (no warm-up).
        max_steps: Stop after so many updates; None = no limit.
        accumulate: Micro-batches per update; changes memory, not mathematics.
        temperature: Of soft targets.
        clip: Largest norm of the gradient.
        evaluate_every: Updates between evaluations on dev; None = once an epoch.
        patience: Evaluations without a new best before the stage ends; None = never ends early.
    """

    epochs: int | None = 3
    usual_epochs: int = 3
    most_epochs: int = 20
    batch_size: int = 32
    lr: float = 5e-5
    weight_decay: float = 0.01
    warmup: float = 0.1
    schedule: Literal["linear", "constant"] = "linear"
    max_steps: int | None = None
    accumulate: int = 1
    temperature: float = 1.0
    clip: float = 1.0
    evaluate_every: int | None = None
    patience: int | None = None

    def __post_init__(self) -> None:
        """Refuse what would train nothing, or the wrong way."""
        counts = ("epochs", "usual_epochs", "most_epochs", "batch_size", "max_steps", "accumulate", "evaluate_every")
        for name in (*counts, "patience"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        for name in ("lr", "temperature", "clip"):
            value = getattr(self, name)
            if not 0 < value < float("inf"):
                raise ValueError(f"{name} must be positive and finite, got {value}")
        if not 0 <= self.warmup <= 1:
            raise ValueError(f"warmup is a share of the updates, between 0 and 1, got {self.warmup}")
        if not 0 <= self.weight_decay < float("inf"):
            raise ValueError(f"weight_decay must not be negative, and finite, got {self.weight_decay}")
        if self.accumulate > self.batch_size:
            raise ValueError(f"accumulate ({self.accumulate}) splits a batch of {self.batch_size}; it cannot be larger")

    def unread(self) -> Iterator[tuple[str, str]]:
        """Keys that others leave without use, and why; see `config.unread`."""
        if self.epochs is not None:
            for name in ("usual_epochs", "most_epochs"):
                yield name, f"epochs={self.epochs} does not read it"
        if self.schedule == "constant":
            yield "warmup", "schedule=constant does not read it"


_Settings = TypeVar("_Settings")


def subset(kind: type[_Settings], settings: Any) -> _Settings:
    """Those of the settings that `kind` has too."""
    return kind(**{f.name: getattr(settings, f.name) for f in fields(cast(Any, kind))})


def flatten(prefix: str, settings: Any) -> dict[str, Any]:
    """A settings dataclass as plain values by dotted name, as users write them and JSON gives them back.

    Example:
        >>> flatten("prediction", Stage())["prediction.batch_size"]
        32
    """
    flat: dict[str, Any] = {}
    for field in fields(settings):
        key, value = f"{prefix}.{field.name}".lstrip("."), getattr(settings, field.name)
        plain = list(value) if isinstance(value, tuple) else value
        flat |= flatten(key, value) if is_dataclass(value) else {key: plain}
    return flat
