"""Updates that are recorded and replayed: what is learnt is the same. On processors a stand-in does the work again."""

import numpy as np
import pytest
import torch

from tinybert.data.encoded import EncodedRows
from tinybert.engine import fit as fitting
from tinybert.engine import graphs
from tinybert.engine.fit import fit, recordable
from tinybert.engine.learner import Learner
from tinybert.engine.update import update
from tinybert.errors import ResourceError
from tinybert.models.teacher import TeacherScores
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
    """The weights after a stage of a world's objective, its log, and the stand-in where updates are recorded."""
    world = make_world(rows=ROWS)

    def make(name, *, recorded, **stage):
        recorder = Again()
        monkeypatch.setattr(fitting, "CudaGraphs", lambda _device: recorder)
        run, student = world.run(name, graphs=recorded), world.make_student()
        settings = Stage(**{**vars(STAGE), **stage})
        work = run.begin("training")
        fit(student, world.make_teacher(), world.objective(), world.rows, settings, work, run, selector=KeepAll())
        return student.state_dict(), run.log, recorder

    return make


def close(ours, theirs):
    assert ours.keys() == theirs.keys()
    for name, values in ours.items():
        torch.testing.assert_close(values, theirs[name], atol=1e-6, rtol=1e-5)


def test__what_is_replayed_learns_as_what_is_made_each_time(trained, monkeypatch):
    monkeypatch.setattr(graphs, "LENGTHS", 1)
    monkeypatch.setattr("tinybert.engine.update.LENGTHS", 1)  # padding would change what dropout draws
    ours, _, recorder = trained("recorded", recorded=True)
    theirs, _, unused = trained("made", recorded=False)
    close(ours, theirs)
    assert recorder.readied + recorder.replayed == 6 * (ROWS // 8)  # the short batches are not among them
    assert recorder.replayed > recorder.recorded > 1
    assert unused.readied == 0


def test__each_update_has_sums_of_its_own(trained):
    lines = trained("recorded", recorded=True)[1].lines_of("training")
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


def test__where_memory_runs_out_updates_are_made_in_parts_again(learner):
    class Full(Again):
        def ready(self, work):
            work()
            raise torch.OutOfMemoryError("CUDA out of memory")

    made, rows, indices = learner
    made.record_updates(Full())
    update(made, None, rows, indices)
    assert made.recordings is None
    assert made.now.step == 1


def test__recorded_is_what_is_the_same_work_each_time(learner, make_world):
    made, _, _ = learner
    scores = TeacherScores(torch.zeros(ROWS, 2).numpy(), torch.device("cpu"))
    assert recordable(made, None)
    assert recordable(made, scores)
    assert recordable(made, make_world(rows=ROWS).make_teacher())
    made.selector = Weighted(torch.ones(ROWS))
    assert not recordable(made, None)
    made.selector, made.masker = KeepAll(), lambda batch: batch
    assert not recordable(made, None)
