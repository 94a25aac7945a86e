"""Updates that are recorded and replayed: what is learnt is the same. On processors a stand-in does the work again."""

from dataclasses import replace
from signal import SIGTERM

import numpy as np
import pytest
import torch

from tinybert.data.encoded import EncodedRows
from tinybert.engine import fit as fitting
from tinybert.engine import learner as learning
from tinybert.engine.fit import fit
from tinybert.engine.learner import Learner
from tinybert.engine.update import update
from tinybert.errors import Interrupted, ResourceError
from tinybert.models.teacher import Teacher, TeacherScores
from tinybert.objectives.prediction import GoldCrossEntropy
from tinybert.selectors.fixed import KeepAll, Weighted
from tinybert.types import Stage

STAGE = Stage(epochs=6, batch_size=8, lr=1e-3)
ROWS = 44  # the last batch of an epoch is shorter


class Again:
    """As CUDA's graphs: a replay reads where the recorded batch lay, and leaves its sums where they were."""

    def __init__(self, _device=None):
        self.readied = self.recorded = self.replayed = 0

    def ready(self, work):
        self.readied += 1
        return work()

    def record(self, work):
        self.recorded += 1
        left, fresh = work(), [True]

        def replay():
            self.replayed += 1
            if not fresh:
                left.copy_(work())
            fresh.clear()

        return replay, left


@pytest.fixture
def trained(make_world, monkeypatch):
    """The weights after a stage, its log, and the stand-in; where updates are not recorded nothing but that differs."""
    world = make_world(rows=ROWS)

    def make(name, *, recorded=True, stopped_after=None):
        recorder, run, student = Again(), world.run(name, graphs=True), world.make_student()
        with monkeypatch.context() as patch:
            patch.setattr(fitting, "CudaGraphs", lambda _device: recorder)
            if not recorded:
                patch.setattr(fitting, "_record", lambda _learner, _teacher: None)
            if stopped_after is not None:
                stop_after(patch, run, stopped_after)
            work, taught = run.begin("training"), (student, world.make_teacher(), world.objective(), world.rows)
            fit(*taught, STAGE, work, run, selector=KeepAll())
        return student.state_dict(), run.log, recorder

    return make


def stop_after(patch, run, updates):
    """Let a signal come before an update."""
    original, count = learning.Learner.plan_for_time, []

    def plan_for_time(self):
        count.append(1)
        if len(count) == updates:
            run.stop_signal = int(SIGTERM)
        return original(self)

    patch.setattr(learning.Learner, "plan_for_time", plan_for_time)


def close(ours, theirs):
    assert ours.keys() == theirs.keys()
    for name, values in ours.items():
        torch.testing.assert_close(values, theirs[name], atol=1e-6, rtol=1e-5)


