"""What a processor says of itself, and what is met where another process of a run has ended."""

import pytest
import torch

from tinybert import machine
from tinybert.errors import ResourceError
from tinybert.machine import lost_processes_as_resource_error

CPU = torch.device("cpu")


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
