"""What every network is to the rest of the package, and what a family of networks has to know."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import PretrainedConfig

from tinybert.errors import UserError
from tinybert.files import sha256_json
from tinybert.types import LOGITS, PIECE_LOGITS, Batch, Signal, Trace

MASKED_LM = "AutoModelForMaskedLM"
# How classes of transformers end whose head says something of every piece: its tag, or how well answers begin and end.
OF_TAGS, OF_ANSWERS = "ForTokenClassification", "ForQuestionAnswering"
OF_PIECES = (OF_TAGS, OF_ANSWERS)

# Of a configuration, for its digest: what says how a network was saved, or how its logits are read.
_NOT_CONTENT = frozenset(
    {"transformers_version", "dtype", "architectures"}
    | {"text_pairs", "positive", "thresholds", "no_answer_threshold", "calibration_temperature"}
)


@dataclass(frozen=True)
class Shape:
    """The sizes of a network; `heads` and `inner` are 0 where its family has no such thing.

    Attributes:
        family: Whose sizes they are; "" = of whatever network they are said of.
    """

    layers: int
    width: int
    heads: int
    inner: int
    family: str = field(default="", compare=False)


class Network(nn.Module, ABC):
    """A network that learns, teaches or answers; with a head for a task, for masked pieces, or without.

    Attributes:
        config: Sizes, and what the outputs of the head mean; saved as config.json.
        signals: The kinds of signals that it can show.
        library: What loads it when it is saved.
    """

    library: str = "tinybert"

    config: PretrainedConfig
    signals: frozenset[str]

    @property
    @abstractmethod
    def shape(self) -> Shape:
        """Its sizes."""

    @property
    @abstractmethod
    def longest(self) -> int:
        """How many pieces, special ones included, it can read."""

    @property
    @abstractmethod
    def piece_vectors(self) -> Float[Tensor, "vocabulary width"]:
        """The input embeddings of all pieces."""

    @property
    def waited_for(self) -> bool:
        """Whether a program may wait for the device while a batch is read, because of what is asked of it there."""
        return True

    @property
    def output(self) -> Signal:
        """What its task head gives: logits of each example, or of each piece."""
        return PIECE_LOGITS if self.saved_as.endswith(OF_PIECES) else LOGITS

    @abstractmethod
    def forward(
        self,
        input_ids: Int[Tensor, "batch piece"],
        attention_mask: Int[Tensor, "batch piece"],
        token_type_ids: Int[Tensor, "batch piece"] | None = None,
    ) -> Float[Tensor, "batch ..."]:
        """The logits of the head; the states of the last layer where there is no head."""

    @abstractmethod
    def record(self, batch: Batch, needs: frozenset[Signal]) -> Trace:
        """As `observe`, of signals that the network can show."""

    def flops(self, length: int, outputs: int) -> int:  # noqa: ARG002  a family that knows better counts better
        """Floating-point operations of one forward pass on one text of so many pieces, with so many outputs.

        Matrix products, a multiply-add counted as two; here as if every weight but the table met every piece.
        """
        return 2 * length * (sum(weight.numel() for weight in self.parameters()) - self.piece_vectors.numel())

    def flops_of(self, lengths: Int[np.ndarray, " text"]) -> float:
        """Floating-point operations of one forward pass on each of some texts, by their numbers of pieces."""
        found, counts = np.unique(lengths, return_counts=True)
        outputs = int(self.config.num_labels)
        return float(sum(count * self.flops(int(length), outputs) for length, count in zip(found, counts, strict=True)))

    def observe(self, batch: Batch, needs: frozenset[Signal]) -> Trace:
        """Run the network on a batch and record the signals asked for, nothing else; gradients flow through them.

        Args:
            batch: Encoded examples on the network's device.
            needs: The signals; layers count from 1, layer 0 of the hidden states is the embedding output.

        Raises:
            ValueError: If a signal names a layer the network does not have, or masked logits are asked for without
                mask positions.
            UserError: If the family of the network has no such signal.
        """
        for signal in sorted(needs):
            if signal.kind not in self.signals:
                shown = ", ".join(sorted(self.signals))
                raise UserError(f"{self.family} networks have no {signal.kind}; they show {shown}; take another recipe")
            if signal.layer > self.shape.layers:
                raise ValueError(f"{signal} asked of a network with layers {signal.lowest} to {self.shape.layers}")
        return self.record(batch, needs)

    @property
    def family(self) -> str:
        """The name of its family, `model_type` in config.json."""
        return str(self.config.model_type)

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return next(self.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """What its weights are stored in."""
        return next(self.parameters()).dtype

    @property
    def saved_as(self) -> str:
        """What config.json calls this kind of network, in `architectures`."""
        return f"{type(self).__name__}ForSequenceClassification"

    def inputs(self, batch: Batch) -> dict[str, Tensor]:
        """The arguments of `forward`, by name; also the inputs of its ONNX file."""
        return {"input_ids": batch.input_ids, "attention_mask": batch.real.long()}

    @property
    def last(self) -> nn.Linear:
        """The map that gives the logits of a task; of families of one's own the last linear map that there is."""
        return [part for part in self.modules() if isinstance(part, nn.Linear)][-1]

    @torch.no_grad()
    def divide_logits(self, temperature: float) -> None:
        """Divide all logits by a number, for good: no answer changes, only how sure it is."""
        for weight in self.last.parameters():
            weight.div_(temperature)

    @torch.no_grad()
    def keep_pieces(self, kept: Sequence[int]) -> None:
        """Leave out the vectors of all other pieces, for good, and number the rest anew in their order."""
        new = {old: number for number, old in enumerate(kept)}
        vectors = self.piece_vectors
        for table in (part for part in self.modules() if isinstance(part, nn.Embedding) and part.weight is vectors):
            table.num_embeddings = len(kept)
            table.padding_idx = None if table.padding_idx is None else new[table.padding_idx]
        vectors.data = vectors[list(kept)]
        self.config.vocab_size = len(kept)
        for name, value in self.config.to_dict().items():
            if isinstance(value, int) and (name.endswith("_token_id") or name == "separator"):
                setattr(self.config, name, new.get(value))

    def for_onnx(self) -> nn.Module:
        """What is exported in its place: the same arguments, the same logits."""
        return self

    def weights(self) -> Mapping[str, Tensor]:
        """All weights, by the names they are stored under."""
        return self.state_dict()

    def digest(self) -> str:
        """Sha256 over all weights and the configuration: the same before saving and after loading, on every device."""
        content = {key: value for key, value in self.config.to_dict().items() if not key.startswith("_")}
        total = hashlib.sha256(sha256_json({key: content[key] for key in content if key not in _NOT_CONTENT}).encode())
        for name, value in sorted(self.weights().items()):
            total.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
            if not value.is_meta:
                total.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
        return total.hexdigest()

    def save(self, folder: Path) -> None:
        """Write config.json and model.safetensors."""
        folder.mkdir(parents=True, exist_ok=True)
        self.config.architectures = [self.saved_as]
        self.config.save_pretrained(folder)
        save_file({name: value.contiguous() for name, value in self.weights().items()}, folder / "model.safetensors")

    def restore(self, folder: Path) -> list[str]:
        """Read what `save` wrote, in place; the names of weights that are missing, of no use, or of another size."""
        own, stored = self.state_dict(), load_file(folder / "model.safetensors")
        fitting = {name: stored[name] for name in own.keys() & stored.keys() if own[name].shape == stored[name].shape}
        self.load_state_dict(fitting, strict=False)
        return sorted((own.keys() | stored.keys()) - fitting.keys())

    def use_fastest_attention(self, dtype: torch.dtype, device: torch.device) -> None:
        """Switch to the attention that is fastest for a type on a device, where there is a choice."""

    def body(self) -> "Network":
        """The network without its head; shares the weights.

        Raises:
            UserError: If the family has no such thing.
        """
        raise UserError(f"{self.family} networks are nothing without their head; take another recipe")

    @property
    def parts(self) -> Any:
        """Where layers, matrices and embeddings are (see `parts.Parts`), for students that are made of them.

        Raises:
            UserError: If the family has no layers of the usual kind.
        """
        raise UserError(f"student: nothing can be copied out of {self.family} networks; take student.init=random")


