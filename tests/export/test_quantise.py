from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from tinybert.errors import UserError
from tinybert.export.onnx import export
from tinybert.export.parity import random_batch
from tinybert.export.quantise import quantise_dynamic, quantise_static, smoothing_factors
from tinybert.export.ranges import RANGES, WEIGHTS, measured_ranges, read_ranges, write_ranges
from tinybert.export.runtime import OnnxModel


class Quantised(NamedTuple):
    ranges: Any
    static: Path
    dynamic: Path


@pytest.fixture(scope="module")
def quantised(exported: Any, tmp_path_factory: pytest.TempPathFactory) -> Quantised:
    """The exported model in int8, static and dynamic."""
    folder, rng = tmp_path_factory.mktemp("int8"), np.random.default_rng(0)
    fp32 = exported.report.model
    ranges = measured_ranges(fp32, (random_batch(exported.model, (1, 12), rng) for _ in range(40)))
    quantise_static(fp32, folder / "static.onnx", ranges)
    quantise_dynamic(fp32, folder / "dynamic.onnx")
    return Quantised(ranges, folder / "static.onnx", folder / "dynamic.onnx")


def moved(path: Path, texts: list[np.ndarray]) -> float:
    """The largest difference of a logit of a text between any two batches."""
    model, rng, found = OnnxModel(path, 1), np.random.default_rng(3), {}
    for size, padding in [(1, 0), (1, 9), (2, 0), (3, 5), (8, 0), (20, 1), (20, 30)]:
        order = rng.permutation(len(texts))
        for part in (order[start : start + size] for start in range(0, len(order), size)):
            longest = max(len(texts[row]) for row in part) + padding
            ids = np.stack([np.pad(texts[row], (0, longest - len(texts[row]))) for row in part])
            for row, logits in zip(part, model.logits(ids, (ids > 0).astype(np.int64)), strict=True):
                found.setdefault(row, []).append(logits)
    return max(float(np.ptp(np.stack(logits), axis=0).max()) for logits in found.values())


def test__a_static_answer_is_bit_equal_in_any_batch_and_padding_and_a_dynamic_one_is_not(quantised: Quantised) -> None:
    rng = np.random.default_rng(1)
    texts = [rng.integers(1, 30, size=rng.integers(1, 35)) for _ in range(20)]
    assert moved(quantised.static, texts) == 0
    assert moved(quantised.dynamic, texts) > 1e-3


def test__static_is_nearer_to_fp32_than_dynamic(exported: Any, quantised: Quantised) -> None:
    batch = random_batch(exported.model, (64, 12), np.random.default_rng(2))
    fp32, *int8 = (OnnxModel(path, 1).batch_logits(batch) for path in (exported.report.model, *quantised[1:]))
    static, dynamic = ((logits - fp32).square().mean() for logits in int8)
    assert 0 < static < dynamic < 0.1 * fp32.var()


def test__ranges_are_those_of_each_channel(exported: Any, quantised: Quantised) -> None:
    batch = random_batch(exported.model, (1, 12), np.random.default_rng(0))
    (low, high), *others = measured_ranges(exported.report.model, [batch])
    with torch.no_grad():
        states = exported.model.model.eval().bert.embeddings(batch.input_ids, batch.token_type_ids)[0]
    exported.model.model.train()
    np.testing.assert_allclose(low, states.min(dim=0).values.clamp(max=0), atol=1e-5)
    np.testing.assert_allclose(high, states.max(dim=0).values.clamp(min=0), atol=1e-5)
    assert len(others) + 1 == 2 * 4 + 2  # four inputs a layer, the pooler's and the head's
    assert not list(exported.report.model.parent.glob("watched*"))


