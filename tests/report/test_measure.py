"""Costs: formulas against the papers, the clock against callables of known duration."""

import time

import numpy as np
from onnx import TensorProto, helper
from torch import nn
from transformers import BertConfig, BertForSequenceClassification

from tinybert.families import network_of
from tinybert.models.inference import evaluation_mode
from tinybert.report.measure import count_parameters, latency, onnx_forward, torch_forward


def test__shared_parameters_count_once() -> None:
    first = nn.Linear(5, 5)
    tied = nn.Sequential(first, first, nn.Linear(5, 2))
    assert count_parameters(tied) == 30 + 12


def test__latency_sees_how_long_a_call_takes_and_keeps_to_its_budget() -> None:
    lengths: list[int] = []

    def sleep(input_ids: np.ndarray, attention_mask: np.ndarray) -> None:
        assert attention_mask.all()
        assert input_ids.dtype == np.int64
        lengths.append(input_ids.shape[1])
        time.sleep(0.004 if input_ids.shape[1] == 7 else 0.02)

    start = time.perf_counter()
    got = latency(sleep, vocabulary=11, lengths=(7, 13), budget=0.2)
    assert time.perf_counter() - start < 3
    assert set(lengths) == {7, 13}
    assert 4 <= got["7"]["p50"] <= got["7"]["p95"]
    assert got["13"]["p50"] >= 20


def test__a_slow_model_is_still_called_a_few_times() -> None:
    calls = []
    latency(lambda *_: calls.append(1), vocabulary=3, lengths=(5,), budget=0.0)
    assert len(calls) == 8  # three to warm up, five that count


def test__torch_and_onnx_models_go_through_the_same_clock() -> None:
    import onnxruntime

    shape = {"num_hidden_layers": 1, "hidden_size": 12, "intermediate_size": 20, "num_attention_heads": 2}
    model = network_of(BertForSequenceClassification(BertConfig(vocab_size=31, **shape)))
    with evaluation_mode(model):
        got = latency(torch_forward(model), vocabulary=31, lengths=(5,), budget=0.05)
    assert got["5"]["p50"] > 0

    graph = helper.make_graph(
        [helper.make_node("Identity", ["input_ids"], ["logits"])],
        "identity",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "seq"])],
        [helper.make_tensor_value_info("logits", TensorProto.INT64, ["batch", "seq"])],
    )
    opset = [helper.make_opsetid("", 17)]
    session = onnxruntime.InferenceSession(
        helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString(),
        providers=["CPUExecutionProvider"],
    )
    assert set(latency(onnx_forward(session), vocabulary=31, budget=0.05)) == {"32", "128"}