class Family(ABC):
    """What is known of a kind of network before one is loaded.

    Attributes:
        name: `model_type` in config.json.
        task_head: The module that gives the logits of a task, in stored names.
        piece_head: The same where they are of every piece; None where a network has no such head.
        answer_head: The same where they say where answers begin and end.
        masked_lm_head: The last module of the masked-LM head, in stored names; None where there never is one.
        token_types: Whether the forward pass takes token_type_ids.
        padding: The id that the padding piece must have; None = any.
        siamese: Whether a network reads either single texts or pairs, and not both.
        gated: Whether the feed-forward of a layer has a third matrix, which says what passes.
        even_heads: Whether the width of a head must be even.
        starts: How students can be made out of a network of the family, see `student.init`.
    """

    name: str
    task_head: str
    piece_head: str | None = None
    answer_head: str | None = None
    masked_lm_head: str | None
    token_types: bool
    padding: int | None
    siamese: bool = False
    gated: bool = False
    even_heads: bool = False
    starts: frozenset[str] = frozenset({"random"})

    @abstractmethod
    def config(self, content: Mapping[str, Any]) -> PretrainedConfig:
        """What a config.json says."""

    @abstractmethod
    def shape(self, config: PretrainedConfig) -> Shape:
        """The sizes a configuration gives."""

    @abstractmethod
    def resized(self, config: PretrainedConfig, shape: Shape) -> PretrainedConfig:
        """A copy of a configuration with other sizes; vocabulary, positions, dropout and head stay."""

    def take_layers(self, config: PretrainedConfig, teacher: PretrainedConfig, copied: Sequence[int]) -> None:  # noqa: B027
        """Say in the configuration of a student, in place, what the teacher's says of the layers that it is made of.

        Args:
            config: As of `resized`.
            teacher: The teacher's.
            copied: The teacher's layer for each of the student's, from 1; most families need not know.
        """

    @abstractmethod
    def longest(self, config: PretrainedConfig) -> int:
        """How many pieces, special ones included, such a network can read."""

    @abstractmethod
    def create(self, config: PretrainedConfig, head: str) -> Network:
        """A network with initial weights, drawn from torch's generator; `head` as of `load`."""

    @abstractmethod
    def load(self, folder: Path, config: PretrainedConfig, head: str, *, new_head: bool) -> tuple[Network, list[str]]:
        """A stored network in float32 on the CPU, in eval mode; and the weights that do not fit it, by name.

        Args:
            folder: Holds the weights, as safetensors.
            config: Its configuration.
            head: The class of transformers that ends as it does, such as `MASKED_LM`.
            new_head: Whether the head is drawn from torch's generator; otherwise it must be stored.
        """
