"""Confidence against accuracy, with slow twins; and what a temperature must not change."""

import numpy as np
import pytest

from references import calibration as slow
from tinybert.tasks.calibration import BINS, Decisions, calibration_error, fitted_temperature


def decisions(rows, options, seed, steep=1.0):
    """Logits whose softmax, at temperature `steep`, says how often an option is right."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(rows, options)) * 2
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    gold = np.array([rng.choice(options, p=share) for share in shares])
    return Decisions((logits * steep).astype(np.float32), gold)


@pytest.mark.parametrize("rows", [1, 7, 40])
@pytest.mark.parametrize(("options", "steep"), [(2, 0.3), (2, 4.0), (4, 1.0)])
def test__error_and_best_temperature_are_those_of_plain_loops(rows, options, steep):
    known = decisions(rows, options, rows, steep)
    logits, gold = known.logits.tolist(), known.gold.tolist()
    assert calibration_error(known) == pytest.approx(slow.calibration_error(logits, gold, BINS), abs=1e-6)
    least = min(slow.loss(logits, gold, 20 ** (step / 50 - 1)) for step in range(101))
    assert slow.loss(logits, gold, fitted_temperature(known)) <= least + 1e-6


@pytest.mark.parametrize("steep", [0.2, 1.0, 5.0])
def test__the_temperature_that_logits_were_made_with_is_found_and_calibrates(steep):
    known = decisions(4000, 3, 1, steep)
    found = fitted_temperature(known)
    assert found == pytest.approx(steep, rel=0.1)
    error = calibration_error(known._replace(logits=known.logits / found))
    assert error < 0.03
    assert steep == 1 or error < calibration_error(known) / 3


def test__a_model_that_is_right_on_few_rows_is_not_called_certain():
    logits = np.array([[2.0, 0.0], [0.0, 1.5]] * 6, np.float32)
    known = Decisions(logits, logits.argmax(axis=1))
    sure = slow.softened(logits[0].tolist(), fitted_temperature(known))
    assert 0.85 < sure[0] < 0.97


def test__who_is_always_wrong_where_he_is_sure_has_an_error_of_his_confidence():
    logits, sure = np.array([[9.0, 0.0]] * 5), 1 / (1 + np.exp(-9))
    assert calibration_error(Decisions(logits, np.ones(5, np.int64))) == pytest.approx(sure)
    assert calibration_error(Decisions(logits, np.zeros(5, np.int64))) == pytest.approx(1 - sure)
