"""Where a Transformer of Hugging Face keeps its layers, projections, norms, heads and sizes.

Read from the transformers sources (5.3 and later). Paths are dotted module names: those of the network start at the
base model (`model.base_model`, without head), those of a layer at that layer, those of a head at the whole model.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from jaxtyping import Bool, Float, Shaped
from torch import Tensor, nn
from transformers import PretrainedConfig, PreTrainedModel
from transformers.activations import ACT2FN

from tinybert.families.attention import BY_MATRICES, Attention, Place
from tinybert.families.network import MASKED_LM, OF_ANSWERS, OF_TAGS, Shape
from tinybert.types import Batch, waits


@dataclass(frozen=True)
class Block:
    """Where a layer of BERT's build keeps its parts: attention, then two matrices, a norm behind each.

    Attributes:
        attention_output: The matrix after the heads are joined; `attention_norm` follows it.
        inner: The matrix from width to inner; `output`, back to width, and `output_norm` follow.
    """

    query: str = "attention.self.query"
    key: str = "attention.self.key"
    value: str = "attention.self.value"
    attention_output: str = "attention.output.dense"
    attention_norm: str = "attention.output.LayerNorm"
    inner: str = "intermediate.dense"
    output: str = "output.dense"
    output_norm: str = "output.LayerNorm"


@dataclass(frozen=True)
class Layout:
    """Where one kind of network keeps its parts.

    Attributes:
        model_type: The name in config.json.
        layers: The list of layers; where `shared`, the one layer that is called again and again.
        least: How many layers have to run.
        block: The parts of a layer; None where it is built otherwise.
        gated: Whether the feed-forward has a third matrix, which says what passes.
        attention: How it is seen what the attention of a layer does.
        embedding_tables: Embeddings that are added up, where a network has them; word pieces first.
        embedding_output: The module whose output is `hidden_states[0]`; the first of these that a network has.
        beside_layers: What belongs to no layer and no head, besides `embedding_output`, where a network has it.
        after_first: What follows the first layer, where a network has it.
        final_norm: What follows the last layer, and belongs to the states after it.
        position_bias: An embedding (distance, head) that is added to the scores of every layer.
        head_hidden: What lies below the logits, in the whole model; BERT's is the pooler.
        head_output: The matrix that gives the logits, in the whole model.
        piece_head: The head that gives logits of every piece, in the whole model; its matrix is the last part.
        answer_head: The same of a head that finds answers.
        masked_lm: The masked-LM head, in the whole model: parts that are called one after the other.
        token_types: Whether the forward pass takes token_type_ids.
        fused: Whether transformers offers fused attention.
        first_position: The number of the first piece's position; positions before it are reserved.
        inner_size: The inner size's name in the configuration; `activation` likewise.
    """

    model_type: str
    layers: str = "encoder.layer"
    shared: bool = False
    least: int = 0
    block: Block | None = Block()
    gated: bool = False
    attention: Attention = BY_MATRICES
    embedding_tables: tuple[str, ...] = (
        "embeddings.word_embeddings",
        "embeddings.position_embeddings",
        "embeddings.token_type_embeddings",
    )
    embedding_norm: str = "embeddings.LayerNorm"
    embedding_output: tuple[str, ...] = ("embeddings",)
    beside_layers: tuple[str, ...] = ()
    after_first: str | None = None
    final_norm: str | None = None
    position_bias: str | None = None
    head_hidden: str = "classifier.dense"
    head_output: str = "classifier.out_proj"
    piece_head: tuple[str, ...] = ("classifier",)
    answer_head: tuple[str, ...] = ("qa_outputs",)
    masked_lm: tuple[str, ...] = ("lm_head",)
    token_types: bool = True
    fused: bool = True
    first_position: int = 0
    inner_size: str = "intermediate_size"
    activation: str = "hidden_act"

    def head(self, auto: str) -> tuple[str, ...]:
        """The modules of a head, by the class of transformers that has it."""
        if auto.endswith(OF_TAGS):
            return self.piece_head
        if auto.endswith(OF_ANSWERS):
            return self.answer_head
        return self.masked_lm if auto == MASKED_LM else (self.head_hidden, self.head_output)

    def shape(self, config: PretrainedConfig) -> Shape:
        """The sizes a configuration gives."""
        inner = getattr(config, self.inner_size)
        return Shape(config.num_hidden_layers, config.hidden_size, config.num_attention_heads, inner)


class Layer:
    """The parts of one layer of BERT's build, with the names that `Block` has for their paths."""

    def __init__(self, block: Block, module: nn.Module) -> None:
        self.query, self.key, self.value = (_linear(module, path) for path in (block.query, block.key, block.value))
        self.attention_output = _linear(module, block.attention_output)
        self.attention_norm = _norm(module, block.attention_norm)
        self.inner, self.output = _linear(module, block.inner), _linear(module, block.output)
        self.output_norm = _norm(module, block.output_norm)


