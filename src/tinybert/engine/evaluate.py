"""What a network says about encoded rows, and how good that is."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from tinybert.data.batches import by_length
from tinybert.data.encoded import EncodedRows
from tinybert.engine.update import Observed
from tinybert.families.network import Network
from tinybert.models.inference import evaluation_mode
from tinybert.run import HELD_OUT_SEED, Run
from tinybert.tasks.base import Task
from tinybert.types import NO_TRACE, Batch, Masker, Objective, Rows

ROWS_AT_ONCE = 64
LogitsFn = Callable[[Batch], Float[Tensor, "batch ..."]]  # logits of each example, or of each piece


def logits_of(
    compute: LogitsFn, rows: EncodedRows, parts: Sequence[Int[np.ndarray, " _"]] | None = None
) -> Float[np.ndarray, "answer label"]:
    """Logits of all examples, or of all words, in order; batches, by length or as `parts` say, only lead there."""
    parts = by_length(rows.lengths, ROWS_AT_ONCE) if parts is None else parts
    answered = [rows.answered(part) for part in parts]
    shown = (compute(rows.batch(part)).float().cpu().numpy() for part in parts)
    logits = [found[there >= 0] for found, there in zip(shown, answered, strict=True)]
    places = np.concatenate([there[there >= 0] for there in answered])
    order = np.argsort(places, kind="stable")
    return rows.pooled(np.concatenate(logits)[order], places[order])


def logits_fn(student: Network, device: torch.device) -> LogitsFn:
    """A network's logits in evaluation mode and fp32; leaves its mode and all random streams as they were."""

    def compute(batch: Batch) -> Float[Tensor, "batch ..."]:
        with evaluation_mode(student):
            return student.observe(batch.to(device), frozenset({student.output}))[student.output]

    return compute


def student_logits(student: Network, rows: EncodedRows, run: Run) -> Float[np.ndarray, "answer label"]:
    """The logits of a network for all rows; see `logits_of`."""
    return logits_of(logits_fn(student, run.device), rows)


def metric_fn(student: Network, rows: EncodedRows, task: Task, run: Run) -> Callable[[], float]:
    """The figure on some rows that decides which weights are kept: `Task.figure`."""
    return lambda: task.metrics(student_logits(student, rows, run), rows)[task.figure]


def held_out_loss(
    student: Network, objective: Objective, rows: Rows, teacher: Observed | None = None, masker: Masker | None = None
) -> float:
    """The mean of an objective per example on text that is not learnt from.

    Args:
        student: On any device; in evaluation mode here, and as it was afterwards.
        objective: On the same device.
        rows: The text.
        teacher: What the objective compares with; None where it needs none.
        masker: As of `fit`; here it draws the same each time.
    """
    device = student.device
    total = 0.0
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []), evaluation_mode(student):
        torch.manual_seed(HELD_OUT_SEED)
        for part in by_length(rows.lengths, ROWS_AT_ONCE):
            batch = rows.batch(part).to(device)
            batch = batch if masker is None else masker(batch)
            shown = NO_TRACE if teacher is None else teacher.observe(batch, objective.needs_teacher)
            trace = student.observe(batch, objective.needs_student)
            total += float(objective(trace, shown, batch).double().sum())
    return total / len(rows)
