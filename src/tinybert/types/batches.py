"""Encoded examples: the batch of one forward pass, and the rows that batches are picked from."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Int, Shaped
from torch import Tensor


def waits(device: torch.device) -> bool:
    """Whether a program that asks a device for a number waits until all that it was told before is done."""
    return device.type != "cpu"


@dataclass(frozen=True)
class Batch:
    """Encoded examples of one forward pass, padded to the longest of them.

    Attributes:
        input_ids: Piece ids.
        token_type_ids: 0 for the first text, 1 for the second.
        real: True where a piece is not padding.
        labels: Class index or score per example, or 0 and 1 for each label of it, or class index per piece (-1 where a
            piece has none); None where the data has none.
        rows: Which encoded row each example is; names examples in error messages and in the teacher's cache.
        targets: The piece to be predicted at each masked position; -1 elsewhere. None = nothing is masked.
    """

    input_ids: Int[Tensor, "batch seq"]
    token_type_ids: Int[Tensor, "batch seq"]
    real: Bool[Tensor, "batch seq"]
    labels: Shaped[Tensor, "batch ..."] | None
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
            if part is not None and part.shape[:1] != self.input_ids.shape[:1]:
                raise ValueError(f"{name} are {tuple(part.shape)} for {len(self.input_ids)} examples: one for each")

    @classmethod
    def from_tokenizer(cls, output: Mapping[str, Any], labels: Any = None) -> "Batch":
        """A batch of what a tokenizer of transformers returns.

        Args:
            output: `tokenizer(texts, padding=True, return_tensors="pt")`; lists and arrays will do too.
            labels: Class index or score of each example, or 0 and 1 for each label; None = there are none.

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
        """The same batch on another device; the program does not wait for the copy to a GPU."""
        parts: dict[str, Any] = {part.name: getattr(self, part.name) for part in fields(self)}
        return replace(self, **{name: _sent(part, device) for name, part in parts.items() if part is not None})

    def needed_targets(self) -> Int[Tensor, "batch seq"]:
        """The masked positions; a `ValueError` where there are none."""
        if self.targets is None:
            raise ValueError("this batch has no masked positions; a masked-LM objective needs a masker beside it")
        return self.targets


def _sent(part: Tensor, device: torch.device) -> Tensor:
    """Only what lies in pinned memory can be sent while the program goes on."""
    if device.type != "cuda" or part.device.type != "cpu":
        return part.to(device)
    return part.pin_memory().to(device, non_blocking=True)


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

    def batch(self, indices: Int[np.ndarray, " batch"], multiple: int = 1) -> Batch:
        """Pick some, padded to the longest of them, and on to a multiple of so many pieces."""

    def order(self, batch_size: int, rng: np.random.Generator) -> Sequence[Int[np.ndarray, " _"]]:
        """One epoch of global batches as a function of the stream: each index once; the last batch may be shorter."""
