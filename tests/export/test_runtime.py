from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from tinybert.errors import UserError
from tinybert.export.parity import random_batch
from tinybert.export.runtime import OnnxModel


def test__arrays_and_batches_give_the_same_logits(exported: Any) -> None:
    model = OnnxModel(exported.report.model, threads=1)
    batch = random_batch(exported.model, (3, 11), np.random.default_rng(1))
    arrays = (batch.input_ids.numpy(), batch.real.numpy().astype(np.int32), batch.token_type_ids.numpy())
    logits = model.logits(*arrays)
    assert logits.shape == (3, 3)
    assert torch.equal(model.batch_logits(batch), torch.from_numpy(logits))


def test__types_default_to_the_first_text(exported: Any) -> None:
    model = OnnxModel(exported.report.model, threads=1)
    ids = np.arange(5, 12)[None]
    mask = np.ones_like(ids)
    assert np.array_equal(model.logits(ids, mask), model.logits(ids, mask, np.zeros_like(ids)))
    assert not np.allclose(model.logits(ids, mask), model.logits(ids, mask, np.ones_like(ids)))


def test__threads_reach_the_session(exported: Any) -> None:
    options = OnnxModel(exported.report.model, threads=2).session.get_session_options()
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (2, 1)


def test__a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"model_quantized\.onnx: no such file"):
        OnnxModel(tmp_path / "model_quantized.onnx", threads=1)


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x08\x0a\x12\x07pytorch"])
def test__a_damaged_file_is_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"model\.onnx: ") as caught:
        OnnxModel(path, threads=1)
    assert "\n" not in str(caught.value)


def test__a_truncated_file_is_refused(exported: Any, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    whole = exported.report.model.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="export the model again"):
        OnnxModel(path, threads=1)


def test__a_foreign_model_is_refused(tmp_path: Path) -> None:
    value = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    same = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])
    graph = onnx.helper.make_graph([onnx.helper.make_node("Identity", ["x"], ["y"])], "foreign", [value], [same])
    opset = [onnx.helper.make_opsetid("", 20)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=10), tmp_path / "model.onnx")
    with pytest.raises(UserError, match="no export of tinybert"):
        OnnxModel(tmp_path / "model.onnx", threads=1)
