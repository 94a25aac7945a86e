"""How long a stage is where the settings leave it open."""

from dataclasses import replace

import pytest

from tinybert.stages.length import LEAST_STEPS, MOST_JUDGEMENTS, stretched
from tinybert.types import Stage


@pytest.mark.parametrize(
    ("rows", "batch_size", "epochs"),
    [(8635, 32, 3), (3200, 32, 3), (3168, 32, 4), (960, 32, 10), (80, 32, 20), (1, 32, 20), (80, 8, 20), (960, 8, 3)],
)
def test__few_rows_get_more_epochs_up_to_a_bound(rows, batch_size, epochs):
    found = stretched(Stage(epochs=None, batch_size=batch_size), rows)
    assert found.epochs == epochs
    steps = -(-rows // batch_size) * epochs
    assert steps >= LEAST_STEPS or epochs == 20
    assert found.evaluate_every is None


def test__where_more_epochs_are_allowed_few_rows_are_learnt_from_enough_and_judged_now_and_then():
    found = stretched(Stage(epochs=None, most_epochs=100), 80)
    assert (found.epochs, found.evaluate_every) == (100, 300 // MOST_JUDGEMENTS)
    assert stretched(Stage(epochs=None, most_epochs=100, evaluate_every=7), 80).evaluate_every == 7
    assert stretched(Stage(epochs=None, most_epochs=100), 8635) == Stage(epochs=3, most_epochs=100)


def test__what_the_user_said_stands():
    assert stretched(Stage(epochs=1), 8) == Stage(epochs=1)
    open_ended = Stage(epochs=None, usual_epochs=5, lr=1e-3)
    assert stretched(open_ended, 8635) == replace(open_ended, epochs=5)