def test__what_is_replayed_learns_as_what_is_made_each_time(trained):
    ours, _, recorder = trained("recorded")
    theirs, _, unused = trained("made", recorded=False)
    close(ours, theirs)
    assert recorder.readied + recorder.replayed == 6 * (ROWS // 8)  # the short batches are not among them
    assert recorder.replayed > recorder.recorded > 1
    assert unused.readied == 0


@pytest.mark.parametrize("updates", [1, 9, 20])
def test__a_stage_that_was_stopped_goes_on_to_the_same_bits(trained, updates):
    whole, *_ = trained("whole")
    with pytest.raises(Interrupted):
        trained("cut", stopped_after=updates)
    resumed, *_ = trained("cut")
    assert all(torch.equal(values, resumed[name]) for name, values in whole.items())


def test__each_update_has_sums_of_its_own(trained):
    lines = trained("recorded")[1].lines_of("training")
    losses = [line.partition('"loss": ')[2].partition(",")[0] for line in lines.splitlines()]
    assert len(losses) == 36
    assert len(set(losses)) == 36


def test__lengths_are_padded_to_few_shapes_and_no_further_than_the_longest_row(make_world):
    rows: EncodedRows = make_world(rows=ROWS).rows
    longest = int(rows.lengths.max())
    widths = {rows.batch(part, 8).input_ids.shape[1] for part in rows.order(8, np.random.default_rng(0))}
    assert all(width % 8 == 0 or width == longest for width in widths)
    few = np.array([0, 3, 5])
    batch, padded = rows.batch(few), rows.batch(few, 8)
    assert torch.equal(padded.input_ids[:, : batch.real.shape[1]], batch.input_ids)
    assert torch.equal(padded.real.sum(dim=1), batch.real.sum(dim=1))


@pytest.fixture
def learner(make_world):
    """One that learns gold labels, its rows, and a whole batch of them."""
    world = make_world(rows=ROWS)
    run = world.run()
    made = Learner(world.make_student(), GoldCrossEntropy(), KeepAll(), STAGE, run.begin("training"), run, ROWS)
    return made, world.rows, np.arange(STAGE.batch_size)


def test__what_cannot_be_recorded_is_told_in_one_line(learner):
    class Refuses(Again):
        def record(self, work):
            raise RuntimeError("operation not permitted when stream is capturing\nSearch for ...")

    made, rows, indices = learner
    made.record_updates(Refuses())
    update(made, None, rows, indices)
    told = r"an update cannot be recorded \(operation not permitted .* capturing\); go on with --set run.graphs=false"
    with pytest.raises(ResourceError, match=told):
        update(made, None, rows, indices)


@pytest.mark.parametrize("when", ["ready", "record"])
def test__what_does_not_fit_the_device_is_told_too(learner, when):
    def full(_work):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    recorder, (made, rows, indices) = Again(), learner
    setattr(recorder, when, full)
    made.record_updates(recorder)
    told = r"cannot be recorded \(CUDA out of memory.*--set run.graphs=false"
    if when == "record":
        update(made, None, rows, indices)
    with pytest.raises(ResourceError, match=told):
        update(made, None, rows, indices)


@pytest.fixture
def recorded(learner, monkeypatch):
    """Whether the updates of the learner would be recorded with some teacher; what it says otherwise."""
    monkeypatch.setattr(fitting, "CudaGraphs", Again)
    made, found = learner[0], []
    monkeypatch.setattr(learning.Learner, "record_updates", lambda _self, _recorder: found.append(True))

    def asked(teacher=None, **changes):
        found.clear()
        with monkeypatch.context() as patch:
            for name, value in changes.items():
                patch.setattr(made, name, value)
            fitting._record(made, teacher)
        return bool(found)

    return asked


def test__recorded_is_what_is_the_same_work_each_time(recorded, learner, make_world, monkeypatch):
    scores = TeacherScores(np.zeros((ROWS, 2)), torch.device("cpu"))
    teacher, said = make_world(rows=ROWS).make_teacher(), []
    monkeypatch.setattr(learner[0].run.log, "say", said.append)
    assert recorded()
    assert recorded(scores)
    assert recorded(teacher)
    assert not recorded(selector=Weighted(torch.ones(ROWS)))
    assert not recorded(masker=lambda batch: batch)
    assert not recorded(stage=replace(STAGE, accumulate=2))
    assert not recorded(run=replace(learner[0].run, world=2))
    assert said[1] == "training: updates are not recorded (run.graphs), since pieces are masked"


def test__networks_that_ask_the_device_are_not_recorded(recorded, learner, make_world):
    teacher = make_world(rows=ROWS).make_teacher()
    teacher._model.model.set_attn_implementation("eager")
    assert not recorded(teacher)
    learner[0].student.model.set_attn_implementation("eager")
    assert not recorded()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test__on_a_gpu_recorded_updates_learn_as_others(make_world):
    world, found = make_world(rows=ROWS), []
    for name, graphs in (("recorded", True), ("again", True), ("made", False)):
        run = replace(world.run(name, graphs=graphs), device=torch.device("cuda"))
        student, work = world.make_student().to(run.device), run.begin("training")
        teacher = Teacher(world.make_teacher()._model, "fp32", run.device)
        fit(student, teacher, world.objective(), world.rows, STAGE, work, run, selector=KeepAll())
        found.append(student.cpu().state_dict())
    assert all(torch.equal(values, found[1][name]) for name, values in found[0].items())
    assert all(torch.isfinite(values).all() for values in found[2].values())
