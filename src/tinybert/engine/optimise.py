"""AdamW with weight decay groups, how long a stage is, the learning rate of each step, and gradients over ranks."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from math import ceil
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from tinybert.types import Stage

BETAS = (0.9, 0.999)  # BERT's own, Devlin et al. 2019, App. A.2
LEAST_STEPS = 300  # three epochs of eighty rows are nine updates: too few to learn anything
MOST_EVALUATIONS = 20
AStage = TypeVar("AStage", bound=Stage)


def adamw(named: Mapping[str, nn.Parameter], stage: Stage) -> torch.optim.AdamW:
    """Fused AdamW; vectors (biases, LayerNorm) do not decay."""
    matrices = [parameter for parameter in named.values() if parameter.ndim > 1]
    vectors = [parameter for parameter in named.values() if parameter.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": stage.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=stage.lr, betas=BETAS, fused=True)


def resolve_epochs(stage: AStage, rows: int) -> AStage:
    """A stage whose length is open gets the usual epochs, but at least 300 updates and at most `most_epochs`.

    Not every one of many short epochs is evaluated: with few rows that would take longer than training.

    Example:
        >>> resolve_epochs(Stage(epochs=None), 80).epochs, resolve_epochs(Stage(epochs=None), 8635).epochs
        (20, 3)
    """
    if stage.epochs is not None:
        return stage
    updates = ceil(rows / stage.batch_size)  # of one epoch
    epochs = min(max(stage.usual_epochs, ceil(LEAST_STEPS / updates)), max(stage.most_epochs, stage.usual_epochs))
    every = ceil(epochs * updates / MOST_EVALUATIONS) if epochs > MOST_EVALUATIONS else None
    return replace(stage, epochs=epochs, evaluate_every=stage.evaluate_every or every)


def length_of(stage: Stage, rows: int) -> tuple[int, int]:
    """How many updates an epoch of a stage has, and all of the stage.

    Example:
        >>> length_of(Stage(epochs=2, batch_size=32), 70), length_of(Stage(epochs=2, max_steps=5), 70)
        ((3, 6), (3, 5))
    """
    epoch = ceil(rows / stage.batch_size)
    whole = epoch * (stage.epochs or 1)
    return epoch, min(whole, stage.max_steps or whole)


def learning_rate(step: int, total: int, stage: Stage) -> float:
    """The rate of update `step` (from 0) of `total`."""
    if stage.schedule == "constant":
        return stage.lr
    rising = int(stage.warmup * total)
    if step < rising:
        return stage.lr * (step + 1) / rising
    return stage.lr * (total - step) / max(total - rising, 1)


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give all groups the same rate."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate


def make_recordable(optimizer: torch.optim.AdamW, device: torch.device) -> None:
    """Have the optimizer read its rate from the device, where a recorded step finds that of the moment."""
    for group in optimizer.param_groups:
        group["lr"] = torch.tensor(group["lr"], dtype=torch.float32, device=device)
        group["capturable"] = device.type == "cuda"
    optimizer._warned_capturable_if_run_uncaptured = True  # first steps always are


def optimizer_tensors(optimizer: torch.optim.Optimizer, named: Mapping[str, nn.Parameter]) -> dict[str, Tensor]:
    """The optimizer's state by parameter name, flat, as a checkpoint keeps it."""
    states = ((name, optimizer.state[parameter]) for name, parameter in named.items() if parameter in optimizer.state)
    return {f"{name}|{key}": value for name, state in states for key, value in state.items()}


def load_optimizer(
    optimizer: torch.optim.Optimizer, named: Mapping[str, nn.Parameter], tensors: Mapping[str, Tensor]
) -> None:
    """Take back what `optimizer_tensors` gave."""
    for flat, value in tensors.items():
        name, key = flat.split("|")
        parameter = named[name]
        optimizer.state[parameter][key] = value.to(parameter.device)


def sum_gradients_over_ranks(parameters: Iterable[nn.Parameter], world: int) -> None:
    """Add up the gradients of all ranks, in place.

    A parameter that no rank has a gradient for keeps none (so it does not decay either); where only some ranks lack
    one, because they had no example in this update, it counts as zero there.
    """
    if world == 1:
        return
    parameters = list(parameters)
    touched = torch.tensor([float(p.grad is not None) for p in parameters], device=parameters[0].device)
    torch.distributed.all_reduce(touched)
    sums = []
    for parameter in (p for p, count in zip(parameters, touched.tolist(), strict=True) if count):
        found = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad.contiguous()
        parameter.grad = found
        # Each in its place and all at once: a flat copy took twice as long (14 million weights, 2 processes).
        sums.append(torch.distributed.all_reduce(found, async_op=True))
    for summed in sums:
        summed.wait()


def step(optimizer: torch.optim.Optimizer, kept: Float[Tensor, ""], largest: float) -> Float[Tensor, ""]:
    """Make a step by the mean gradient, scaled down to a norm of at most `largest`.

    Where the norm is not finite, as where nothing is kept, nothing changes, and nobody has to ask the device.

    Args:
        optimizer: A fused one: it divides gradients while it reads them, as torch's GradScaler has it do.
        kept: How many examples the gradients are sums over.
        largest: Norm.

    Returns:
        The norm of the mean gradient; not finite if a gradient is not.
    """
    weights = (weight for group in optimizer.param_groups for weight in group["params"])
    norm = nn.utils.get_total_norm(weight.grad for weight in weights if weight.grad is not None) / kept
    told = {"grad_scale": kept * (norm / largest).clamp(min=1.0), "found_inf": (~norm.isfinite()).float()}
    vars(optimizer).update(told)
    optimizer.step()
    for name in told:
        delattr(optimizer, name)  # others let it make steps, too
    return norm
