"""Stored outputs that lie on the device: the same as those read from files, without a question to the device."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tinybert.engine import teacher_outputs
from tinybert.engine.device_outputs import rows_of
from tinybert.engine.teacher_outputs import cached_teacher
from tinybert.types import LOGITS, Signal

NEEDS = frozenset({LOGITS} | {Signal(kind, 2) for kind in ("hidden_states", "attention_scores", "first_state")})


@pytest.fixture
def teachers(make_world, monkeypatch):
    """A world, its stored teacher that reads files, and the one whose outputs are on the device."""
    world = make_world()

    def stored(name, room):
        monkeypatch.setattr(teacher_outputs, "_room_on", lambda _device: room)
        run = world.run(name)
        return cached_teacher(world.make_teacher(), NEEDS, world.rows, run.begin("training"), run, "auto")

    return world, stored("files", 0), stored("device", 10**9)


@pytest.mark.parametrize("rows", [[0], [3, 1, 2], [15, 0, 7, 7]])
@pytest.mark.parametrize("multiple", [1, 8])
def test__outputs_on_the_device_are_those_of_the_files(teachers, rows, multiple):
    world, files, device = teachers
    batch = world.rows.batch(np.array(rows), multiple)
    assert (files.waited_for, device.waited_for) == (True, False)
    read = files.observe(batch, NEEDS)
    assert all(torch.equal(values, read[signal]) for signal, values in device.observe(batch, NEEDS).items())


def test__what_does_not_fit_the_device_is_read_from_files(teachers, monkeypatch):
    world, files, _ = teachers
    size = files.outputs.bytes(NEEDS)
    for room, on_device in ((size - 1, False), (size, True)):
        monkeypatch.setattr(teacher_outputs, "_room_on", lambda _device, room=room: room)
        run = world.run(f"room-{on_device}")
        teacher = cached_teacher(world.make_teacher(), NEEDS, world.rows, run.begin("training"), run, "auto")
        assert (teacher.on_device is not None) is on_device


@given(
    shapes=st.lists(st.tuples(st.integers(1, 4), st.integers(1, 4)), min_size=1, max_size=4),
    more=st.tuples(st.integers(0, 2), st.integers(0, 2)),
)
def test__arrays_of_many_sizes_are_laid_side_by_side(shapes, more):
    arrays = [torch.randn(shape) for shape in shapes]
    starts = np.cumsum([0, *(array.numel() for array in arrays)])[:-1]
    padded = [max(sizes) + extra for sizes, extra in zip(zip(*shapes, strict=True), more, strict=True)]
    sizes = [torch.tensor(of_axis) for of_axis in zip(*shapes, strict=True)]
    found = rows_of(torch.cat([array.flatten() for array in arrays]), torch.from_numpy(starts), sizes, padded)
    for array, row in zip(arrays, found, strict=True):
        expected = torch.zeros(padded)
        expected[: array.shape[0], : array.shape[1]] = array
        assert torch.equal(row, expected)
