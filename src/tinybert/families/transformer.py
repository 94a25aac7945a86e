"""The encoders of Hugging Face behind the protocol: a plain transformers model, and a layout of where its parts are."""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import torch
import transformers
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn
from transformers import AutoConfig, PretrainedConfig, PreTrainedModel

from tinybert.errors import UserError
from tinybert.families import trace
from tinybert.families.attention import Rotary
from tinybert.families.network import Family, Network, Shape
from tinybert.families.parts import Layout, Parts
from tinybert.precision import attention_kernel
from tinybert.types import SIGNAL_KINDS, Batch, Signal, Trace, head_logits


@final
class Transformer(Network):
    """A transformers model; saved, it is a plain transformers folder.

    Attributes:
        model: The model.
        layout: Where its parts are.
    """

    library = "transformers"

    def __init__(self, layout: Layout, model: PreTrainedModel) -> None:
        super().__init__()
        self.layout, self.model = layout, model
        self.training = model.training

    @property
    def signals(self) -> frozenset[str]:  # type: ignore[override]
        """All that there are."""
        return frozenset(SIGNAL_KINDS)

    @property
    def config(self) -> PretrainedConfig:
        """The model's configuration."""
        return self.model.config

    @property
    def parts(self) -> Parts:
        """Where layers, matrices and embeddings are."""
        return Parts(self.layout, self.model)

    @property
    def shape(self) -> Shape:
        """Its sizes."""
        return self.layout.shape(self.config)

    @property
    def longest(self) -> int:
        """How many pieces, special ones included, the position embeddings have room for."""
        return int(self.config.max_position_embeddings) - self.layout.first_position

    @property
    def piece_vectors(self) -> Float[Tensor, "vocabulary width"]:
        """The input embeddings of all pieces; ELECTRA's may be narrower than its layers."""
        vectors: Tensor = self.model.get_input_embeddings().weight
        return vectors

    @property
    def saved_as(self) -> str:
        """The model's class."""
        return type(self.model).__name__

    @property
    def last(self) -> nn.Linear:
        """The matrix of the head that gives the logits."""
        part = self.model.get_submodule(self.layout.head(self.saved_as)[-1])
        assert isinstance(part, nn.Linear)
        return part

    def inputs(self, batch: Batch) -> dict[str, Tensor]:
        """The arguments of `forward`; token types only where there is a table of more than one."""
        return self.parts.inputs(batch)

    def forward(
        self,
        input_ids: Int[Tensor, "batch piece"],
        attention_mask: Shaped[Tensor, "batch *one piece"],
        token_type_ids: Int[Tensor, "batch piece"] | None = None,
    ) -> Float[Tensor, "batch ..."]:
        """The logits of the head; the states of the last layer where there is no head."""
        types = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
        result = self.model(input_ids=input_ids, attention_mask=attention_mask, **types)
        return result[0] if (logits := head_logits(result)) is None else logits

    def record(self, batch: Batch, needs: frozenset[Signal]) -> Trace:
        """One forward pass; see `trace`."""
        return trace.record(self.parts, batch, needs)

    def weights(self) -> Mapping[str, Tensor]:
        """All weights, by transformers' names."""
        weights: Mapping[str, Tensor] = self.model.state_dict()
        return weights

    def save(self, folder: Path) -> None:
        """Write config.json and model.safetensors as transformers does."""
        self.model.save_pretrained(folder)

    def flops(self, length: int, outputs: int) -> int:
        """See `forward_flops`."""
        keys = getattr(self.config, "num_key_value_heads", None) or self.shape.heads
        plain = forward_flops(length, self.shape, outputs, gated=self.layout.gated, key_heads=keys)
        return plain + self.shape.layers * self.layout.attention.more_flops(self.config, length)

    @property
    def waited_for(self) -> bool:
        """See `Network`; transformers asks whether anything is masked, where it does not get a mask of its liking."""
        return not self.parts.takes_any_mask

    def use_fastest_attention(self, dtype: torch.dtype, device: torch.device) -> None:
        """Switch to the attention that is fastest where the network will run; MPNet has only its own."""
        if self.layout.fused:
            self.model.set_attn_implementation(attention_kernel(dtype, device))

    def body(self) -> "Transformer":
        """The network without its head; shares the weights."""
        return Transformer(self.layout, self.model.base_model)


def forward_flops(length: int, shape: Shape, outputs: int, *, gated: bool = False, key_heads: int | None = None) -> int:
    """Floating-point operations of one forward pass of a BERT-like classifier on one text.

    Matrix products only, a multiply-add counted as two: per layer the four attention projections (4 L w², less where
    heads share keys), scores and weighted sum (2 L² w), the feed-forward pair (2 L w i; gated, three matrices); then
    pooler (w²) and head (w o). Softmax, LayerNorm, GELU, biases and look-ups are left out (below 1 %), as is ELECTRA's
    embedding projection. Counted so, BERT-base at 128 pieces costs 22.4 G and TinyBERT4 1.25 G; Table 1 of the
    TinyBERT paper has 22.5 B and 1.2 B.
    """
    width, inner = shape.width, shape.inner
    projections = 2 * width**2 + 2 * width**2 * (key_heads or shape.heads) // max(shape.heads, 1)
    layer = length * projections + 2 * length**2 * width + (2 + gated) * length * width * inner
    return 2 * (shape.layers * layer + width**2 + width * outputs)


