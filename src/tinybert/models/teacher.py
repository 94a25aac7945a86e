"""The teacher: the one place that freezes a network; and one that is no network but a file of scores."""

import copy
import hashlib
from typing import final

import numpy as np
import torch
from jaxtyping import Float, Int
from transformers import PretrainedConfig

from tinybert.families.network import Network, Shape
from tinybert.files import sha256_json
from tinybert.precision import DType, compute_dtype
from tinybert.types import LOGITS, Batch, Rows, Signal, Trace


@final
class Teacher:
    """A frozen copy of a network: no dropout, no gradient, its own dtype; what it shows comes in float32.

    The network that was handed in stays as it is and may go on learning; the teacher does not notice.

    Attributes:
        setting: The dtype that was asked for; keys of artifacts have it, so that another machine may go on.
        dtype: What it computes in.
        device: Where it computes.
        digest: Sha256 over the weights as they came, before any change of dtype, and the configuration; and the rows
            that only it reads.
    """

    def __init__(self, model: Network, dtype: DType, device: torch.device, reads: Rows | None = None) -> None:
        """Copy and freeze a network; `reads` are the student's rows in pieces of its own, where it has others."""
        self.setting, self.dtype = dtype, compute_dtype(dtype, device)
        self.device = device
        self.digest = model.digest() if reads is None else sha256_json([model.digest(), reads.digest])
        self._reads = reads
        self._model = copy.deepcopy(model).to(device, self.dtype).requires_grad_(False)
        self._model.use_fastest_attention(self.dtype, device)

    @property
    def config(self) -> PretrainedConfig:
        """The network's configuration."""
        return self._model.config

    @property
    def shape(self) -> Shape:
        """The network's sizes."""
        return self._model.shape

    @property
    def outputs(self) -> int:
        """How many logits it gives."""
        return int(self.config.num_labels)

    @property
    def output(self) -> Signal:
        """What its task head gives, see `Network.output`."""
        return self._model.output

    @property
    def waited_for(self) -> bool:
        """Whether a program waits for the device while the teacher looks, as for the rows that only it reads."""
        return self._reads is not None or self._model.waited_for

    def flops_of(self, lengths: Int[np.ndarray, " text"]) -> float:
        """What its answers cost, see `Network.flops_of`."""
        return self._model.flops_of(lengths)

    def observe(self, batch: Batch, needs: frozenset[Signal]) -> Trace:
        """One forward pass that records only what was asked for, in float32 and without gradient."""
        if self._reads is not None:
            batch = self._reads.batch(batch.rows.cpu().numpy())
        self._model.eval()  # again, in case somebody walked over all modules with .train()
        # The student's training step may run under autocast, which must not choose the teacher's dtype.
        with torch.no_grad(), torch.autocast(self.device.type, enabled=False):
            trace = self._model.observe(batch.to(self.device), needs)
        return Trace({signal: values.float() for signal, values in trace.items()})


@final
class TeacherScores:
    """What a teacher said of each row to learn from: logits and nothing else, beside `Teacher` and `StoredTeacher`.

    Attributes:
        digest: Sha256 over the logits.
        waited_for: No: they lie on the device.
    """

    waited_for = False

    def __init__(self, logits: Float[np.ndarray, "row label"], device: torch.device) -> None:
        """Keep the logits of all rows, in float32, on the device of the batches."""
        logits = logits.astype(np.float32)
        self.digest = hashlib.sha256(logits.tobytes()).hexdigest()
        self._logits = torch.from_numpy(logits).to(device)

    def observe(self, batch: Batch, needs: frozenset[Signal]) -> Trace:
        """The logits of the batch's rows.

        Raises:
            ValueError: If anything else is needed.
        """
        if others := needs - {LOGITS}:
            raise ValueError(f"scores in a file are logits; there are no {', '.join(map(str, sorted(others)))}")
        return Trace(dict.fromkeys(needs, self._logits[batch.rows]))
