"""The training loop: what it learns does not depend on how the work is cut, killed or resumed."""

import json
import signal
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from tinybert import run as run_module
from tinybert.engine import learner as learner_module
from tinybert.engine import update as update_module
from tinybert.engine.fit import fit
from tinybert.engine.learner import BAD_STEPS
from tinybert.engine.optimise import learning_rate
from tinybert.errors import Interrupted
from tinybert.objectives.prediction import GoldCrossEntropy, SoftCrossEntropy
from tinybert.run import Deadline
from tinybert.selectors.fixed import KeepAll
from tinybert.types import LOGITS, Stage


def learn(world, run=None, *, stage=None, selector=None, objective=None, metric=None, teacher=True):
    """One stage; returns the trained student."""
    run = run or world.run()
    stage = stage or Stage(epochs=2, batch_size=4, lr=1e-2)
    student = world.make_student()
    artifact = run.begin("training")
    taught_by = world.make_teacher() if teacher else None
    measured = None if metric is None else metric(student)
    objective = objective or world.objective()
    how = {"selector": selector or KeepAll(), "metric": measured}
    report = fit(student, taught_by, objective, world.rows, stage, artifact, run, **how)
    return student, report


def weights(student):
    return torch.cat([tensor.flatten() for tensor in student.state_dict().values()])


class Picky(KeepAll):
    """Keeps rows by number, half of them by half."""

    def __init__(self, keep):
        self.keep = keep
        self.calls = []

    def choose(self, student, teacher, batch):
        return torch.tensor([float(self.keep(int(row))) for row in batch.rows])

    def after_update(self):
        self.calls.append("update")

    def after_epoch(self):
        self.calls.append("epoch")


def test__something_is_learnt_and_the_teacher_stays_bit_identical(make_world):
    world = make_world()
    teacher = world.make_teacher()
    before = {name: value.clone() for name, value in teacher._model.state_dict().items()}
    student = world.make_student()
    start = weights(student).clone()
    run = world.run()
    fit(
        student,
        teacher,
        world.objective(),
        world.rows,
        Stage(epochs=3, batch_size=4, lr=1e-2),
        run.begin("training"),
        run,
        selector=KeepAll(),
    )
    lines = [json.loads(line) for line in (world.folder / "run/metrics.jsonl").read_text().splitlines()]
    assert lines[-1]["loss"] < lines[0]["loss"]
    assert set(lines[0]["terms"]) == {"embedding", "hidden", "attention"}
    assert lines[0]["loss"] == pytest.approx(sum(lines[0]["terms"].values()), rel=1e-5)
    assert not torch.equal(start, weights(student))
    assert all(torch.equal(value, before[name]) for name, value in teacher._model.state_dict().items())


def test__the_same_seed_repeats_bit_for_bit_and_another_does_not(make_world):
    world = make_world()
    first, _ = learn(world, world.run("a"))
    second, _ = learn(world, world.run("b"))
    other_run = world.run("c")
    other_run.seed = 4
    third, _ = learn(world, other_run)
    assert torch.equal(weights(first), weights(second))
    assert not torch.equal(weights(first), weights(third))


@pytest.mark.parametrize("accumulate", [2, 3, 4])
def test__accumulation_changes_memory_and_not_what_is_learnt(make_world, accumulate):
    world = make_world(dropout=0.0)
    whole, _ = learn(world, world.run("a"))
    parts, _ = learn(world, world.run("b"), stage=Stage(epochs=2, batch_size=4, lr=1e-2, accumulate=accumulate))
    assert torch.allclose(weights(whole), weights(parts), atol=1e-5)


def test__the_mean_is_over_the_kept_examples_however_they_are_spread(make_world):
    world = make_world(dropout=0.0)
    stage = Stage(epochs=1, batch_size=16, lr=1e-2)
    uneven = Picky(lambda row: row in (0, 5, 6))
    whole, _ = learn(world, world.run("a"), stage=stage, selector=uneven)
    cut = Stage(epochs=1, batch_size=16, lr=1e-2, accumulate=5)
    parts, _ = learn(world, world.run("b"), stage=cut, selector=uneven)
    assert torch.allclose(weights(whole), weights(parts), atol=1e-5)


