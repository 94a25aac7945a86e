"""What users say about general distillation: how much text, in which form."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from math import ceil

from tinybert.stages.common_settings import CommonSettings
from tinybert.types import Stage

LOOKS = 20  # evaluations on held-out text where `evaluate_every` is open: enough for a curve


@dataclass(frozen=True)
class GeneralSettings(Stage):
    """Settings of the group `general`.

    Attributes:
        tokens: Pieces to learn from, counted after packing, special ones included; None = by `epochs`. Recipes for a
            task have the stage only where this is set.
        block_length: Pieces of a block, special ones included.
        dropout: Keep the student's own dropout while it learns.
        held_out: Blocks that are not learnt from, on which the student is evaluated; at most a tenth of all.
    """

    epochs: int | None = 1
    tokens: int | None = None
    block_length: int = 128
    dropout: bool = True
    held_out: int = 128

    def __post_init__(self) -> None:
        """Refuse what would learn nothing."""
        super().__post_init__()
        if self.block_length < 8:
            raise ValueError(f"block_length must be at least 8 pieces, got {self.block_length}")
        for name in ("tokens", "held_out"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")

    def unread(self) -> Iterator[tuple[str, str]]:
        """As of any stage; `tokens` says how long it is, and there is no longest of epochs."""
        yield from (pair for pair in super().unread() if pair[0] == "warmup")
        yield "most_epochs", "general distillation does not read it"
        for name in ("epochs", "usual_epochs") if self.tokens is not None else ():
            yield name, f"tokens={self.tokens} does not read it"
        if self.tokens is None and self.epochs is not None:
            yield "usual_epochs", f"epochs={self.epochs} does not read it"

    def set_aside(self, blocks: int) -> int:
        """How many of so many blocks are held out."""
        return min(self.held_out, max(blocks // 10, 1))

    def decided(self, blocks: int) -> Stage:
        """The stage for a text of so many blocks: as many updates as `tokens` need, evaluated some twenty times.

        Example:
            >>> stage = GeneralSettings(tokens=1_000_000, batch_size=32).decided(blocks=500)
            >>> stage.max_steps, stage.epochs
            (250, 16)
        """
        updates, per_epoch = self.updates(blocks), ceil(blocks / self.batch_size)
        every = self.evaluate_every or ceil(updates / LOOKS)
        return replace(self, epochs=ceil(updates / per_epoch), max_steps=updates, evaluate_every=every)

    def updates(self, blocks: int) -> int:
        """How many updates a text of so many blocks is learnt from in."""
        passes, rest = self.epochs or self.usual_epochs, 0
        if self.tokens is not None:
            passes, rest = divmod(ceil(self.tokens / self.block_length), blocks)
        wanted = passes * ceil(blocks / self.batch_size) + ceil(rest / self.batch_size)
        return min(wanted, self.max_steps or wanted)


@dataclass(frozen=True, kw_only=True)
class GeneralGroup(CommonSettings):
    """Of a recipe for a task whose student may learn from plain text first."""

    general: GeneralSettings = field(default_factory=GeneralSettings)

    def needs_labels(self) -> str | None:
        """Besides, texts without labels are what the stage reads."""
        if self.general.tokens is not None:
            return f"general.tokens={self.general.tokens} reads them as plain text"
        base = super().needs_labels()
        return base and f"{base}, and from plain text with general.tokens"

    def unread(self) -> Iterator[tuple[str, str]]:
        """Besides, a stage that is only there on request."""
        yield from super().unread()
        if self.general.tokens is None:
            yield "general", "only read where general.tokens asks for the stage"


def general_within(settings: CommonSettings) -> GeneralSettings | None:
    """The general stage of a run; None where there is none: for a task, where nobody asked for it."""
    found = getattr(settings, "general", None)
    wanted = isinstance(found, GeneralSettings) and (settings.reads_text or found.tokens is not None)
    return found if wanted else None
