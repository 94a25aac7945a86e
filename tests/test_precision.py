"""In which number format a network computes, which attention is fastest in it, and where bfloat16 is native."""

import pytest
import torch

from tinybert import precision

CPU = torch.device("cpu")


def test_compute_dtype__auto_follows_the_hardware(processor):
    assert precision.compute_dtype("auto", CPU) == (torch.bfloat16 if processor else torch.float32)
    assert precision.compute_dtype("fp32", CPU) == torch.float32
    assert precision.compute_dtype("bf16", CPU) == torch.bfloat16


@pytest.mark.parametrize(
    ("dtype", "native", "kernel"),
    [(torch.float32, True, "sdpa"), (torch.bfloat16, True, "eager"), (torch.bfloat16, False, "sdpa")],
)
def test_attention_kernel__eager_only_where_fused_bfloat16_is_slow(dtype, native, kernel, monkeypatch):
    monkeypatch.setattr(precision, "native_bfloat16", lambda device: native)
    assert precision.attention_kernel(dtype, CPU) == kernel
    assert precision.attention_kernel(dtype, torch.device("cuda")) == "sdpa"


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [({"avx512_bf16": True}, True), ({"amx_bf16": True}, True), ({"bf16": True}, True), ({"avx512_f": True}, False)],
)
def test_native_bfloat16__asks_the_processor(capabilities, expected, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    assert precision.native_bfloat16(CPU) is expected


def test_native_bfloat16__not_where_torch_lacks_the_kernels_or_cannot_say(monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"bf16": True}, raising=False)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    assert not precision.native_bfloat16(CPU)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert not precision.native_bfloat16(CPU)
    assert not precision.native_bfloat16(torch.device("mps"))
