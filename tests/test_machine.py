"""Which attention is fastest, and where bfloat16 is native."""

import pytest
import torch

from tinybert import machine
from tinybert.errors import ResourceError
from tinybert.machine import lost_processes_as_resource_error

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("dtype", "native", "kernel"),
    [(torch.float32, True, "sdpa"), (torch.bfloat16, True, "eager"), (torch.bfloat16, False, "sdpa")],
)
def test_attention_kernel__eager_only_where_fused_bfloat16_is_slow(dtype, native, kernel, monkeypatch):
    monkeypatch.setattr(machine, "native_bfloat16", lambda device: native)
    assert machine.attention_kernel(dtype, CPU) == kernel
    assert machine.attention_kernel(dtype, torch.device("cuda")) == "sdpa"


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [({"avx512_bf16": True}, True), ({"amx_bf16": True}, True), ({"bf16": True}, True), ({"avx512_f": True}, False)],
)
def test_native_bfloat16__asks_the_processor(capabilities, expected, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    assert machine.native_bfloat16(CPU) is expected


def test_native_bfloat16__not_where_torch_lacks_the_kernels_or_cannot_say(monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"bf16": True}, raising=False)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    assert not machine.native_bfloat16(CPU)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert not machine.native_bfloat16(CPU)
    assert not machine.native_bfloat16(torch.device("mps"))


@pytest.mark.parametrize(
    ("said", "met"),
    [("[gloo/transport/tcp] Connection closed by peer", ResourceError), ("mat1 and mat2 do not fit", RuntimeError)],
)
def test_lost_processes__are_told_from_what_is_wrong_here(said, met):
    with pytest.raises(Exception, match=r"another process|do not fit") as caught, lost_processes_as_resource_error():
        raise RuntimeError(said)
    assert caught.type is met


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"flags": "fpu avx2 avx512bw avx512_vnni"}, "avx512_vnni"),
        ({"flags": "fpu avx2"}, "avx2"),
        ({"Features": "fp asimddp"}, "asimddp"),
        ({}, None),
    ],
)
def test_description__says_what_multiplies_eight_bits(monkeypatch, told, expected):
    monkeypatch.setattr(machine, "_told_by_linux", lambda what: told.get(what, ""))
    found = machine.description(torch.device("cpu"), machine.Processes(0, 1))
    assert found["int8_instructions"] == expected
    assert found["processor"]
