"""An exported model behind ONNX Runtime, for evaluating int8 and for predicting from an export folder."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from jaxtyping import Float, Integer
from torch import Tensor

from tinybert.errors import UserError
from tinybert.models.source import first_line
from tinybert.types import Batch

_ERRORS_ONLY = 3


class OnnxModel:
    """One ONNX file, ready to run on the CPU.

    Args:
        path: `onnx/model.onnx` or `onnx/model_quantized.onnx` of an export folder.
        threads: Of one forward pass.

    Raises:
        UserError: If the file is missing, damaged, or gives no logits.
    """

    def __init__(self, path: Path, threads: int) -> None:
        self.path = path
        self.threads = threads
        self.session = _open(path, threads)
        self.inputs = tuple(given.name for given in self.session.get_inputs())
        outputs = [given.name for given in self.session.get_outputs()]
        if not {"input_ids", "attention_mask"} <= set(self.inputs) or "logits" not in outputs:
            raise UserError(f"{path}: takes {list(self.inputs)} and gives {outputs}, so it is no export of tinybert")

    def logits(
        self,
        input_ids: Integer[np.ndarray, "batch seq"],
        attention_mask: Integer[np.ndarray, "batch seq"],
        token_type_ids: Integer[np.ndarray, "batch seq"] | None = None,
    ) -> Float[np.ndarray, "batch ..."]:
        """Scores of the task head, before softmax: of each text, or of each piece.

        Args:
            input_ids: Piece ids.
            attention_mask: 1 where a piece is not padding.
            token_type_ids: 0 for the first text, 1 for the second; None = one text. Models without types ignore it.
        """
        types = np.zeros_like(input_ids) if token_type_ids is None else token_type_ids
        return self._run(["logits"], input_ids, attention_mask, types)[0]

    def batch_logits(self, batch: Batch) -> Float[Tensor, "batch ..."]:
        """As `logits`, for a batch of encoded rows."""
        return torch.from_numpy(self.outputs(["logits"], batch)[0])

    def outputs(self, names: Sequence[str], batch: Batch) -> list[np.ndarray]:
        """Some outputs of the graph for a batch of encoded rows."""
        mask = batch.real.long()
        return self._run(names, *(tensor.cpu().numpy() for tensor in (batch.input_ids, mask, batch.token_type_ids)))

    def _run(self, names: Sequence[str], *arrays: Integer[np.ndarray, "batch seq"]) -> list[np.ndarray]:
        known = dict(zip(("input_ids", "attention_mask", "token_type_ids"), arrays, strict=True))
        given = {name: known[name].astype(np.int64, copy=False) for name in self.inputs}
        found: list[np.ndarray] = self.session.run(list(names), given)
        return found


def _open(path: Path, threads: int) -> onnxruntime.InferenceSession:
    if not path.is_file():
        raise UserError(f"{path}: no such file; tinybert export writes it (with --int8 also the int8 file)")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime's exception classes share no base but Exception
        raise UserError(f"{path}: cannot be opened ({first_line(error)}); export the model again") from error
