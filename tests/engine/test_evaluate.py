"""What a network says about rows: order, mode, and the figure that decides."""

import numpy as np
import pytest
import torch

from tinybert.data.batches import by_length
from tinybert.data.encode import encode
from tinybert.data.examples import Examples
from tinybert.data.windows import Windows
from tinybert.engine import evaluate
from tinybert.engine.evaluate import logits_of, metric_fn, student_logits
from tinybert.tasks.classification import Classification
from tinybert.tasks.regression import Regression
from tinybert.types import LOGITS, Example

TASK = Classification(("neg", "pos"), 1)


def test__logits_come_in_row_order_whatever_the_batches(make_world, monkeypatch):
    world = make_world(rows=40)
    student, run = world.make_student(), world.run()
    whole = student_logits(student, world.rows, run)
    one_by_one = np.concatenate([student_logits(student, world.rows, run)[row : row + 1] for row in range(3)])
    monkeypatch.setattr(evaluate, "ROWS_AT_ONCE", 7)
    assert len(by_length(world.rows.lengths, 7)) > 1
    assert np.allclose(student_logits(student, world.rows, run), whole, atol=1e-5)
    assert np.allclose(one_by_one, whole[:3])
    alone = student.observe(world.rows.batch(np.array([17])), frozenset({LOGITS}))[LOGITS]
    assert np.allclose(alone.detach().numpy(), whole[17:18], atol=1e-5)


def test__an_answer_sees_every_row_once(make_world):
    world, seen = make_world(rows=16), []

    def compute(batch):
        seen.extend(batch.rows.tolist())
        return batch.rows[:, None].float()

    assert logits_of(compute, world.rows)[:, 0].tolist() == list(range(16))
    assert sorted(seen) == list(range(16))


def test__measuring_leaves_the_network_and_all_randomness_as_they_were(make_world):
    world = make_world()
    student, run = world.make_student(), world.run()
    student.train()
    torch.manual_seed(4)
    before = torch.random.get_rng_state()
    measured = metric_fn(student, world.rows, TASK, run)
    assert measured() == measured()
    assert student.training
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(parameter.grad is None for parameter in student.parameters())


def test__the_figure_that_decides_is_accuracy_or_pearson(make_world, tmp_path, tiny_tokenizer):
    world = make_world()
    student, run = world.make_student(), world.run()
    logits = student_logits(student, world.rows, run)
    right = np.mean(logits.argmax(axis=1) == world.rows.needed_labels())
    assert metric_fn(student, world.rows, TASK, run)() == pytest.approx(right)

    scored = Examples.of([Example("good " * (n + 1), label=float(n), row=n + 1) for n in range(6)])
    rows = encode(scored, tiny_tokenizer, 32, tmp_path / "scores.arrow")
    first = student_logits(student, rows, run)[:, 0]
    found = metric_fn(student, rows, Regression(), run)()
    assert found == pytest.approx(np.corrcoef(first, np.arange(6.0))[0, 1], abs=1e-6)


@pytest.mark.parametrize("pooling", ["mean", "max"])
def test__a_long_text_is_answered_for_by_all_its_windows(make_world, tmp_path, tiny_tokenizer, monkeypatch, pooling):
    world = make_world()
    student, run = world.make_student(), world.run()
    texts = Examples.of([Example("good bad very film " * count, None, count % 2) for count in (1, 9, 2, 5, 3)])
    rows = encode(texts, tiny_tokenizer, 12, tmp_path / "rows.arrow", windows=Windows(pooling, 3))
    monkeypatch.setattr(evaluate, "ROWS_AT_ONCE", 3)
    found = student_logits(student, rows, run)
    assert len(rows) > len(texts) == len(found) == len(rows.needed_labels())
    for index, answer in enumerate(found):
        windows = [row for row, owner in enumerate(rows.owners) if owner == index]
        each = [student.observe(rows.batch(np.array([row])), frozenset({LOGITS}))[LOGITS][0] for row in windows]
        whole = torch.stack(each).mean(dim=0) if pooling == "mean" else torch.stack(each).max(dim=0).values
        assert np.allclose(whole.detach().numpy(), answer, atol=1e-5)
    some = np.array([1, 4])
    assert np.allclose(student_logits(student, rows.of_examples(some), run), found[some], atol=1e-5)
