"""Stored teacher outputs: equal to computed ones, keyed by contents, within the budget."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tinybert.artifacts import Store
from tinybert.engine import teacher_outputs
from tinybert.engine.teacher_outputs import StoredTeacher, cached_teacher, size_in_bytes
from tinybert.families import trace
from tinybert.families.attention import Place
from tinybert.models.teacher import Teacher
from tinybert.types import LOGITS, MASKED_LOGITS, SIGNAL_KINDS, Signal, SignalKind

HIDDEN = frozenset({Signal("hidden_states", 0), Signal("hidden_states", 3)})
NEEDS = HIDDEN | {LOGITS, Signal("attention_scores", 2), Signal("first_state", 2), Signal("values", 1)}


def stored(world, run=None, needs=NEEDS, budget="auto", teacher=None):
    run = run or world.run()
    return cached_teacher(teacher or world.make_teacher(), needs, world.rows, run.begin("training"), run, budget)


@pytest.mark.parametrize("rows", [[0], [3, 1, 2], [15, 0, 7, 7]])
def test__what_is_read_back_is_what_the_teacher_shows(make_world, rows):
    world = make_world()
    batch = world.rows.batch(np.array(rows))
    ours, theirs = stored(world).observe(batch, NEEDS), world.make_teacher().observe(batch, NEEDS)
    real = batch.real
    for signal in (LOGITS, Signal("first_state", 2)):
        assert torch.allclose(ours[signal], theirs[signal], atol=1e-5)
    for signal in (Signal("hidden_states", 0), Signal("hidden_states", 3), Signal("values", 1)):
        assert torch.allclose(ours[signal][real], theirs[signal][real], atol=1e-5)
        assert not ours[signal][~real].any()
    pairs = real[:, None, :, None] & real[:, None, None, :]
    gap = (ours[Signal("attention_scores", 2)] - theirs[Signal("attention_scores", 2)]).abs() * pairs
    assert gap.max() < 1e-5


def test__a_new_signal_is_an_entry_in_two_tables(make_world, monkeypatch):
    def outputs(parts, layer):
        return {"output": Place(parts.layer(layer).attention_output)}

    monkeypatch.setitem(SIGNAL_KINDS, "attention_outputs", SignalKind(("piece", "width"), lowest=1))
    monkeypatch.setitem(trace._RECORDED, "attention_outputs", trace._Recorded(outputs, lambda _, seen: seen["output"]))
    world, signal = make_world(), Signal("attention_outputs", 2)
    batch = world.rows.batch(np.array([3, 1]))
    (ours,), (theirs,) = (
        source.observe(batch, frozenset({signal})).values()
        for source in (stored(world, needs=frozenset({signal})), world.make_teacher())
    )
    assert torch.allclose(ours[batch.real], theirs[batch.real], atol=1e-5)
    assert theirs.abs().sum() > 0


@pytest.mark.usefixtures("processor")
def test__bfloat16_outputs_survive_storing_exactly(make_world, tiny_bert):
    world = make_world()
    teacher = Teacher(tiny_bert(4, 24, 3, 2, seed=7), "bf16", torch.device("cpu"))
    source = stored(world, teacher=teacher)
    whole = world.rows.batch(source.outputs._shards[0][0])
    ours, theirs = source.observe(whole, NEEDS), teacher.observe(whole, NEEDS)
    assert torch.equal(ours[LOGITS], theirs[LOGITS].bfloat16().float())
    for signal in (Signal("hidden_states", 3), Signal("values", 1)):
        assert torch.equal(ours[signal][whole.real], theirs[signal].bfloat16().float()[whole.real])


def test__the_store_is_filled_once_and_shared_by_runs(make_world, monkeypatch):
    world = make_world()
    first, second = world.run("a"), world.run("b")
    first.store = second.store = Store(world.folder / "store", shared=True)
    stored(world, first)
    monkeypatch.setattr(Teacher, "observe", lambda *_: pytest.fail("the teacher was asked again"))
    batch = world.rows.batch(np.array([2, 4]))
    assert stored(world, second).observe(batch, NEEDS)[LOGITS].shape == (2, 2)


def test__a_killed_filling_goes_on_with_the_first_missing_shard(make_world, monkeypatch):
    monkeypatch.setattr(teacher_outputs, "PASS_ROWS", 2)
    monkeypatch.setattr(teacher_outputs, "SHARD_PASSES", 2)
    world = make_world()
    whole = stored(world).artifacts
    before = {signal: [path.read_bytes() for path in sorted(whole[signal].result.glob("*.bin"))] for signal in NEEDS}
    assert all(len(shards) == 4 for shards in before.values())
    real, asked = Teacher.observe, []

    def dying(*given):
        asked.append(given)
        if len(asked) == 4:
            raise KeyboardInterrupt
        return real(*given)

    monkeypatch.setattr(Teacher, "observe", dying)
    torn = world.run("torn")
    with pytest.raises(KeyboardInterrupt):
        stored(world, torn)
    artifacts = stored(world, world.run("torn")).artifacts
    assert len(asked) == 4 + 6  # of eight passes the two of the first shard are not repeated
    after = {signal: [path.read_bytes() for path in sorted(artifacts[signal].result.glob("*.bin"))] for signal in NEEDS}
    assert after == before


def test__another_teacher_has_another_store(make_world, tiny_bert):
    world = make_world()
    other = Teacher(tiny_bert(4, 24, 3, 2, seed=8), "fp32", torch.device("cpu"))
    ours, theirs = stored(world, world.run("a")), stored(world, world.run("b"), teacher=other)
    assert ours.artifacts[LOGITS].key != theirs.artifacts[LOGITS].key


def test__a_later_stage_finds_the_logits_of_an_earlier_one(make_world, monkeypatch):
    world = make_world()
    run = world.run()
    stored(world, run, needs=frozenset({Signal("hidden_states", 3)}))
    monkeypatch.setattr(Teacher, "observe", lambda *_: pytest.fail("the teacher was asked again"))
    batch = world.rows.batch(np.array([2, 4]))
    source = cached_teacher(world.make_teacher(), frozenset({LOGITS}), world.rows, run.begin("next"), run, "auto")
    assert source.observe(batch, frozenset({LOGITS}))[LOGITS].shape == (2, 2)


def test__over_the_budget_or_off_the_teacher_itself_answers_and_the_decision_stays(make_world):
    world = make_world()
    for name, budget in (("a", "off"), ("b", "1KB")):
        assert isinstance(stored(world, world.run(name), budget=budget), Teacher)
        assert isinstance(stored(world, world.run(name), budget="4GB"), Teacher)  # decided once
    assert isinstance(stored(world, world.run("c"), budget="4GB"), StoredTeacher)


def test__what_is_said_of_masked_pieces_is_not_stored(make_world):
    world = make_world()
    run = world.run()
    assert isinstance(stored(world, run, needs=NEEDS | {MASKED_LOGITS}), Teacher)
    whole = world.rows.batch(np.array([2, 4]))
    masked = replace(whole, targets=torch.full_like(whole.input_ids, -1))
    with pytest.raises(ValueError, match="pieces of this batch are masked"):
        stored(world, run).observe(masked, NEEDS)


@pytest.mark.parametrize(("text", "size"), [("4GB", 4_000_000_000), ("1.5 mb", 1_500_000), ("10KB", 10_000)])
def test__sizes(text, size):
    assert size_in_bytes(text) == size


@pytest.mark.parametrize("text", ["", "4", "GB", "-1GB", "4 parsecs"])
def test__what_is_no_size_is_refused(text):
    with pytest.raises(ValueError, match="is not a size"):
        size_in_bytes(text)
