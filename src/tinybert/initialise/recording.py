"""What networks show at the real pieces of some text, and projections fitted to it."""

from collections.abc import Hashable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from tinybert.families.network import Network
from tinybert.initialise.matrices import moment
from tinybert.layer_maps import LayerMap
from tinybert.models.inference import evaluation_mode
from tinybert.types import Batch, Signal

_PIECES = 10_000  # of text that projections are fitted on: enough for some hundred inputs
_RIDGE = 1e-3  # of the mean square of an input
Key = TypeVar("Key", bound=Hashable)


def record_modules(
    network: Network,
    batches: Iterable[Batch],
    modules: Mapping[Key, nn.Module],
    layers: int,
    side: Literal["input", "output"] = "output",
) -> dict[Key, Float[Tensor, "piece _"]]:
    """What goes into modules, or comes out of them, when the bottom layers run; padding is left out.

    Args:
        network: Runs in eval mode and without its head.
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

    parts = network.parts
    with evaluation_mode(network), parts.truncated(layers), ExitStack() as hooks:
        for key, module in modules.items():
            hooks.callback(module.register_forward_hook(partial(keep, key)).remove)
        for batch in batches:
            moved = batch.to(network.device)
            parts.base(**network.inputs(moved))
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


def teacher_states(teacher: Network, batches: Iterable[Batch], copied: Iterable[int]) -> TeacherStates:
    """The states before, inside and after the layers that are copied, and the embeddings."""
    parts, copied = teacher.parts, sorted(copied)
    wanted = {0, *copied, *(layer - 1 for layer in copied)}
    modules = {("hidden", layer): parts.states_after(layer).module for layer in wanted}
    modules |= {("attended", layer): parts.layer(layer).attention_norm for layer in copied}
    seen = record_modules(teacher, batches, modules, layers=copied[-1])
    return TeacherStates(
        hidden={layer: seen["hidden", layer] for layer in wanted},
        attended={layer: seen["attended", layer] for layer in copied},
    )


def hidden_states(
    network: Network, batches: Iterable[Batch], layers: Iterable[int]
) -> dict[int, Float[Tensor, "piece width"]]:
    """The states after some layers at the real pieces; 0 = embeddings."""
    signals = {layer: Signal("hidden_states", layer) for layer in layers}
    rows: dict[int, list[Tensor]] = {layer: [] for layer in signals}
    with evaluation_mode(network):
        for batch in batches:
            moved = batch.to(network.device)
            trace = network.observe(moved, frozenset(signals.values()))
            for layer, signal in signals.items():
                rows[layer].append(trace[signal][moved.real].float().cpu())
    return {layer: torch.cat(rows.pop(layer)) for layer in signals}


def fitted_directions(
    student: Network, teacher: Network, layers: LayerMap, batches: Iterable[Batch]
) -> Float[Tensor, "teacher_width student_width"]:
    """The matrix that brings a student's states nearest to its teacher's; ours, no paper.

    A projection drawn at random pulls a student that already imitates its teacher away from it until the projection is
    learnt. One matrix that all projections start with: ridge regression over the embedding and all mapped layers, each
    teacher layer weighing the same.

    Args:
        student: Reads the teacher's vocabulary.
        teacher: On the same device.
        layers: Which of its layers teach.
        batches: Text on that device; reading stops after 10,000 pieces.

    Raises:
        ValueError: If there is no text.
    """
    pairs = ((0, 0), *layers.pairs)
    text = enough(batches, _PIECES)
    if not text:
        raise ValueError("there is no text to fit projections on")
    own = hidden_states(student, text, [m for m, _ in pairs])
    theirs = hidden_states(teacher, text, [g for _, g in pairs])
    inputs, outputs = torch.zeros(1, 1, dtype=torch.float64), torch.zeros(1, 1, dtype=torch.float64)
    for m, g in pairs:
        weight = 1 / theirs[g].double().square().sum()
        inputs = inputs + weight * moment(own[m], own[m])
        outputs = outputs + weight * moment(own[m], theirs[g])
    ridge = _RIDGE * inputs.diagonal().mean() * torch.eye(len(inputs), dtype=inputs.dtype)
    solved: Tensor = torch.linalg.solve(inputs + ridge, outputs)
    return solved.T.float()
