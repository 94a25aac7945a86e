"""What a network shows at the real pieces of some text, module by module: what `narrowing` computes with."""

from collections.abc import Hashable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import PreTrainedModel

from tinybert.models.hf import architecture_of, inputs_of, layers_of, states_after, truncated
from tinybert.models.inference import evaluation_mode
from tinybert.types import Batch

Key = TypeVar("Key", bound=Hashable)


def record(
    model: PreTrainedModel,
    batches: Iterable[Batch],
    modules: Mapping[Key, nn.Module],
    layers: int,
    side: Literal["input", "output"] = "output",
) -> dict[Key, Float[Tensor, "piece _"]]:
    """What goes into modules, or comes out of them, when the bottom layers run; padding is left out.

    Args:
        model: Runs in eval mode and without its head.
        batches: What it runs on.
        modules: Which modules, by any names.
        layers: How many layers run.
        side: Of the modules.

    Returns:
        Per name the rows of all real pieces, in the batches' order, float32 and on the CPU.
    """
    rows: dict[Key, list[Tensor]] = {key: [] for key in modules}
    last: dict[Key, Tensor] = {}

    def keep(key: Key, _: nn.Module, given: Any, got: Any) -> None:
        value = given if side == "input" else got
        last[key] = value if isinstance(value, Tensor) else value[0]

    with evaluation_mode(model), truncated(model, layers), ExitStack() as hooks:
        for key, module in modules.items():
            hooks.callback(module.register_forward_hook(partial(keep, key)).remove)
        for batch in batches:
            moved = batch.to(model.device)
            model.base_model(**inputs_of(model, moved))
            for key, value in last.items():
                rows[key].append(value[moved.real].float().cpu())
    return {key: torch.cat(rows.pop(key)) for key in modules}  # popped, so that not everything exists twice


def enough(batches: Iterable[Batch], pieces: int) -> list[Batch]:
    """The first batches, until they hold enough real pieces; all, where there are fewer."""
    taken: list[Batch] = []
    read = 0
    for batch in batches:
        taken.append(batch)
        read += int(batch.real.sum())
        if read >= pieces:
            break
    return taken


@dataclass(frozen=True)
class TeacherStates:
    """What the teacher shows at the real pieces, in its own width.

    Attributes:
        hidden: By layer: after it; 0 = embeddings.
        attended: By layer: after its attention sublayer, before the feed-forward.
    """

    hidden: dict[int, Float[Tensor, "piece width"]]
    attended: dict[int, Float[Tensor, "piece width"]]


def teacher_states(teacher: PreTrainedModel, batches: Iterable[Batch], copied: Iterable[int]) -> TeacherStates:
    """The states before, inside and after the layers that are copied, and the embeddings."""
    layers, copied = layers_of(teacher), sorted(copied)
    norm = architecture_of(teacher).attention_norm
    wanted = {0, *copied, *(layer - 1 for layer in copied)}
    modules = {("hidden", layer): states_after(teacher, layer) for layer in wanted}
    modules |= {("attended", layer): layers[layer - 1].get_submodule(norm) for layer in copied}
    seen = record(teacher, batches, modules, layers=copied[-1])
    return TeacherStates(
        hidden={layer: seen["hidden", layer] for layer in wanted},
        attended={layer: seen["attended", layer] for layer in copied},
    )


def hidden_states(
    model: PreTrainedModel, batches: Iterable[Batch], layers: Iterable[int]
) -> dict[int, Float[Tensor, "piece width"]]:
    """The states after some layers at the real pieces; 0 = embeddings."""
    modules = {layer: states_after(model, layer) for layer in layers}
    return record(model, batches, modules, layers=max(modules))