def test__a_dropped_example_is_as_if_it_were_not_there(make_world):
    """Against an independent twin: autograd on the mean loss of the kept rows alone, one plain AdamW step."""
    world = make_world(dropout=0.0)
    keep = [1, 2, 9]
    stage = Stage(epochs=1, batch_size=16, lr=1e-2, schedule="constant", weight_decay=0.0, clip=1e9)
    got, _ = learn(world, stage=stage, selector=Picky(lambda row: row in keep))

    twin, objective, teacher = world.make_student(), world.objective(), world.make_teacher()
    parameters = [*twin.parameters(), *objective.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=1e-2, weight_decay=0.0)
    values = []
    for row in keep:
        batch = world.rows.batch(np.array([row]))
        shown = teacher.observe(batch, objective.needs_teacher)
        values.append(objective(twin.observe(batch, objective.needs_student), shown, batch))
    torch.cat(values).mean().backward()
    optimizer.step()
    assert torch.allclose(weights(got), weights(twin), atol=2e-6)


def test__keeping_nothing_leaves_the_student_as_it_was(make_world):
    world = make_world()
    start = weights(world.make_student())
    nothing = Picky(lambda row: False)
    student, report = learn(world, selector=nothing)
    assert torch.equal(start, weights(student))
    assert report.steps == 8
    assert nothing.calls.count("update") == 8
    assert nothing.calls.count("epoch") == 2


def test__hooks_are_called_in_order_and_the_epoch_ends_after_its_last_update(make_world):
    selector = Picky(lambda row: True)
    learn(make_world(), selector=selector)
    assert selector.calls == ["update"] * 4 + ["epoch"] + ["update"] * 4 + ["epoch"]


def test__the_best_on_dev_is_what_the_student_ends_as(make_world):
    world = make_world()
    seen = []

    def metric(student):
        def figure():
            seen.append(weights(student).clone())
            return [0.5, 0.9, 0.7, 0.9][len(seen) - 1]

        return figure

    student, report = learn(world, stage=Stage(epochs=4, batch_size=8, lr=1e-2), metric=metric)
    assert torch.equal(weights(student), seen[1])  # of equals the first
    assert (report.best, report.best_step) == (0.9, 4)


def test__a_student_attends_as_is_fastest_for_its_type_while_it_learns_and_for_fp32_on_dev(make_world, processor):
    learning, on_dev = set(), set()

    def noting(student):
        attention = lambda: student.config._attn_implementation  # noqa: E731
        student.model.base_model.register_forward_pre_hook(lambda *_: learning.add(attention()))
        return lambda: on_dev.add(attention()) or 0.0

    for dtype, fastest in (("fp32", "sdpa"), ("bf16", "eager" if processor else "sdpa")):
        world = make_world()
        student, _ = learn(world, world.run(dtype, dtype=dtype), stage=Stage(epochs=2, batch_size=8), metric=noting)
        assert learning == {fastest}
        assert on_dev == {"sdpa"} == {student.config._attn_implementation}
        learning.clear()


def test__a_selector_that_looks_at_the_optimizer_sees_the_rate_of_the_update(make_world):
    """One that makes the update again must make the same."""
    seen, stage = [], Stage(epochs=2, batch_size=4, lr=1e-2, warmup=0.5)

    class Looking(KeepAll):
        def before_update(self, optimizer):
            seen.extend({group["lr"] for group in optimizer.param_groups})

    _, report = learn(make_world(), stage=stage, selector=Looking())
    assert seen == [learning_rate(step, report.steps, stage) for step in range(report.steps)]


def test__patience_ends_a_stage_early(make_world):
    stage = Stage(epochs=9, batch_size=8, lr=1e-2, patience=2)
    _, report = learn(make_world(), stage=stage, metric=lambda student: lambda: 0.5)
    assert report.steps == 6
    assert report.best_step == 2


def test__max_steps_and_evaluate_every(make_world):
    calls = []
    stage = Stage(epochs=9, batch_size=4, lr=1e-2, max_steps=5, evaluate_every=2)
    _, report = learn(make_world(), stage=stage, metric=lambda student: lambda: calls.append(1) or 0.1)
    assert report.steps == 5
    assert len(calls) == 3  # after 2, 4 and the last


def test__gold_labels_need_no_teacher(make_world):
    world = make_world()
    student, _ = learn(world, objective=GoldCrossEntropy(), teacher=False)
    batch = world.rows.batch(np.arange(16))
    student.eval()
    right = student.observe(batch, frozenset({LOGITS}))[LOGITS].argmax(1) == batch.labels
    assert right.float().mean() > 0.5


def stop_after(monkeypatch, run, steps, number=signal.SIGTERM):
    """Let a signal come in the middle of an update."""
    original, count = update_module._look, []

    def look(*arguments):
        count.append(1)
        if len(count) == steps:
            run.stop_signal = int(number)
        return original(*arguments)

    monkeypatch.setattr(update_module, "_look", look)


