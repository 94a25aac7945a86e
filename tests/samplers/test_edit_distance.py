"""How many and which positions are replaced: against enumeration of all sets, and the numbers of the literature."""

import math
from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import binom, chisquare

from tinybert.samplers.edit_distance import EditDistance, describe_distance, log_odds

LAWS = ("positions", "rescaled", "literal")
MANY = 6000


def enumerated(positions: int, alpha: float, vocabulary: int, law: str, least: int) -> dict[tuple[int, ...], float]:
    """Every set of positions with its probability, from the weights as they are written."""
    weights = {}
    for distance in range(least, positions + 1):
        exponent = {"positions": 0.0, "rescaled": 1 - 1 / alpha, "literal": 1.0}[law] * distance
        weight = math.exp(-distance / alpha) * (vocabulary - 1) ** exponent
        weights |= dict.fromkeys(combinations(range(positions), distance), weight)
    total = sum(weights.values())
    return {chosen: weight / total for chosen, weight in weights.items()}


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("least", [0, 1, 2])
def test__every_set_of_places_has_its_probability(law, least):
    distance = EditDistance(log_odds(0.7, 5, law), least)
    expected = enumerated(4, 0.7, 5, law, least)
    for chosen, probability in expected.items():
        assert math.exp(distance.log_probability(len(chosen), 4)) == pytest.approx(probability, rel=1e-9)
    by_distance = np.exp(distance.log_probabilities(4))
    assert by_distance.sum() == pytest.approx(1)
    assert by_distance[:least].tolist() == [0.0] * least


@pytest.mark.parametrize("least", [0, 1])
def test_draw__follows_the_law(least):
    distance = EditDistance(log_odds(0.8, 7, "positions"), least)
    rng = np.random.default_rng(4)
    found = Counter(tuple(distance.draw(4, rng).tolist()) for _ in range(MANY))
    expected = enumerated(4, 0.8, 7, "positions", least)
    assert found.keys() == expected.keys()
    assert chisquare(list(found.values()), [expected[chosen] * MANY for chosen in found]).pvalue > 1e-3


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("positions", [1, 5, 20, 128])
def test__without_a_least_it_is_the_binomial(law, positions):
    distance = EditDistance(log_odds(0.9, 30522, law))
    p = expit(distance.log_rho)
    exact = binom.logpmf(np.arange(positions + 1), positions, p)
    np.testing.assert_allclose(distance.log_probabilities(positions), exact, rtol=1e-9, atol=1e-9)
    assert distance.mean(positions) == pytest.approx(positions * p)


@pytest.mark.parametrize(
    ("law", "rates"),
    [
        ("positions", (0.159, 0.193, 0.223, 0.248, 0.269)),
        ("rescaled", (0.00019, 0.0029, 0.021, 0.095, 0.269)),
    ],
)
def test_log_odds__gives_the_known_rates(law, rates):
    for alpha, rate in zip((0.6, 0.7, 0.8, 0.9, 1.0), rates, strict=True):
        assert expit(log_odds(alpha, 30522, law)) == pytest.approx(rate, rel=0.03)


def test_log_odds__literal_replaces_nearly_everything():
    assert 1 - expit(log_odds(0.6, 30522, "literal")) == pytest.approx(0.00017, rel=0.05)
    assert np.exp(EditDistance(log_odds(0.6, 30522, "literal")).log_probabilities(20))[-1] == pytest.approx(
        0.9965, abs=1e-4
    )


@pytest.mark.parametrize("law", LAWS)
def test__neither_length_nor_vocabulary_overflows(law):
    distance = EditDistance(log_odds(0.6, 10**6, law), 1)
    logs = distance.log_probabilities(512)
    assert not np.isnan(logs).any()
    assert np.exp(logs).sum() == pytest.approx(1)
    assert 1 <= len(distance.draw(512, np.random.default_rng(0))) <= 512


def test__a_text_with_fewer_places_than_needed_has_all_replaced():
    distance = EditDistance(-1.0, min_edits=3)
    assert distance.draw(2, np.random.default_rng(0)).tolist() == [0, 1]
    assert distance.log_probability(2, 2) == pytest.approx(0.0)
    assert EditDistance(-1.0, 1).draw(0, np.random.default_rng(0)).tolist() == []


@pytest.mark.parametrize(("alpha", "vocabulary"), [(0.0, 9), (-1.0, 9), (math.inf, 9), (0.5, 2)])
def test_log_odds__refuses_what_cannot_be(alpha, vocabulary):
    with pytest.raises(ValueError, match=r"alpha|vocabulary"):
        log_odds(alpha, vocabulary, "positions")


def test__a_negative_least_is_refused():
    with pytest.raises(ValueError, match="min_edits"):
        EditDistance(0.0, -1)


def test_describe_distance__says_the_means_over_the_texts():
    distance = EditDistance(log_odds(0.6, 30522, "positions"))
    lengths = np.array([10, 30, 30, 0])
    mean, never = 70 / 4 * 0.1589, (1 + 0.8411**10 + 2 * 0.8411**30) / 4
    said = describe_distance(distance, lengths)
    assert said.startswith(f"of 17.5 pieces {mean:.2g} are replaced (E[d], mean of 4 texts; 0 of 0, 4.8 of 30)")
    assert said.endswith(f"P(d=0) = {never:.2g}")
    assert said == describe_distance(distance, lengths.tolist())
    assert describe_distance(EditDistance(-1.0, min_edits=1), [5]).endswith("P(d=0) = 0")
