"""The policy and the arithmetic of REINFORCE against plain loops."""

import math

import pytest
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st

from references import reinforce
from tinybert.selectors.policy import (
    NOISE,
    Policy,
    PolicySettings,
    advantages,
    chance_of_noise,
    combined,
    entropy_of,
    returns,
)

REWARDS = st.lists(st.floats(-1, 1), min_size=2, max_size=12)


def policy(**settings) -> Policy:
    return Policy(3, PolicySettings(**settings), seed=1)


@given(rewards=REWARDS, gamma=st.floats(0, 1))
def test__returns_are_discounted_sums(rewards, gamma):
    found = returns(torch.tensor(rewards, dtype=torch.float64), gamma).tolist()
    assert found == pytest.approx(reinforce.returns(rewards, gamma), abs=1e-9)


@given(rewards=REWARDS)
def test__gamma_zero_is_the_reward_and_gamma_one_the_sum_to_the_end(rewards):
    values = torch.tensor(rewards, dtype=torch.float64)
    assert returns(values, 0.0).tolist() == rewards
    assert returns(values, 1.0).tolist() == pytest.approx([sum(rewards[t:]) for t in range(len(rewards))])


def test__advantages_are_standardised_and_none_where_nothing_differs():
    found = [0.5, -1.0, 2.0, 0.0]
    assert advantages(torch.tensor(found)).tolist() == pytest.approx(reinforce.advantages(found))
    assert advantages(torch.tensor([0.3, 0.3, 0.3])) is None
    assert advantages(torch.tensor([0.3])) is None


@pytest.mark.parametrize("keep", [0.5, 0.8])
def test__a_fresh_policy_keeps_about_the_share_it_should(keep):
    torch.manual_seed(0)
    fresh = policy(init_keep=keep)
    logits = fresh(torch.randn(4000, 3) * 0.01, torch.zeros(4000)).detach()
    assert logits.sigmoid().mean().item() == pytest.approx(keep, abs=0.15)
    assert fresh.act(logits).mean().item() == pytest.approx(logits.sigmoid().mean().item(), abs=0.03)


def test__what_is_disputed_has_a_share_of_its_own():
    states, disputed = torch.randn(4, 3), torch.tensor([0.0, 1.0, 0.0, 1.0])
    alike, apart = policy(init_keep=0.8), policy(init_keep=0.8, init_keep_disputed=0.1)
    assert torch.equal(alike(states, disputed), alike(states, torch.zeros(4)))
    moved = (math.log(0.1 / 0.9) - math.log(0.8 / 0.2)) * disputed
    assert torch.allclose(apart(states, disputed), alike(states, disputed) + moved)


def test__hard_actions_are_their_weights_and_have_the_probability_of_a_coin():
    coin, logits = policy(), torch.tensor([-2.0, 0.0, 3.0])
    for action in (0.0, 1.0):
        actions = torch.full((3,), action)
        chance = logits.sigmoid() if action else 1 - logits.sigmoid()
        assert torch.allclose(coin.log_probability(logits, actions).exp(), chance)
        assert torch.equal(coin.weights(actions), actions)


def test__soft_actions_are_normal_around_the_logit():
    torch.manual_seed(0)
    soft = policy(selection="soft")
    logits = torch.tensor([-1.0, 2.0])
    drawn = torch.stack([soft.act(logits) for _ in range(4000)])
    assert torch.allclose(drawn.mean(0), logits, atol=0.05)
    assert torch.allclose(drawn.std(0), torch.full((2,), NOISE), atol=0.03)
    two = torch.tensor([0.3, 0.3])
    normal = torch.distributions.Normal(logits, NOISE)
    ratio = soft.log_probability(logits, two) - soft.log_probability(logits, two + 1)
    assert torch.allclose(ratio, normal.log_prob(two) - normal.log_prob(two + 1), atol=1e-5)
    assert torch.allclose(soft.weights(two), two.sigmoid())


def test__slopes_are_those_of_the_twin():
    logits = torch.tensor([-1.5, 0.0, 2.0], requires_grad=True)
    actions = torch.tensor([1.0, 0.0, 0.0])
    (policy().log_probability(logits, actions).sum()).backward()
    expected = [reinforce.slope(*pair) for pair in zip(logits.tolist(), actions.tolist(), strict=True)]
    assert logits.grad.tolist() == pytest.approx(expected, abs=1e-6)
    logits.grad = None
    entropy_of(logits).sum().backward()
    assert logits.grad.tolist() == pytest.approx([reinforce.entropy_slope(x) for x in logits.tolist()], abs=1e-6)


def test__the_entropy_of_an_even_coin_is_that_of_two_sides():
    assert entropy_of(torch.zeros(1)).item() == pytest.approx(math.log(2))


def test__building_a_policy_leaves_the_global_stream_alone():
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    policy()
    assert torch.equal(torch.rand(2), expected)


@pytest.mark.parametrize(
    "settings",
    [
        {"hidden": 0},
        {"init_keep": 1.0},
        {"init_keep_disputed": 0.0},
        {"lr": 0.0},
        {"gamma": 1.5},
        {"entropy_bonus": -0.1},
        {"significance": 0.0},
    ],
)
def test__settings_that_cannot_be_are_refused(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        PolicySettings(**settings)


def test__by_changes_of_sign_noise_has_every_chance_alike_and_a_pull_has_none():
    torch.manual_seed(0)
    chances = [chance_of_noise(torch.randn(40, 3), seed, draws=199) for seed in range(100)]
    assert sum(chance <= 0.1 for chance in chances) == pytest.approx(10, abs=8)
    assert sum(chance <= 0.5 for chance in chances) == pytest.approx(50, abs=15)
    assert chance_of_noise(torch.randn(40, 3) + torch.tensor([0.0, 2.0, 0.0]), seed=0) == 0.001
    assert chance_of_noise(torch.zeros(5, 3), seed=0) == 1.0


@given(chances=st.lists(st.floats(0.001, 1), min_size=1, max_size=6))
def test__chances_are_combined_as_fisher_did(chances):
    assert combined(chances) == pytest.approx(scipy.stats.combine_pvalues(chances, method="fisher").pvalue, rel=1e-6)
