"""The systems a run compares: teacher, student, int8 student; what each says, and what each costs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int

from tinybert.data.encoded import EncodedRows
from tinybert.engine.evaluate import logits_of, student_logits
from tinybert.export.runtime import OnnxModel
from tinybert.families.network import Network
from tinybert.models.inference import evaluation_mode
from tinybert.models.source import stored_bytes
from tinybert.report import measure
from tinybert.run import Run
from tinybert.stages.job import Job
from tinybert.tasks.base import Task

REGROUPED = (3, 8, 32)  # sizes of the batches in which int8 is asked again
SplitLogits = Mapping[str, Float[np.ndarray, "row label"]]  # by split


@dataclass(frozen=True)
class System:
    """One model, asked and measured.

    Attributes:
        task: As it is used with this model.
        logits: By split, in row order.
        cost: Parameters, bytes, latency, threads, as in `metrics.json`.
        flops: Of one forward pass, by number of pieces; None for int8, which has fewer than it pretends.
        regrouped: Logits of dev from other batches, with other padding.
    """

    task: Task
    logits: SplitLogits
    cost: Mapping[str, Any]
    flops: Mapping[str, int] | None = None
    regrouped: Sequence[Float[np.ndarray, "row label"]] = ()

    def entry(self, job: Job) -> dict[str, Any]:
        """What `metrics.json` says of this system."""
        figures = {split: self.task.metrics(self.logits[split], rows) for split, rows in labelled_rows(job).items()}
        return {**figures, **self.cost}

    def details(self, job: Job) -> Mapping[str, Any]:
        """Further figures of the task, on the split that counts."""
        split, rows = final_rows(job)
        return self.task.details(self.logits[split], rows)


def logits_by_split(model: Network, job: Job, run: Run) -> SplitLogits:
    """What a network says of dev and test."""
    return {split: student_logits(model, rows, run) for split, rows in all_rows(job).items()}


def torch_system(model: Network, task: Task, logits: SplitLogits, path: str | Path) -> System:
    """A network; its latency is that of torch in fp32.

    Args:
        model: Teacher or student.
        task: As it is used with this model.
        logits: Of the network, by split.
        path: Where it is stored: a folder, or its name on the hub.
    """
    return System(task, logits, torch_cost(model, path), flops_of(model, task.head.outputs))


def torch_cost(model: Network, path: str | Path) -> dict[str, Any]:
    """Parameters, bytes of the weights as they are stored, latency in fp32 and threads, as in `metrics.json`."""
    with evaluation_mode(model):
        latency = _latency(measure.torch_forward(model), model)
    return {
        "parameters": measure.count_parameters(model),
        "bytes": stored_bytes(path),
        "latency_ms": latency,
        "threads": torch.get_num_threads(),
    }


def flops_of(model: Network, outputs: int) -> dict[str, int]:
    """Of one forward pass, by number of pieces."""
    return {str(length): model.flops(length, outputs) for length in measure.LENGTHS}


def onnx_system(file: Path, student: Network, task: Task, job: Job) -> System:
    """An exported student behind ONNX Runtime on the processor."""
    threads = torch.get_num_threads()
    model = OnnxModel(file, threads)
    logits = {split: logits_of(model.batch_logits, rows) for split, rows in all_rows(job).items()}
    regrouped = [logits_of(model.batch_logits, job.dev, groups) for groups in _other_groups(len(job.dev))]
    cost = {
        "parameters": measure.count_parameters(student),
        "bytes": file.stat().st_size,
        "latency_ms": _latency(measure.onnx_forward(model.session), student),
        "threads": threads,
    }
    return System(task, logits, cost, regrouped=regrouped)


def _other_groups(rows: int) -> Iterator[list[Int[np.ndarray, " _"]]]:
    """Ways to batch rows without regard to their lengths."""
    for seed, size in enumerate(REGROUPED):
        order = np.random.default_rng(seed).permutation(rows)
        yield [order[start : start + size] for start in range(0, rows, size)]


def all_rows(job: Job) -> dict[str, EncodedRows]:
    """Dev, and test where there is one."""
    return {"dev": job.dev} | ({} if job.test is None else {"test": job.test})


def labelled_rows(job: Job) -> dict[str, EncodedRows]:
    """The splits whose labels are known."""
    return {split: rows for split, rows in all_rows(job).items() if rows.labelled}


def final_rows(job: Job) -> tuple[str, EncodedRows]:
    """The labelled split that counts: test, else dev."""
    return list(labelled_rows(job).items())[-1]


def _latency(forward: measure.Forward, model: Network) -> dict[str, dict[str, float]]:
    """At the usual lengths, as far as the model's positions reach."""
    lengths = [length for length in measure.LENGTHS if length <= model.longest]
    return measure.latency(forward, vocabulary=model.config.vocab_size, lengths=lengths)
