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

    @property
    def given(self) -> tuple[Trace, Trace, Batch]:
        """The arguments of an objective."""
        return self.student, self.teacher, self.batch


def make_batch(labels: Tensor | None) -> Batch:
    real = torch.arange(SEQ) < torch.tensor(LENGTHS)[:, None]
    pieces = torch.arange(BATCH * SEQ).view(BATCH, SEQ) * real
    return Batch(pieces, torch.zeros_like(pieces), real, labels, torch.arange(BATCH))


def make_trace(
    needs: Iterable[Signal], width: int, outputs: int, seed: int, dtype: torch.dtype, heads: int = HEADS
) -> Trace:
    """Random values for exactly the signals asked for."""
    generator = torch.Generator().manual_seed(seed)
    shapes = {
        "logits": (BATCH, outputs),
        "piece_logits": (BATCH, SEQ, outputs),
        "hidden_states": (BATCH, SEQ, width),
        "first_state": (BATCH, width),
        "attention_scores": (BATCH, heads, SEQ, SEQ),
        **dict.fromkeys(("queries", "keys", "values"), (BATCH, SEQ, HEADS * width)),
    }
    return Trace(
        {
            signal: torch.randn(shapes[signal.kind], generator=generator, dtype=torch.float64).to(dtype)
            for signal in sorted(needs)
        }
    )


def mapped(trace: Trace, change: Callable[[Signal, Tensor], Tensor]) -> Trace:
    """The trace with each tensor changed."""
    return Trace({signal: change(signal, tensor) for signal, tensor in trace.items()})


def local(scores: Tensor, window: int = 2) -> Tensor:
    """Scores of a layer that looks at pieces less than `window` apart."""
    positions = torch.arange(scores.shape[-1])
    return scores.masked_fill((positions[:, None] - positions).abs() >= window, -torch.inf)


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
        if "piece" not in signal.axes:
            return tensor
        if signal.axes.count("piece") == 1:
            grown = torch.nn.functional.pad(tensor, (0, 0, 0, extra))
            return grown.masked_fill(~real[:, :, None], fill)
        grown = torch.nn.functional.pad(tensor, (0, extra, 0, extra))
        return grown.masked_fill(~(real[:, None, :, None] & real[:, None, None, :]), fill)

    traces = (mapped(trace, grow) for trace in (world.student, world.teacher))
    labels = batch.labels
    if labels is not None and labels.shape == batch.input_ids.shape:
        labels = torch.nn.functional.pad(labels, (0, extra), value=-1)
    return World(*traces, replace(batch, input_ids=pieces, token_type_ids=types, real=real, labels=labels))
