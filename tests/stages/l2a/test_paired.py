"""The reward beside a twin: against an update made by hand, and what the loop must not notice of it."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import clip_grad_norm_

from planted import Numbers, Small
from tinybert.engine.dropout import quick_dropout
from tinybert.objectives import SoftCrossEntropy
from tinybert.stages.l2a.paired import Paired
from tinybert.types import LOGITS, Stage, Trace

LOGITS_ONLY = frozenset({LOGITS})
SOFT = SoftCrossEntropy()


class World:
    """Eight rows to learn from; the quality is one weight, so that any change of the student shows."""

    def __init__(self) -> None:
        torch.manual_seed(3)
        table = torch.randn(8, 20)
        self.rows = Numbers(np.arange(8), (table[:, 0] > 0).long())
        self.student = Small(table, hidden=5)
        self.teacher = Trace({LOGITS: torch.randn(8, 2) * 2})
        self.optimizer = torch.optim.AdamW(self.student.parameters(), lr=1e-2, fused=True)

    def quality(self) -> float:
        return self.student.layers[0].weight[0, 0].item()

    def learn(self, kept: torch.Tensor) -> None:
        batch = self.rows.batch(np.arange(8))
        with quick_dropout(batch.input_ids.device):
            losses = SOFT(self.student.observe(batch, LOGITS_ONLY), self.teacher, batch)
        ((kept * losses).sum() / kept.sum()).backward()
        clip_grad_norm_(self.student.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()

    def rewarded(self, reward: Paired, kept: torch.Tensor, number: int = 0) -> float:
        reward.before_update(self.optimizer, number)
        assert reward.effects(self.teacher, self.rows.batch(np.arange(8))) is None
        self.learn(kept)
        return reward.after_update(changed=True)


def rewarding(world: World, every: int = 1) -> Paired:
    return Paired(world.student, SOFT, world.quality, Stage(epochs=1, clip=1.0), every=every)


@pytest.mark.parametrize("before", [0, 2])
def test__it_is_the_difference_to_an_update_with_all_kept(before: int) -> None:
    """From the first update on, when the optimizer has no moments yet."""
    world, kept = World(), torch.tensor([1.0, 0, 1, 0, 0, 1, 0, 0])
    for _ in range(before):
        world.learn(torch.ones(8))
    own, twin = deepcopy(world), deepcopy(world)
    own.learn(kept)
    twin.learn(torch.ones(8))

    found = world.rewarded(rewarding(world), kept)

    assert found == pytest.approx(own.quality() - twin.quality(), abs=1e-7)
    assert abs(found) > 1e-5


def test__the_loop_goes_on_as_if_nothing_had_been_measured() -> None:
    """Weights, moments and random numbers."""
    world, kept = World(), torch.tensor([1.0, 1, 0, 1, 0, 1, 0, 0])
    alone = deepcopy(world)
    reward = rewarding(world)
    torch.manual_seed(5)
    for number in range(3):
        world.rewarded(reward, kept, number)
        alone.learn(kept)
    drawn = torch.rand(3)
    torch.manual_seed(5)
    assert torch.equal(drawn, torch.rand(3))
    for ours, theirs in zip(world.student.parameters(), alone.student.parameters(), strict=True):
        assert torch.equal(ours, theirs)
        assert torch.equal(world.optimizer.state[ours]["exp_avg"], alone.optimizer.state[theirs]["exp_avg"])


def test__whoever_keeps_all_gains_nothing() -> None:
    world = World()
    assert world.rewarded(rewarding(world), torch.ones(8)) == 0.0


def test__the_twin_drops_what_the_update_dropped() -> None:
    world = World()
    world.student.layers.insert(1, nn.Dropout(0.5))
    for number, seed in enumerate((5, 6, 7)):
        torch.manual_seed(seed)
        assert world.rewarded(rewarding(world), torch.ones(8), number) == 0.0


def test__updates_in_between_cost_nothing() -> None:
    world, kept = World(), torch.tensor([1.0, 0, 0, 0, 0, 0, 0, 0])
    reward = rewarding(world, every=2)
    assert [world.rewarded(reward, kept, number) != 0 for number in range(4)] == [True, False, True, False]
