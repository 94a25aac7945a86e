"""What an update asks the device for while it runs: nothing, or the host would wait for it."""

import json
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

import tinybert.engine.update
import tinybert.families.parts
import tinybert.objectives.prediction
from tinybert.engine import checkpoint, teacher_outputs
from tinybert.engine.learner import READ_EVERY, Learner
from tinybert.engine.update import update
from tinybert.errors import Interrupted
from tinybert.layer_maps import layer_map
from tinybert.objectives import (
    AttentionScoreMSE,
    GoldCrossEntropy,
    HiddenMSE,
    RelationKL,
    SoftCrossEntropy,
    Sum,
)
from tinybert.selectors.fixed import KeepAll
from tinybert.types import Stage

aten, Tensor = torch.ops.aten, torch.Tensor
STOPS = {aten._local_scalar_dense.default, aten.nonzero.default, aten.masked_select.default, aten.equal.default}
READS = {Tensor.tolist, Tensor.numpy, Tensor.cpu}
MAP = layer_map("uniform", 2, 4)
OBJECTIVES = {
    "hidden states and attention": lambda: Sum(HiddenMSE(MAP, 12, 24, seed=1), AttentionScoreMSE(MAP)),
    "soft targets": SoftCrossEntropy,
    "gold labels": GoldCrossEntropy,
    "relations": lambda: RelationKL(2, 4, 3),
}

# At most, in an update of two micro-batches (measured: 1881, 1375, 1023, 1475); on a GPU each is a kernel to launch.
OPERATORS = {"hidden states and attention": 1900, "soft targets": 1400, "gold labels": 1050, "relations": 1500}


class RefusedError(Exception):
    """The device was asked for a number, or for a shape that depends on one."""


class _NoStops(TorchDispatchMode):
    operators = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        masks = args[1] if func in (aten.index.Tensor, aten.index_put_.default) else ()
        if func in STOPS or any(mask is not None and mask.dtype is torch.bool for mask in masks):
            raise RefusedError(str(func))
        self.operators += 1
        return func(*args, **(kwargs or {}))


class _NoReads(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in READS:
            raise RefusedError(str(func))
        return func(*args, **(kwargs or {}))


@pytest.fixture
def learner_of(make_world, monkeypatch):
    """A learner with one of `OBJECTIVES`, on a device that is waited for, and its world."""
    for module in (tinybert.families.parts, tinybert.objectives.prediction):
        monkeypatch.setattr(module, "waits", lambda _device: True)
    monkeypatch.setattr(tinybert.engine.update, "quick_dropout", lambda _device: nullcontext())

    def make(objective):
        world = make_world(rows=80)
        run = world.run()
        stage = Stage(epochs=9, batch_size=8, accumulate=2)
        return Learner(world.make_student(), objective, KeepAll(), stage, run.begin("training"), run, 80), world

    return make


def updates(learner, world, count, teacher=None):
    """Make some, refused whatever asks the device; returns how many operators one of them took."""
    teacher, batches = teacher or world.make_teacher(), learner.remaining_batches(lambda _: world.rows)
    update(learner, teacher, *next(batches))  # the first may ask: the optimizer makes its state
    with _NoReads(), _NoStops() as counted:
        for _ in range(count):
            update(learner, teacher, *next(batches))
    return counted.operators / count


@pytest.mark.parametrize("name", OBJECTIVES)
def test__an_update_asks_the_device_for_nothing_and_takes_no_more_operators_than_it_did(name, learner_of):
    learner, world = learner_of(OBJECTIVES[name]())
    assert updates(learner, world, 2) <= OPERATORS[name]
    assert [made.step for made in learner.unread] == [1, 2, 3]
    with _NoReads(), _NoStops(), pytest.raises(RefusedError):
        learner.read()


def test__nor_for_outputs_that_were_stored_where_they_fit_the_device(learner_of, monkeypatch):
    monkeypatch.setattr(teacher_outputs, "_room_on", lambda _device: 10**9)
    objective = OBJECTIVES["hidden states and attention"]()
    learner, world = learner_of(objective)
    work = (learner.artifact, learner.run, "auto")
    teacher = teacher_outputs.cached_teacher(world.make_teacher(), objective.needs_teacher, world.rows, *work)
    assert not teacher.waited_for
    assert updates(learner, world, 2, teacher) < OPERATORS["hidden states and attention"]


def test__a_gradient_that_is_not_finite_changes_nothing_and_asks_for_nothing(learner_of):
    learner, world = learner_of(GoldCrossEntropy())
    updates(learner, world, 1)
    before = [tensor.clone() for tensor in learner.student.state_dict().values()]
    steps = [state["step"].clone() for state in learner.optimizer.state.values()]
    learner.student.last.bias.register_hook(lambda gradient: gradient * torch.nan)
    with _NoReads(), _NoStops():
        update(learner, None, *next(learner.remaining_batches(lambda _: world.rows)))
    assert all(map(torch.equal, before, learner.student.state_dict().values()))
    assert all(map(torch.equal, steps, (state["step"] for state in learner.optimizer.state.values())))
    learner.read()
    assert learner.now.bad_steps == 1
    learner.optimizer.step()  # as others may, who know of no gradient that was skipped
    assert not vars(learner.optimizer).keys() & {"found_inf", "grad_scale"}


def test__a_batch_of_which_nothing_is_kept_changes_nothing_and_is_no_bad_one(learner_of, monkeypatch):
    learner, world = learner_of(GoldCrossEntropy())
    updates(learner, world, 1)
    before = [tensor.clone() for tensor in learner.student.state_dict().values()]
    monkeypatch.setattr(KeepAll, "choose", lambda _self, _student, _teacher, batch: torch.zeros(len(batch)))
    update(learner, None, *next(learner.remaining_batches(lambda _: world.rows)))
    assert all(map(torch.equal, before, learner.student.state_dict().values()))
    learner.read()
    assert learner.now.bad_steps == 0


def test__what_updates_leave_is_read_at_first_at_the_end_of_an_epoch_and_every_so_often(learner_of, monkeypatch):
    learner, world = learner_of(GoldCrossEntropy())
    monkeypatch.setattr("tinybert.engine.learner.time.monotonic", lambda: 0.0)  # it is never a second later
    read = []
    for rows, indices in learner.remaining_batches(lambda _: world.rows):
        update(learner, None, rows, indices)
        learner.read_if_due()
        if not learner.unread:
            read.append(learner.now.step)
    assert read == [1] + [step for step in range(2, 91) if step % 10 == 0 or step % READ_EVERY == 0]


def test__a_signal_between_two_reads_leaves_a_checkpoint_and_nothing_unread(learner_of):
    learner, world = learner_of(GoldCrossEntropy())
    updates(learner, world, 3)
    assert len(learner.unread) == 4
    learner.run.stop_signal = 15
    with pytest.raises(Interrupted):
        learner.save_if_due()
    assert not learner.unread
    lines = [json.loads(line) for line in (learner.run.folder / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3, 4]
    found = checkpoint.newest(learner.artifact, learner.run)
    assert found.counters["step"] == 4
    assert found.counters["seconds"] == learner.now.seconds
