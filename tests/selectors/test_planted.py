"""A signal that is known, and none at all, at the values of the preset `practical`: what the policy makes of either.

It begins without the rule here, which would find half of the signal by gold labels alone.
"""

from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from planted import taught
from tinybert.config import resolve
from tinybert.recipes import l2a
from tinybert.selectors.policy import PolicySettings
from tinybert.selectors.reinforced import Reinforced


@cache
def practical() -> Any:
    unruled = ["l2a.policy.init_keep_disputed=null"]
    return resolve(l2a.Config, "l2a", config="practical", overrides=unruled).settings


def run(seed: int, **how: Any) -> tuple[Reinforced, Any]:
    config = practical()
    sizes = {"held_out": config.l2a.reward_eval_size, "episodes": config.distill.epochs, "lr": config.distill.lr}
    how = {"policy": config.l2a.policy, "reward": config.l2a.reward, "every": config.l2a.reward_every} | how
    return taught(seed=seed, **how, **sizes)


@pytest.mark.parametrize("seed", [0, 1])
def test__noise_is_kept_less_than_what_teaches(seed):
    """The teacher's logits are noise on half of the rows; which half, nobody says."""
    selector, noisy = run(seed)
    assert selector.chances[~noisy].mean() - selector.chances[noisy].mean() > 0.3
    assert selector.episodes[-1]["noise"] < 0.05


@pytest.mark.parametrize("reward", ["influence", "neg_val_loss"])
def test__rewards_that_mean_nothing_change_nothing(reward):
    selector, _ = run(5, meaningless=True, reward=reward, rows=2000)
    kept = [episode["kept"] for episode in selector.episodes]
    assert abs(kept[-1] - kept[0]) <= 0.05
    assert selector.episodes[-1]["noise"] > 0.05


def test__a_policy_that_is_not_asked_for_significance_learns_from_every_episode():
    sure: PolicySettings = replace(practical().l2a.policy, significance=1e-6)
    selector, _ = run(0, policy=sure, rows=640)
    assert selector.episodes[0]["noise"] > 1e-6
    assert not any(name.startswith("policy.adam") for name in selector.state_dict())
    other, _ = run(0, policy=replace(sure, significance=1.0), rows=640)
    assert any(name.startswith("policy.adam") for name in other.state_dict())
