"""Made-up traces and batches for the tests of objectives; every axis has a prime of its own."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from tinybert.types import Batch, Signal, Trace

BATCH, CLASSES, HEADS, SEQ, STUDENT_WIDTH, TEACHER_WIDTH = 3, 2, 5, 7, 11, 13
LENGTHS = (4, 7, 2)  # real pieces of each example


@dataclass(frozen=True)
class World:
    """What an objective is given."""

    student: Trace
    teacher: Trace
    batch: Batch


def make_batch(labels: Tensor | None) -> Batch:
    real = torch.arange(SEQ) < torch.tensor(LENGTHS)[:, None]
    pieces = torch.arange(BATCH * SEQ).view(BATCH, SEQ) * real
    return Batch(pieces, torch.zeros_like(pieces), real, labels, torch.arange(BATCH))


def make_trace(needs: Iterable[Signal], width: int, outputs: int, seed: int, dtype: torch.dtype) -> Trace:
    """Random values for exactly the signals asked for."""
    generator = torch.Generator().manual_seed(seed)
    shapes = {
        "logits": (BATCH, outputs),
        "hidden_states": (BATCH, SEQ, width),
        "attention_scores": (BATCH, HEADS, SEQ, SEQ),
        "values": (BATCH, SEQ, HEADS * width),
    }
    return assemble(
        {
            signal: torch.randn(shapes[signal.kind], generator=generator, dtype=torch.float64).to(dtype)
            for signal in sorted(needs)
        }
    )


def signals(trace: Trace) -> dict[Signal, Tensor]:
    """All tensors of a trace by their signal."""
    found = {Signal("logits"): trace.logits} if trace.logits is not None else {}
    found |= {Signal("hidden_states", m): states for m, states in trace.hidden_states.items()}
    found |= {Signal("attention_scores", m): scores for m, scores in trace.scores.items()}
    return found | {Signal("values", m): values for m, values in trace.values.items()}


def assemble(tensors: dict[Signal, Tensor]) -> Trace:
    """The reverse of `signals`."""

    def of_kind(kind: str) -> dict[int, Tensor]:
        return {signal.layer: tensor for signal, tensor in tensors.items() if signal.kind == kind}

    layers = {"hidden_states": of_kind("hidden_states"), "scores": of_kind("attention_scores")}
    return Trace(tensors.get(Signal("logits")), **layers, values=of_kind("values"))


def mapped(trace: Trace, change: Callable[[Signal, Tensor], Tensor]) -> Trace:
    """The trace with each tensor changed."""
    return assemble({signal: change(signal, tensor) for signal, tensor in signals(trace).items()})


def rows(world: World, order: list[int]) -> World:
    """The world with examples in another order, left out or repeated."""
    batch = world.batch
    labels = None if batch.labels is None else batch.labels[order]
    taken = Batch(batch.input_ids[order], batch.token_type_ids[order], batch.real[order], labels, batch.rows[order])
    return World(*(mapped(trace, lambda _, t: t[order]) for trace in (world.student, world.teacher)), taken)


def padded(world: World, extra: int, fill: float) -> World:
    """The world with more padding; all of it, old and new, shows `fill` in both traces."""
    batch = world.batch
    real = torch.nn.functional.pad(batch.real, (0, extra))
    pieces, types = (torch.nn.functional.pad(t, (0, extra)) for t in (batch.input_ids, batch.token_type_ids))

    def grow(signal: Signal, tensor: Tensor) -> Tensor:
        if signal.kind == "logits":
            return tensor
        if signal.kind in ("hidden_states", "values"):
            grown = torch.nn.functional.pad(tensor, (0, 0, 0, extra))
            return grown.masked_fill(~real[:, :, None], fill)
        grown = torch.nn.functional.pad(tensor, (0, extra, 0, extra))
        return grown.masked_fill(~(real[:, None, :, None] & real[:, None, None, :]), fill)

    traces = (mapped(trace, grow) for trace in (world.student, world.teacher))
    return World(*traces, replace(batch, input_ids=pieces, token_type_ids=types, real=real))