@pytest.mark.parametrize("steps", [1, 3, 4, 6])
def test__a_stopped_and_resumed_stage_ends_with_the_same_bits(make_world, monkeypatch, steps):
    world = make_world()
    metric = lambda student: lambda: float(weights(student).abs().sum() % 1)  # noqa: E731
    whole, report = learn(world, world.run("whole"), metric=metric)
    run = world.run("cut")
    stop_after(monkeypatch, run, steps)
    with pytest.raises(Interrupted):
        learn(world, run, metric=metric)
    monkeypatch.undo()
    resumed, again = learn(world, world.run("cut"), metric=metric)
    assert torch.equal(weights(whole), weights(resumed))
    assert (report.steps, report.best, report.best_step) == (again.steps, again.best, again.best_step)
    recorded = [(world.folder / name / "metrics.jsonl").read_text().splitlines() for name in ("whole", "cut")]
    steps_of = [[json.loads(line)["step"] for line in lines] for lines in recorded]
    assert steps_of[0] == steps_of[1]  # no line is lost or repeated


def test__a_finished_stage_is_not_trained_again(make_world, monkeypatch):
    world = make_world()
    first, report = learn(world)

    def explode(*_):
        raise AssertionError("trained again")

    monkeypatch.setattr(update_module, "_look", explode)
    second, again = learn(world)
    assert torch.equal(weights(first), weights(second))
    assert report == again
    other = world.run("other")
    other.store = world.run().store
    assert learn(world, other)[1] == report
    curves = [(world.folder / name / "metrics.jsonl").read_text() for name in ("run", "other")]
    assert curves[0] == curves[1] != ""


@pytest.fixture
def clock(monkeypatch):
    """A clock that each update moves on by a second, the first ones of a stage by three."""
    now = SimpleNamespace(seconds=0.0)
    original = update_module._look

    def look(learner, teacher, batch):
        now.seconds += 3 if learner.now.step < 4 else 1
        return original(learner, teacher, batch)

    monkeypatch.setattr(update_module, "_look", look)
    for module in (learner_module, run_module):
        monkeypatch.setattr(module.time, "monotonic", lambda: now.seconds)
    return now


LONG = Stage(epochs=10, batch_size=4, lr=1e-2)  # 40 updates


def in_time(world, name, seconds, store=None):
    """A run that has so many seconds for its training, half of what is ahead."""
    run = world.run(name)
    run.store = store or run.store
    run.deadline = Deadline(2 * seconds + run_module.time.monotonic(), {"training": 30.0, "later": 30.0})
    return run


def test__a_stage_ends_when_its_time_is_up_at_an_evaluated_point_with_a_rate_that_fell(make_world, clock):
    world = make_world()
    metric = lambda student: lambda: -float(weights(student).abs().sum())  # noqa: E731
    run = in_time(world, "run", 24)
    _, report = learn(world, run, stage=LONG, metric=metric)
    assert clock.seconds == 24
    assert (report.steps, report.wanted, report.best is None) == (16, 40, False)
    assert run.notes == ["training: ended after 16 of 40 updates, when its share of the time was up (--max-minutes)"]
    lines = [json.loads(line) for line in (world.folder / "run/metrics.jsonl").read_text().splitlines()]
    rates = [line["lr"] for line in lines if "lr" in line]
    assert max(rates) > 0.8 * LONG.lr
    assert rates[-1] < 0.1 * LONG.lr
    assert [line["step"] for line in lines if "dev" in line][-1] == 16


def test__what_was_cut_short_is_found_by_its_own_run_only(make_world, clock, monkeypatch):
    world = make_world()
    shared = world.run("a").store
    cut, _ = learn(world, in_time(world, "a", 24, shared), stage=LONG)
    whole, report = learn(world, world.run("whole"), stage=LONG)
    assert report.wanted is None
    other = world.run("b")
    other.store = shared
    assert torch.equal(weights(learn(world, other, stage=LONG)[0]), weights(whole))
    for again in (world.run("a"), in_time(world, "a", 400, shared)):
        found, told = learn(world, again, stage=LONG)
        assert torch.equal(weights(found), weights(cut))
        assert (told.wanted, len(again.notes)) == (40, 1)


def test__with_time_enough_it_is_the_same_stage_for_everybody(make_world, clock):
    world = make_world()
    run = in_time(world, "a", 400)
    timed, report = learn(world, run, stage=LONG)
    whole, _ = learn(world, world.run("whole"), stage=LONG)
    assert torch.equal(weights(timed), weights(whole))
    assert (report.wanted, run.notes) == (None, [])
    other = world.run("b")
    other.store = run.store
    before = clock.seconds
    learn(world, other, stage=LONG)
    assert clock.seconds == before