def _as_it_is(*_: Any) -> None:
    """Most families have no other sizes than those of a `Shape`, and layers that are all alike."""


@final
@dataclass(frozen=True)
class TransformerFamily(Family):
    """A family of transformers models.

    Attributes:
        layout: Where the parts are.
        resize_more: Sets sizes of a configuration that a `Shape` does not have.
        take_more: See `take_layers`.
        starts: How students can be made out of its networks.
    """

    layout: Layout
    resize_more: Callable[[PretrainedConfig, Shape], None] = _as_it_is
    take_more: Callable[[PretrainedConfig, PretrainedConfig, Sequence[int]], None] = _as_it_is
    starts: frozenset[str] = frozenset({"project", "layers", "random"})

    @property
    def name(self) -> str:  # type: ignore[override]
        """`model_type` in config.json."""
        return self.layout.model_type

    @property
    def task_head(self) -> str:  # type: ignore[override]
        """The matrix that gives the logits."""
        return self.layout.head_output

    @property
    def piece_head(self) -> str:  # type: ignore[override]
        """The matrix that gives the logits of every piece."""
        return self.layout.piece_head[-1]

    @property
    def answer_head(self) -> str | None:  # type: ignore[override]
        """The matrix that says of every piece how well an answer begins and ends there."""
        return self.layout.answer_head[-1] if self.layout.answer_head else None

    @property
    def masked_lm_head(self) -> str:  # type: ignore[override]
        """The part of the masked-LM head that gives its scores; ModernBERT's other part belongs to all heads."""
        return self.layout.masked_lm[-1]

    @property
    def token_types(self) -> bool:  # type: ignore[override]
        """Whether the forward pass takes token types."""
        return self.layout.token_types

    @property
    def gated(self) -> bool:  # type: ignore[override]
        """Whether a third matrix of the feed-forward says what passes."""
        return self.layout.gated

    @property
    def even_heads(self) -> bool:  # type: ignore[override]
        """Rotary positions turn pairs of numbers."""
        return isinstance(self.layout.attention, Rotary)

    @property
    def padding(self) -> int | None:  # type: ignore[override]
        """Some count positions from the padding piece."""
        return self.layout.first_position - 1 if self.layout.first_position else None

    def config(self, content: Mapping[str, Any]) -> PretrainedConfig:
        """What a config.json says."""
        found: PretrainedConfig = type(AutoConfig.for_model(self.name)).from_dict(dict(content))
        if self.layout.shared and (found.num_hidden_groups, found.inner_group_num) != (1, 1):
            raise UserError(f"{self.name} networks of several groups of layers are not supported")
        return found

    def shape(self, config: PretrainedConfig) -> Shape:
        """The sizes a configuration gives."""
        return self.layout.shape(config)

    def longest(self, config: PretrainedConfig) -> int:
        """How many pieces the position embeddings have room for."""
        return int(config.max_position_embeddings) - self.layout.first_position

    def resized(self, config: PretrainedConfig, shape: Shape) -> PretrainedConfig:
        """A copy of a configuration with other sizes."""
        new = copy.deepcopy(config)
        new.num_hidden_layers, new.hidden_size, new.num_attention_heads = shape.layers, shape.width, shape.heads
        setattr(new, self.layout.inner_size, shape.inner)
        for name in ("head_dim", "attention_head_size"):
            if getattr(new, name, None):
                setattr(new, name, shape.width // shape.heads)
        self.resize_more(new, shape)
        return new

    def take_layers(self, config: PretrainedConfig, teacher: PretrainedConfig, copied: Sequence[int]) -> None:
        """Say in a student's configuration what is said of the layers in the teacher's."""
        self.take_more(config, teacher, copied)

    def create(self, config: PretrainedConfig, head: str) -> Transformer:
        """A network with transformers' initial weights, in eval mode."""
        self._require(head)
        return Transformer(self.layout, getattr(transformers, head).from_config(config, dtype=torch.float32).eval())

    def load(
        self, folder: Path, config: PretrainedConfig, head: str, *, new_head: bool
    ) -> tuple[Transformer, list[str]]:
        """Load weights; each must be stored and fit, except those of a new head, which are random."""
        self._require(head)
        model, report = getattr(transformers, head).from_pretrained(
            folder,
            config=config,
            dtype=torch.float32,
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            ignore_mismatched_sizes=True,  # so that the report names them
            output_loading_info=True,
        )
        layout = self.layout
        new = tuple(f"{module}." for module in layout.head(head)) if new_head else ()
        missing = {name for name in report["missing_keys"] if not name.startswith(new)}
        surplus = {name for name in report["unexpected_keys"] if f"{layout.layers}." in name}
        wrong = {entry[0] for entry in report["mismatched_keys"]}
        return Transformer(layout, model), sorted(missing | surplus | wrong)

    def _require(self, head: str) -> None:
        """Refuse a head that transformers does not have for the family."""
        if not self.layout.head(head):
            raise UserError(f"{self.name} networks have no head for this kind of task in transformers ({head})")
