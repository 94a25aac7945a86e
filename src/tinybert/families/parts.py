"""Where a Transformer of Hugging Face keeps its layers, projections, norms, heads and sizes.

Read from the transformers sources (5.3 and later). Paths are dotted module names: those of the network start at the
base model (`model.base_model`, without head), those of a layer at that layer, those of a head at the whole model.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn
from transformers import PretrainedConfig, PreTrainedModel
from transformers.activations import ACT2FN

from tinybert.families.network import MASKED_LM, OF_ANSWERS, OF_TAGS, Shape
from tinybert.types import Batch


@dataclass(frozen=True)
class Layout:
    """Where one kind of network keeps its parts.

    Attributes:
        model_type: The name in config.json.
        embedding_tables: Embeddings that are added up; word pieces first.
        embedding_output: The module whose output is `hidden_states[0]`; the first of these that a network has.
        attention_output: The matrix after the heads are joined; `attention_norm` follows it.
        inner: The matrix from width to inner; `output`, back to width, and `output_norm` follow.
        position_bias: An embedding (distance, head) that is added to the scores of every layer.
        head_hidden: The square matrix below the logits, in the whole model; BERT's is the pooler.
        head_output: The matrix that gives the logits, in the whole model.
        piece_head: The only matrix of a head that gives logits of every piece, in the whole model.
        answer_head: The same of a head that finds answers.
        masked_lm: The masked-LM head, in the whole model: parts that are called one after the other.
        token_types: Whether the forward pass takes token_type_ids.
        fused: Whether transformers offers fused attention.
        first_position: The number of the first piece's position; positions before it are reserved.
        inner_size: The inner size's name in the configuration; `activation` likewise.
    """

    model_type: str
    layers: str = "encoder.layer"
    embedding_tables: tuple[str, ...] = (
        "embeddings.word_embeddings",
        "embeddings.position_embeddings",
        "embeddings.token_type_embeddings",
    )
    embedding_norm: str = "embeddings.LayerNorm"
    embedding_output: tuple[str, ...] = ("embeddings",)
    query: str = "attention.self.query"
    key: str = "attention.self.key"
    value: str = "attention.self.value"
    attention_output: str = "attention.output.dense"
    attention_norm: str = "attention.output.LayerNorm"
    inner: str = "intermediate.dense"
    output: str = "output.dense"
    output_norm: str = "output.LayerNorm"
    position_bias: str | None = None
    head_hidden: str = "classifier.dense"
    head_output: str = "classifier.out_proj"
    piece_head: str = "classifier"
    answer_head: str = "qa_outputs"
    masked_lm: tuple[str, ...] = ("lm_head",)
    token_types: bool = True
    fused: bool = True
    first_position: int = 0
    inner_size: str = "intermediate_size"
    activation: str = "hidden_act"

    def head(self, auto: str) -> tuple[str, ...]:
        """The modules of a head, by the class of transformers that has it."""
        if auto.endswith(OF_TAGS):
            return (self.piece_head,)
        if auto.endswith(OF_ANSWERS):
            return (self.answer_head,)
        return self.masked_lm if auto == MASKED_LM else (self.head_hidden, self.head_output)

    def shape(self, config: PretrainedConfig) -> Shape:
        """The sizes a configuration gives."""
        inner = getattr(config, self.inner_size)
        return Shape(config.num_hidden_layers, config.hidden_size, config.num_attention_heads, inner)


class Layer:
    """The parts of one layer; each is a module of that layer, with the name that `Layout` has for its path."""

    def __init__(self, layout: Layout, module: nn.Module) -> None:
        self.module = module
        self.query, self.key, self.value = (_linear(module, path) for path in (layout.query, layout.key, layout.value))
        self.attention_output = _linear(module, layout.attention_output)
        self.attention_norm = _norm(module, layout.attention_norm)
        self.inner, self.output = _linear(module, layout.inner), _linear(module, layout.output)
        self.output_norm = _norm(module, layout.output_norm)


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
    def layers(self) -> nn.ModuleList:
        """All layers, bottom first."""
        layers = self.base.get_submodule(self.layout.layers)
        assert isinstance(layers, nn.ModuleList)
        return layers

    def layer(self, number: int) -> Layer:
        """One layer."""
        return Layer(self.layout, self.layers[number - 1])

    @property
    def embedding_output(self) -> nn.Module:
        """The module whose output is `hidden_states[0]`."""
        module: nn.Module = next(
            getattr(self.base, name) for name in self.layout.embedding_output if hasattr(self.base, name)
        )
        return module

    @property
    def embedding_tables(self) -> list[nn.Embedding]:
        """The embeddings that are added up."""
        return [_embedding(self.base, path) for path in self.layout.embedding_tables]

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
        found = [getattr(self.base, name) for name in self.layout.embedding_output if hasattr(self.base, name)]
        return found if self.position_bias is None else [*found, self.position_bias]

    @property
    def activation(self) -> Callable[[Tensor], Tensor]:
        """The function between the two matrices of a feed-forward block."""
        found: Callable[[Tensor], Tensor] = ACT2FN[getattr(self.model.config, self.layout.activation)]
        return found

    @property
    def heads(self) -> int:
        """How many heads a layer's attention has."""
        return int(self.model.config.num_attention_heads)

    def states_after(self, layer: int) -> nn.Module:
        """The module that gives the hidden states after a layer; 0 = the embeddings."""
        return self.layers[layer - 1] if layer else self.embedding_output

    def inputs(self, batch: Batch) -> dict[str, Tensor]:
        """The arguments of the forward pass; token types only where it has a table of more than one."""
        inputs = {"input_ids": batch.input_ids, "attention_mask": batch.real.long()}
        if self.layout.token_types and self.model.config.type_vocab_size > 1:
            inputs["token_type_ids"] = batch.token_type_ids
        return inputs

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
        whole = self.layers
        self.base.set_submodule(self.layout.layers, whole[:layers])
        try:
            yield
        finally:
            self.base.set_submodule(self.layout.layers, whole)


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
