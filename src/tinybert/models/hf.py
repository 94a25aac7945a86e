"""Every fact about Hugging Face names: where an architecture keeps its layers, projections, norms, heads and sizes.

Read from the transformers sources (5.3 and later). Paths are dotted module names: those of the network start at the
base model (`model.base_model`, without head), those of a layer at that layer, those of a head at the whole model.
"""

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import PretrainedConfig, PreTrainedModel
from transformers.activations import ACT2FN

from tinybert.errors import UserError
from tinybert.types import Batch


@dataclass(frozen=True)
class Architecture:
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
    masked_lm: tuple[str, ...] = ("lm_head",)
    token_types: bool = True
    fused: bool = True
    first_position: int = 0
    inner_size: str = "intermediate_size"
    activation: str = "hidden_act"


ARCHITECTURES = {
    architecture.model_type: architecture
    for architecture in (
        Architecture("bert", head_hidden="bert.pooler.dense", head_output="classifier", masked_lm=("cls",)),
        # Positions are counted from the padding piece's id, which is 1 in every published model of these three.
        Architecture("roberta", first_position=2),
        Architecture("xlm-roberta", first_position=2),
        Architecture("camembert", first_position=2),
        Architecture(
            "electra",
            embedding_output=("embeddings_project", "embeddings"),
            masked_lm=("generator_predictions", "generator_lm_head"),
        ),
        Architecture(
            "distilbert",
            layers="transformer.layer",
            embedding_tables=("embeddings.word_embeddings", "embeddings.position_embeddings"),
            query="attention.q_lin",
            key="attention.k_lin",
            value="attention.v_lin",
            attention_output="attention.out_lin",
            attention_norm="sa_layer_norm",
            inner="ffn.lin1",
            output="ffn.lin2",
            output_norm="output_layer_norm",
            head_hidden="pre_classifier",
            head_output="classifier",
            masked_lm=("vocab_transform", "activation", "vocab_layer_norm", "vocab_projector"),
            token_types=False,
            inner_size="hidden_dim",
            activation="activation",
        ),
        Architecture(
            "mpnet",
            embedding_tables=("embeddings.word_embeddings", "embeddings.position_embeddings"),
            query="attention.attn.q",
            key="attention.attn.k",
            value="attention.attn.v",
            attention_output="attention.attn.o",
            attention_norm="attention.LayerNorm",
            position_bias="encoder.relative_attention_bias",
            token_types=False,
            fused=False,
            first_position=2,
        ),
    )
}


@dataclass(frozen=True)
class Shape:
    """The sizes of a network."""

    layers: int
    width: int
    heads: int
    inner: int


def architecture_of(network: PreTrainedModel | PretrainedConfig) -> Architecture:
    """The facts about a network's architecture.

    Raises:
        UserError: If the architecture is not supported; the error lists those that are.
    """
    config: Any = network.config if isinstance(network, nn.Module) else network
    return architecture_named(config.model_type, str(getattr(config, "name_or_path", "") or "model"))


def architecture_named(model_type: Any, where: str) -> Architecture:
    """As `architecture_of`, by the model type; `where` opens the error."""
    if not isinstance(model_type, str) or model_type not in ARCHITECTURES:
        raise UserError(f"{where}: architecture {model_type!r} is not supported; use one of {', '.join(ARCHITECTURES)}")
    return ARCHITECTURES[model_type]


def shape_of(config: PretrainedConfig) -> Shape:
    """The sizes a configuration gives."""
    inner = getattr(config, architecture_of(config).inner_size)
    return Shape(config.num_hidden_layers, config.hidden_size, config.num_attention_heads, inner)


def resized(config: PretrainedConfig, shape: Shape) -> PretrainedConfig:
    """A copy of a configuration with other sizes; vocabulary, positions, dropout and head stay."""
    changed = copy.deepcopy(config)
    changed.num_hidden_layers, changed.hidden_size, changed.num_attention_heads = shape.layers, shape.width, shape.heads
    setattr(changed, architecture_of(config).inner_size, shape.inner)
    if hasattr(config, "embedding_size"):  # ELECTRA: never wider than the network itself
        changed.embedding_size = min(config.embedding_size, shape.width)
    return changed


def longest_input(config: PretrainedConfig) -> int:
    """How many pieces, special ones included, the position embeddings have room for."""
    return int(config.max_position_embeddings) - architecture_of(config).first_position


def layers_of(model: PreTrainedModel) -> nn.ModuleList:
    """The layers of a network, bottom first; layer m of a trace is number m - 1 here."""
    layers = model.base_model.get_submodule(architecture_of(model).layers)
    assert isinstance(layers, nn.ModuleList)
    return layers