def test__a_stage_that_is_cut_short_notes_its_last_updates_before_its_last_figure(make_world, clock, monkeypatch):
    world = make_world()
    run = in_time(world, "a", 19)
    monkeypatch.setattr(learner_module, "READ_EVERY", 1000)
    _, report = learn(
        world, run, stage=Stage(epochs=10, batch_size=4, lr=1e-2, evaluate_every=1000), metric=lambda _: lambda: 0.5
    )
    lines = [json.loads(line) for line in (world.folder / "a/metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "loss" in line] == [*range(1, report.steps + 1)]
    assert report.steps < 40
    assert "dev" in lines[-1]


def test__a_stage_begun_in_haste_goes_on_apart_and_with_the_time_of_the_new_command(make_world, clock, monkeypatch):
    world = make_world()
    run = in_time(world, "a", 24)
    stop_after(monkeypatch, run, 12)
    with pytest.raises(Interrupted):
        learn(world, run, stage=LONG)
    _, report = learn(world, in_time(world, "a", 10), stage=LONG)
    assert (report.steps, report.wanted) == (22, 40)


@pytest.mark.parametrize(("seconds", "saved"), [(0.3, [*range(4, 40, 4)]), (0.5, [4, 12, 20, 28, 36]), (5.0, [4])])
def test__an_epoch_ends_without_a_checkpoint_where_that_would_take_much_of_the_time(
    seconds, saved, make_world, clock, monkeypatch
):
    steps = []

    def save(artifact, run, step, tensors, counters):
        clock.seconds += seconds
        steps.append(step)

    monkeypatch.setattr(learner_module.checkpoint, "save", save)
    world = make_world()
    learn(world, world.run(checkpoint_every=1000.0), stage=LONG)
    assert steps == saved  # epochs are of four updates, those of the first of three seconds, all others of one


def test__a_gradient_that_is_not_finite_is_skipped_and_named_when_it_stays(make_world, monkeypatch):
    world = make_world(rows=64)
    original = update_module._look

    def poisoned(learner, teacher, batch):
        kept, terms = original(learner, teacher, batch)
        bad = learner.now.step == 1 or learner.now.step >= 4
        return kept, {name: value * float("nan") if bad else value for name, value in terms.items()}

    monkeypatch.setattr(update_module, "_look", poisoned)
    run = world.run()
    with pytest.raises(FloatingPointError, match=rf"training, update {4 + BAD_STEPS - 1}.*rows"):
        learn(world, run, stage=Stage(epochs=9, batch_size=4, lr=1e-2))


def test__a_skipped_update_leaves_no_nan(make_world, monkeypatch):
    world = make_world()
    original = update_module._look

    def poisoned(learner, teacher, batch):
        kept, terms = original(learner, teacher, batch)
        return kept, {n: v * float("nan") if learner.now.step == 2 else v for n, v in terms.items()}

    monkeypatch.setattr(update_module, "_look", poisoned)
    student, _ = learn(world)
    assert torch.isfinite(weights(student)).all()


def test__out_of_gpu_memory_halves_the_micro_batch_and_keeps_the_global_one(make_world, monkeypatch):
    world = make_world(dropout=0.0)
    whole, _ = learn(world, world.run("a"))
    original = update_module._look

    def small_gpu(learner, teacher, batch):
        if len(batch) > 2:
            raise torch.OutOfMemoryError("made up")
        return original(learner, teacher, batch)

    monkeypatch.setattr(update_module, "_look", small_gpu)
    parts, _ = learn(world, world.run("b"))
    assert torch.allclose(weights(whole), weights(parts), atol=1e-5)


def test__soft_targets_bring_the_student_to_the_teacher(make_world):
    world = make_world(dropout=0.0)
    batch = world.rows.batch(np.arange(16))
    theirs = world.make_teacher().observe(batch, frozenset({LOGITS}))[LOGITS].softmax(1)

    def distance(student):
        student.eval()
        ours = student.observe(batch, frozenset({LOGITS}))[LOGITS].detach().softmax(1)
        return float((ours - theirs).abs().mean())

    stage = Stage(epochs=60, batch_size=16, lr=5e-3)
    student, _ = learn(world, stage=stage, objective=SoftCrossEntropy())
    assert distance(student) < 0.5 * distance(world.make_student())
