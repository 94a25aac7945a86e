"""Settings of a stage, and settings as plain values."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, Literal, TypeVar, cast


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