def activation_of(model: PreTrainedModel) -> Callable[[Tensor], Tensor]:
    """The function between the two matrices of a feed-forward block."""
    found: Callable[[Tensor], Tensor] = ACT2FN[getattr(model.config, architecture_of(model).activation)]
    return found


def embedding_output_of(model: PreTrainedModel) -> nn.Module:
    """The module whose output is `hidden_states[0]`."""
    base = model.base_model
    module: nn.Module = next(
        getattr(base, name) for name in architecture_of(model).embedding_output if hasattr(base, name)
    )
    return module


def states_after(model: PreTrainedModel, layer: int) -> nn.Module:
    """The module that gives the hidden states after a layer; 0 = the embeddings."""
    return layers_of(model)[layer - 1] if layer else embedding_output_of(model)


def inputs_of(model: PreTrainedModel, batch: Batch) -> dict[str, Tensor]:
    """The arguments of a network's forward pass; token types only where it has a table of more than one."""
    inputs = {"input_ids": batch.input_ids, "attention_mask": batch.real.long()}
    if architecture_of(model).token_types and model.config.type_vocab_size > 1:
        inputs["token_type_ids"] = batch.token_type_ids
    return inputs


def masked_lm_scores(model: PreTrainedModel, states: Float[Tensor, "place width"]) -> Float[Tensor, "place vocabulary"]:
    """What the masked-LM head says of some states of the last layer: scores before softmax.

    Example of use: only the states at masked places are handed over, which leaves out most of the head's work.
    """
    for part in architecture_of(model).masked_lm:
        states = getattr(model, part)(states)
    return states


def give_token_types(model: PreTrainedModel, count: int, seed: int) -> None:
    """Make a network read `count` token types, in place; a table with fewer rows gives way to a random one.

    Raises:
        UserError: If its architecture has no token types.
    """
    if not architecture_of(model).token_types:
        others = ", ".join(kind for kind, architecture in ARCHITECTURES.items() if architecture.token_types)
        raise UserError(f"{model.config.model_type} networks read no token types; take one of {others}")
    if model.config.type_vocab_size >= count:
        return
    embeddings: Any = model.base_model.get_submodule("embeddings")
    before = embeddings.token_type_embeddings.weight
    spread = torch.Generator().manual_seed(seed)
    fresh = torch.randn(count, before.shape[1], generator=spread) * model.config.initializer_range
    embeddings.token_type_embeddings = nn.Embedding(count, before.shape[1], _weight=fresh.to(before))
    model.config.type_vocab_size = count


@contextmanager
def without_dropout(model: PreTrainedModel) -> Iterator[None]:
    """Inside the block there is no dropout, in training neither: one pass over much text needs none.

    Measured: a tenth of the time of an update of general distillation, a fifth of one of masked-LM training.
    """
    before = {module: module.p for module in model.modules() if isinstance(module, nn.Dropout)}
    try:
        for module in before:
            module.p = 0.0
        yield
    finally:
        for module, share in before.items():
            module.p = share


@contextmanager
def truncated(model: PreTrainedModel, layers: int) -> Iterator[None]:
    """Inside the block only the bottom `layers` layers run; weights, their order and their names stay as they are."""
    path = architecture_of(model).layers
    whole = layers_of(model)
    model.base_model.set_submodule(path, whole[:layers])
    try:
        yield
    finally:
        model.base_model.set_submodule(path, whole)


def attention_kernel(dtype: torch.dtype, device: torch.device) -> str:
    """Which attention is fastest: "sdpa" (fused) or "eager".

    Measured with benchmarks/attention_kernels.py, 32 examples, 12 heads of 64, one thread, torch 2.13, forward time of
    eager over fused: on a CPU without bfloat16 instructions 2.0, 1.2, 3.5 in float32 and 15, 13, 14 in bfloat16 at 32,
    64, 128 pieces, so fused throughout. With AVX512-BF16 torch's fused kernel is slow in bfloat16: 28 ms at 64 pieces
    and heads of 32, seven times its own backward pass, and eager attention takes a whole training step from 1.00 to
    0.69 s. On CUDA fused attention is the rule.
    """
    return "eager" if device.type == "cpu" and dtype == torch.bfloat16 and native_bfloat16(device) else "sdpa"


def use_fastest_attention(model: PreTrainedModel, dtype: torch.dtype, device: torch.device) -> None:
    """Switch a network to the attention that is fastest where it will run; MPNet has only its own."""
    if architecture_of(model).fused:
        model.set_attn_implementation(attention_kernel(dtype, device))


def native_bfloat16(device: torch.device) -> bool:
    """Whether a device multiplies bfloat16 matrices in hardware; without that it is slower than float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu" or not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    ask: Callable[[], Mapping[str, Any]] = getattr(torch.cpu, "get_capabilities", dict)  # older torch cannot say
    return any(ask().get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))