def test__a_bias_far_above_its_neuron_s_weights_stays(tmp_path: Path) -> None:
    weights, bias = np.float32([[1, 0, 1e-8], [-2, 0, 1e-8]]), np.float32([0.25, 3, -40])
    taken = [
        onnx.helper.make_tensor_value_info(n, onnx.TensorProto.INT64, ["b", 2]) for n in ("input_ids", "attention_mask")
    ]
    given = onnx.helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, ["b", 3])
    nodes = [
        onnx.helper.make_node("Cast", ["input_ids"], ["x"], to=onnx.TensorProto.FLOAT),
        onnx.helper.make_node("Gemm", ["x", "weights", "bias"], ["logits"]),
    ]
    constants = [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(bias, "bias")]
    graph = onnx.helper.make_graph(nodes, "one", taken, [given], constants)
    onnx.save(
        onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=10), tmp_path / "m"
    )
    quantise_static(tmp_path / "m", tmp_path / "int8", [np.float32([[0, 0], [9, 5]])])
    ids = np.array([[9, 0], [3, 5]])
    logits = OnnxModel(tmp_path / "int8", 1).logits(ids, np.ones_like(ids))
    np.testing.assert_allclose(logits, ids @ weights + bias, atol=0.1)


def integers(path: Path) -> Iterator[tuple[str, np.ndarray]]:
    for tensor in onnx.load(path).graph.initializer:
        if tensor.data_type == onnx.TensorProto.INT8 and len(tensor.dims) > 1:
            yield tensor.name, numpy_helper.to_array(tensor)


@pytest.mark.parametrize("form", ["static", "dynamic"])
def test__a_reduced_range_is_seven_bits(exported: Any, quantised: Quantised, tmp_path: Path, form: str) -> None:
    how = {"static": lambda *files, **_: quantise_static(*files, quantised.ranges, reduce_range=True)}.get(
        form, quantise_dynamic
    )
    how(exported.report.model, tmp_path / "model.onnx", reduce_range=True)
    matrices = {name: values for name, values in integers(tmp_path / "model.onnx") if "embeddings" not in name}
    assert len(matrices) == 2 * 6 + 2
    assert {bool(np.abs(values).max() in (63, 64)) for values in matrices.values()} == {True}
    assert max(np.abs(values).max() for _, values in integers(getattr(quantised, form))) == 127


def test__smoothing_changes_nothing_but_the_rounding(exported: Any, quantised: Quantised) -> None:
    known, matrix = np.float32([[-8, 0, -1], [4, 2, 1]]), np.float32([[1, 2], [3, 1], [0.1, 0.1]])
    factors = smoothing_factors(known, [matrix])
    assert factors.argmax() == 0
    assert np.prod(factors) == pytest.approx(1, rel=1e-5)
    silent = np.float32([[-8, 0, 0], [4, 2, 0]])
    assert smoothing_factors(silent, [matrix]).tolist() == [1, 1, 1], "a channel that was never seen is not scaled up"


def test__ranges_are_kept_beside_the_weights_they_are_of(exported: Any, quantised: Quantised, tmp_path: Path) -> None:
    fp32 = exported.report.model
    (tmp_path / WEIGHTS).write_bytes(b"weights")
    assert read_ranges(tmp_path, fp32) is None
    write_ranges(quantised.ranges[:-1], tmp_path)
    assert read_ranges(tmp_path, fp32) is None, "another exporter makes another graph"
    write_ranges(quantised.ranges, tmp_path)
    kept = read_ranges(tmp_path, fp32)
    assert kept is not None
    assert all(np.array_equal(one, other) for one, other in zip(kept, quantised.ranges, strict=True))
    (tmp_path / WEIGHTS).write_bytes(b"others")
    assert read_ranges(tmp_path, fp32) is None
    (tmp_path / RANGES).write_bytes((tmp_path / RANGES).read_bytes()[:-1])
    with pytest.raises(UserError, match=r"int8_ranges\.safetensors: damaged"):
        read_ranges(tmp_path, fp32)


@pytest.mark.parametrize(("cpu", "int8", "told"), [("avx2", False, "add --int8"), ("m1", True, "there is only avx2")])
def test__a_processor_is_one_that_int8_can_be_made_for(tmp_path: Path, cpu: str, int8: bool, told: str) -> None:
    with pytest.raises(UserError, match=f"--cpu {cpu}: .*{told}"):
        export(tmp_path, tmp_path / "out", int8=int8, cpu=cpu)
