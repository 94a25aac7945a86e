"""The K best and the draw, against loops; every probability is exact."""

import pytest
import torch

from references import filling as slow
from tinybert.samplers.masked_lm import NONE, drawn, top_candidates

PLACES, VOCABULARY = 5, 11


@pytest.fixture
def logits():
    return 2 * torch.randn(PLACES, VOCABULARY, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def allowed():
    return torch.rand(PLACES, VOCABULARY, generator=torch.Generator().manual_seed(2)) < 0.6


@pytest.mark.parametrize("count", [1, 3])
def test_top_candidates__are_those_of_a_loop(logits, allowed, count):
    expected = [slow.top_candidates(*row, count) for row in zip(logits.tolist(), allowed.tolist(), strict=True)]
    assert top_candidates(logits, allowed, count).tolist() == expected


def test_top_candidates__where_fewer_are_allowed_the_rest_is_none(logits):
    allowed = torch.zeros(1, VOCABULARY, dtype=torch.bool)
    allowed[0, [2, 9]] = True
    assert top_candidates(logits, allowed, 3).tolist() == [[NONE, 2, 9]] * PLACES
    assert top_candidates(logits, allowed, 99).shape == (PLACES, VOCABULARY)


def test_top_candidates__rounding_that_exchanges_two_of_them_changes_nothing():
    close = torch.tensor([[0.5, 3.0, 3.0 + 1e-6, 0.1]])
    either = torch.tensor([[0.5, 3.0 + 1e-6, 3.0, 0.1]])
    allowed = torch.ones(1, 4, dtype=torch.bool)
    assert top_candidates(close, allowed, 2).tolist() == top_candidates(either, allowed, 2).tolist() == [[1, 2]]


def test_top_candidates__none_wanted_is_refused(logits, allowed):
    with pytest.raises(ValueError, match="at least one candidate must be wanted, got 0"):
        top_candidates(logits, allowed, 0)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_drawn__ids_and_log_probabilities_are_those_of_a_loop(logits, allowed, temperature):
    for uniform in torch.linspace(0, 1, 40, dtype=torch.float64)[:-1]:
        ids, log_probabilities = drawn(logits, allowed, uniform.expand(PLACES), temperature)
        for row in range(PLACES):
            expected = slow.softmax(logits[row].tolist(), allowed[row].tolist(), temperature)
            assert ids[row] == slow.drawn(expected, float(uniform))
            assert log_probabilities[row].exp() == pytest.approx(expected[int(ids[row])], rel=1e-12)


def test_drawn__several_draws_of_a_place_are_those_of_one_at_a_time(logits, allowed):
    uniform = torch.rand(PLACES, 7, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    together = drawn(logits, allowed, uniform, 0.7)
    alone = [drawn(logits, allowed, numbers, 0.7) for numbers in uniform.T]
    for found, column in zip(together, zip(*alone, strict=True), strict=True):
        assert torch.equal(found, torch.stack(column, dim=1))
    assert [tuple(found.shape) for found in drawn(logits[:0], allowed[:0], uniform[:0])] == [(0, 7), (0, 7)]


def test_drawn__each_piece_has_its_probability_of_all_numbers(logits, allowed):
    steps = 20_000
    row, may = logits[:1], allowed[:1]
    uniform = (torch.arange(steps, dtype=torch.float64) + 0.5) / steps
    ids, _ = drawn(row.expand(steps, -1), may, uniform)
    shares = ids.bincount(minlength=VOCABULARY).double() / steps
    expected = torch.tensor(slow.softmax(row[0].tolist(), may[0].tolist(), 1.0), dtype=torch.float64)
    torch.testing.assert_close(shares, expected, atol=1.5 / steps, rtol=0)


def test_drawn__cold_takes_the_best_hot_takes_all_alike(logits, allowed):
    uniform = torch.rand(PLACES, generator=torch.Generator().manual_seed(3))
    best = logits.masked_fill(~allowed, -torch.inf).argmax(dim=1)
    assert torch.equal(drawn(logits, allowed, uniform, 1e-4)[0], best)
    alike = drawn(logits, allowed, uniform, 1e9)[1].exp()
    torch.testing.assert_close(alike, 1 / allowed.sum(dim=1).double(), atol=1e-6, rtol=0)


def test_drawn__no_number_below_one_leaves_the_allowed_pieces():
    logits = torch.tensor([[0.0, -30.0, 5.0, 9.0]])
    allowed = torch.tensor([[False, True, True, False]])
    ends = torch.tensor([0.0, 1 - 2**-53], dtype=torch.float64)
    ids, log_probabilities = drawn(logits.expand(2, -1), allowed, ends)
    assert ids.tolist() == [1, 2]
    assert log_probabilities.isfinite().all()


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("inf"), float("nan")])
def test_drawn__an_unusable_temperature_is_refused(logits, allowed, temperature):
    with pytest.raises(ValueError, match="temperature must be positive and finite"):
        drawn(logits, allowed, torch.zeros(PLACES), temperature)


def test_drawn__a_place_without_allowed_pieces_is_refused(logits):
    with pytest.raises(ValueError, match="no allowed piece"):
        drawn(logits, torch.zeros(1, VOCABULARY, dtype=torch.bool), torch.zeros(PLACES))