@dataclass(frozen=True)
class Parts:
    """The parts of one network; layer m of a trace is layer m here, from 1."""

    layout: Layout
    model: PreTrainedModel

    @property
    def base(self) -> nn.Module:
        """The network without its head."""
        base: nn.Module = self.model.base_model
        return base

    @property
    def layers(self) -> list[nn.Module]:
        """All layers, bottom first; a shared one stands there as often as it runs."""
        found = self.base.get_submodule(self.layout.layers)
        if self.layout.shared:
            return [found] * int(self.model.config.num_hidden_layers)
        return list(found.children())

    def layer(self, number: int) -> Layer:
        """One layer of BERT's build."""
        assert self.layout.block is not None
        return Layer(self.layout.block, self.layers[number - 1])

    def call(self, layer: int) -> int:
        """Which call of its modules is that of a layer."""
        return layer - 1 if self.layout.shared else 0

    @property
    def embedding_output(self) -> nn.Module:
        """The module whose output is `hidden_states[0]`."""
        return next(module for path in self.layout.embedding_output if (module := self._found(path)) is not None)

    @property
    def embedding_tables(self) -> list[nn.Embedding]:
        """The embeddings that are added up."""
        return [_embedding(self.base, path) for path in self.layout.embedding_tables if self._found(path) is not None]

    @property
    def embedding_norm(self) -> nn.LayerNorm:
        """What follows the sum of the embeddings."""
        return _norm(self.base, self.layout.embedding_norm)

    @property
    def position_bias(self) -> nn.Embedding | None:
        """What is added to the scores of every layer, by distance and head."""
        return _embedding(self.base, self.layout.position_bias) if self.layout.position_bias else None

    @property
    def below_layers(self) -> list[nn.Module]:
        """Everything that is not part of a layer or a head: embeddings, what follows them, a position bias."""
        layout = self.layout
        paths = (*layout.embedding_output, layout.position_bias, *layout.beside_layers, layout.final_norm)
        return [module for path in paths if (module := self._found(path)) is not None]

    @property
    def activation(self) -> Callable[[Tensor], Tensor]:
        """The function between the two matrices of a feed-forward block."""
        found: Callable[[Tensor], Tensor] = ACT2FN[getattr(self.model.config, self.layout.activation)]
        return found

    @property
    def heads(self) -> int:
        """How many heads a layer's attention has."""
        return int(self.model.config.num_attention_heads)

    def states_after(self, layer: int) -> Place:
        """Where the hidden states after a layer are seen; 0 = the embeddings."""
        if layer == 0:
            return Place(self.embedding_output)
        if layer == 1 and (after := self._found(self.layout.after_first)) is not None:
            return Place(after)
        if layer == len(self.layers) and (norm := self._found(self.layout.final_norm)) is not None:
            return Place(norm)
        return Place(self.layers[layer - 1], self.call(layer))

    @property
    def ends_position_by_position(self) -> bool:
        """Whether the top layer, from its `attention_norm` on, is the last of the network that looks at all pieces."""
        last = self.states_after(len(self.layers)).module is self.layers[-1]
        return self.layout.block is not None and not self.layout.shared and last

    def _found(self, path: str | None) -> nn.Module | None:
        module: Any = self.base
        for name in path.split(".") if path else ():
            module = getattr(module, name, None)
        return module if path else None

    def inputs(self, batch: Batch) -> dict[str, Tensor]:
        """The arguments of the forward pass; token types only where it has a table of more than one."""
        inputs = {"input_ids": batch.input_ids, "attention_mask": self._mask(batch.real)}
        if self.layout.token_types and self.model.config.type_vocab_size > 1:
            inputs["token_type_ids"] = batch.token_type_ids
        return inputs

    def _mask(self, real: Bool[Tensor, "batch piece"]) -> Shaped[Tensor, "batch ..."]:
        """Where pieces are real.

        Of a mask by piece transformers asks whether all of it is true, and the host waits for a GPU; one with axes for
        head and query is handed to fused attention as it is.
        """
        return real[:, None, None] if waits(real.device) and self.takes_any_mask else real.long()

    @property
    def takes_any_mask(self) -> bool:
        """Whether nothing but fused attention reads the mask."""
        fused = self.layout.fused and self.model.config._attn_implementation != "eager"
        return fused and self.layout.block is not None

    def masked_lm_scores(self, states: Float[Tensor, "position width"]) -> Float[Tensor, "position vocabulary"]:
        """What the masked-LM head says of some states of the last layer: scores before softmax.

        Only the states at masked positions are handed over, which leaves out most of the head's work.
        """
        for part in self.layout.masked_lm:
            states = getattr(self.model, part)(states)
        return states

    @contextmanager
    def truncated(self, layers: int) -> Iterator[None]:
        """Inside the block only the bottom `layers` layers run; weights, order and names stay as they are."""
        path, config, whole = self.layout.layers, self.model.config, len(self.layers)
        layers = max(layers, self.layout.least)
        kept = self.base.get_submodule(path)
        if not self.layout.shared:
            self.base.set_submodule(path, nn.ModuleList(self.layers[:layers]))
        config.num_hidden_layers = layers
        try:
            yield
        finally:
            config.num_hidden_layers = whole
            self.base.set_submodule(path, kept)


def _linear(parent: nn.Module, path: str) -> nn.Linear:
    found = parent.get_submodule(path)
    assert isinstance(found, nn.Linear)
    return found


def _norm(parent: nn.Module, path: str) -> nn.LayerNorm:
    found = parent.get_submodule(path)
    assert isinstance(found, nn.LayerNorm)
    return found


def _embedding(parent: nn.Module, path: str) -> nn.Embedding:
    found = parent.get_submodule(path)
    assert isinstance(found, nn.Embedding)
    return found
