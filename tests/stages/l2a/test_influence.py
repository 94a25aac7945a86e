"""Influence against the gradient of each example alone, and what the rest of the loop must not notice of it."""

import math
from collections.abc import Callable
from copy import deepcopy

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from planted import Numbers, Small
from references import influence as twin
from tinybert.objectives import GoldCrossEntropy, GoldMSE, SoftCrossEntropy
from tinybert.selectors.rewards import difference_rewards
from tinybert.stages.l2a.influence import Influence, calibration
from tinybert.types import LOGITS, NO_TRACE, Trace

LOGITS_ONLY = frozenset({LOGITS})


class World:
    """Six rows to learn from and ten of dev, a student after three updates, and its optimizer."""

    def __init__(self, every: int = 1) -> None:
        torch.manual_seed(3)
        table = torch.randn(16, 20)
        rows = Numbers(torch.arange(16).numpy(), (table[:, 0] > 0).long())
        self.student, self.soft, self.gold = Small(table, hidden=5), SoftCrossEntropy(), GoldCrossEntropy()
        self.batch, self.dev = rows.batch(torch.arange(6).numpy()), Numbers(rows.indices[6:], rows.labels)
        self.teacher = Trace({LOGITS: torch.randn(6, 2) * 2})
        self.optimizer = torch.optim.AdamW(self.student.parameters(), lr=1e-3)
        self.reward = Influence(self.student, self.soft, self.gold, self.dev, every)

    def losses(self) -> torch.Tensor:
        return self.soft(self.student.observe(self.batch, LOGITS_ONLY), self.teacher, self.batch)

    def reward_loss(self) -> Callable[[], torch.Tensor]:
        """The loss on dev, calibrated for the student as it is now."""
        everything = self.dev.batch(torch.arange(10).numpy())
        scale, bias = calibration(self.student.observe(everything, LOGITS_ONLY)[LOGITS], self.gold, [everything])

        def loss() -> torch.Tensor:
            logits = self.student.observe(everything, LOGITS_ONLY)[LOGITS]
            return self.gold(Trace({LOGITS: logits * scale + bias}), NO_TRACE, everything).mean()

        return loss

    def update(self) -> None:
        self.losses().mean().backward()
        self.optimizer.step()
        self.optimizer.zero_grad()

    def effects(self, number: int = 0) -> torch.Tensor | None:
        self.reward.before_update(self.optimizer, number)
        return self.reward.effects(self.teacher, self.batch)


@pytest.fixture
def world() -> World:
    made = World()
    for _ in range(3):
        made.update()
    return made


def test__it_is_the_product_of_both_gradients_and_the_preconditioner(world):
    loss = world.reward_loss()
    moments = lambda weight: world.optimizer.state[weight]["exp_avg_sq"]  # noqa: E731
    expected = twin.influences(world.student, world.losses, loss, moments)
    assert world.effects().tolist() == pytest.approx(expected, rel=2e-2, abs=2e-3)
    assert world.reward.quality == pytest.approx(-loss().item(), abs=1e-5)


def test__it_says_what_an_update_does_to_the_loss(world):
    """A small step along P g of one example changes the loss on dev by as much as its influence says."""
    effects, loss = world.effects(), world.reward_loss()
    before, start = loss().item(), deepcopy(world.student.state_dict())
    rows, fallen = (int(effects.argmax()), int(effects.argmin())), []
    for row in rows:
        gradients = torch.autograd.grad(world.losses()[row], list(world.student.parameters()))
        with torch.no_grad():
            for weight, gradient in zip(world.student.parameters(), gradients, strict=True):
                second = world.optimizer.state[weight]["exp_avg_sq"]
                weight -= 1e-5 * gradient / (second + second.mean()).sqrt()
        fallen.append(before - loss().item())
        world.student.load_state_dict(start)
    assert fallen[0] > 0 > fallen[1]
    assert fallen[0] / fallen[1] == pytest.approx(float(effects[rows[0]] / effects[rows[1]]), rel=0.05)


def test__neither_weights_nor_gradients_nor_streams_are_touched(world):
    world.student.train()
    weights, stream = deepcopy(world.student.state_dict()), torch.get_rng_state()
    first, again = world.effects(), world.effects()
    assert torch.equal(first, again)
    assert torch.equal(torch.get_rng_state(), stream)
    assert world.student.training
    assert all(weight.grad is None for weight in world.student.parameters())
    assert all(torch.equal(value, weights[name]) for name, value in world.student.state_dict().items())


def test__the_gradient_of_the_update_is_what_it_would_be_without(world):
    """The two further passes come between the student's and its backward pass."""
    world.losses().mean().backward()
    expected = [weight.grad.clone() for weight in world.student.parameters()]
    world.optimizer.zero_grad()
    loss = world.losses().mean()
    world.effects()
    loss.backward()
    assert all(torch.equal(w.grad, g) for w, g in zip(world.student.parameters(), expected, strict=True))


def test__of_so_many_updates_one_is_rewarded_and_the_very_first_is_not():
    world = World(every=2)
    assert world.effects(0) is None
    world.update()
    assert [world.effects(number) is None for number in range(4)] == [False, True, False, True]


@pytest.mark.parametrize("size", [3.0, 0.001, 1e4])
def test__calibration_is_where_the_loss_with_its_prior_is_flat(world, size):
    everything = world.dev.batch(torch.arange(10).numpy())
    shown = size * torch.randn(10, 2)
    scale, bias = calibration(shown, world.gold, [everything])
    raw = (2 ** (scale * shown.std()) - 1).log2() * math.log(2)  # of softplus(raw) / log 2
    free = torch.cat([raw[None], bias]).requires_grad_()
    fitted = Trace({LOGITS: shown / shown.std() * F.softplus(free[0]) / math.log(2) + free[1:]})
    total = world.gold(fitted, NO_TRACE, everything).sum() + free.square().sum() / 2
    (slope,) = torch.autograd.grad(total, free)
    assert slope.abs().max() < 1e-3


def test__scores_are_fitted_by_a_line(world):
    everything = world.dev.batch(torch.arange(10).numpy())
    shown = torch.randn(10, 1) + 0.3 * everything.labels[:, None]
    scale, bias = calibration(shown, GoldMSE(), [everything])
    closer = (shown * scale + bias)[:, 0] - everything.labels
    assert scale > 0
    assert closer.square().sum() < (shown[:, 0] - everything.labels).square().sum()


NUMBERS = st.lists(
    st.tuples(st.sampled_from([0.0, 1.0, 0.3]), st.floats(0.05, 1), st.floats(-2, 2)), min_size=1, max_size=8
)


@given(rows=NUMBERS)
def test__a_choice_is_rewarded_for_what_it_changed(rows):
    weights, expected, effects = (list(column) for column in zip(*rows, strict=True))
    found = difference_rewards(*(torch.tensor(c, dtype=torch.float64) for c in (weights, expected, effects)))
    assert found.tolist() == pytest.approx(twin.difference_rewards(weights, expected, effects), abs=1e-9)


def test__what_was_done_as_expected_changed_nothing():
    weights = torch.tensor([1.0, 0.25, 0.0])
    assert difference_rewards(weights, weights, torch.tensor([1.0, 5.0, -3.0])).abs().max() < 1e-6
