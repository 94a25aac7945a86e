"""Learning rates, weight decay groups, optimizer state, how long a stage is where the settings leave it open."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch import nn

from tinybert.engine.optimise import (
    LEAST_STEPS,
    MOST_EVALUATIONS,
    adamw,
    learning_rate,
    load_optimizer,
    optimizer_tensors,
    resolve_epochs,
    set_learning_rate,
    step,
)
from tinybert.types import Stage


def test__the_linear_schedule_rises_to_the_peak_and_falls_to_nearly_nothing():
    stage = Stage(lr=1.0, warmup=0.1)
    rates = [learning_rate(step, 100, stage) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == pytest.approx(1.0)
    assert rates[9] == pytest.approx(1.0)
    assert rates[-1] == pytest.approx(1 / 90)
    assert all(a > b for a, b in pairwise(rates[10:]))


def test__the_constant_schedule_is_constant():
    stage = Stage(lr=0.5, schedule="constant")
    assert {learning_rate(step, 10, stage) for step in range(10)} == {0.5}


def test__vectors_do_not_decay():
    layer = nn.Linear(3, 2)
    with torch.no_grad():
        layer.weight.fill_(1.0)
        layer.bias.fill_(1.0)
    optimizer = adamw(dict(layer.named_parameters()), Stage(lr=0.1, weight_decay=0.5))
    for parameter in layer.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    assert torch.allclose(layer.weight, torch.full((2, 3), 0.95))
    assert torch.equal(layer.bias, torch.ones(2))


def test__a_restored_optimizer_goes_on_bit_for_bit():
    torch.manual_seed(0)
    gradients = torch.randn(6, 2, 3)

    def train(parameter: nn.Parameter, optimizer: torch.optim.Optimizer, part: torch.Tensor) -> None:
        for gradient in part:
            parameter.grad = gradient.clone()
            optimizer.step()

    whole = nn.Parameter(torch.ones(2, 3))
    train(whole, adamw({"w": whole}, Stage(lr=0.1)), gradients)
    first = nn.Parameter(torch.ones(2, 3))
    before = adamw({"w": first}, Stage(lr=0.1))
    train(first, before, gradients[:3])
    second = nn.Parameter(first.detach().clone())
    after = adamw({"w": second}, Stage(lr=0.1))
    load_optimizer(after, {"w": second}, optimizer_tensors(before, {"w": first}))
    train(second, after, gradients[3:])
    assert torch.equal(whole, second)


@pytest.mark.parametrize("largest", [0.5, 1e9])
def test__a_step_is_by_the_mean_of_sums_clipped_to_the_largest_norm(largest):
    torch.manual_seed(0)
    sums = torch.randn(5, 2, 3)
    ours, plain = (nn.Parameter(torch.ones(2, 3)) for _ in range(2))
    optimizer = adamw({"w": ours}, Stage(lr=0.1))
    twin = torch.optim.AdamW([plain], lr=0.1, weight_decay=Stage().weight_decay)
    for kept, gradient in enumerate(sums, start=1):
        ours.grad, plain.grad = gradient.clone(), gradient / kept
        expected = nn.utils.clip_grad_norm_([plain], largest)
        assert step(optimizer, torch.tensor(float(kept)), largest) == pytest.approx(float(expected))
        twin.step()
        assert torch.allclose(ours, plain, atol=1e-5)


def test__all_groups_get_the_rate():
    layer = nn.Linear(2, 2)
    optimizer = adamw(dict(layer.named_parameters()), Stage())
    set_learning_rate(optimizer, 0.25)
    assert [group["lr"] for group in optimizer.param_groups] == [0.25, 0.25]


@pytest.mark.parametrize(
    ("rows", "batch_size", "epochs"),
    [(8635, 32, 3), (3200, 32, 3), (3168, 32, 4), (960, 32, 10), (80, 32, 20), (1, 32, 20), (80, 8, 20), (960, 8, 3)],
)
def test__few_rows_get_more_epochs_up_to_a_bound(rows, batch_size, epochs):
    found = resolve_epochs(Stage(epochs=None, batch_size=batch_size), rows)
    assert found.epochs == epochs
    steps = -(-rows // batch_size) * epochs
    assert steps >= LEAST_STEPS or epochs == 20
    assert found.evaluate_every is None


def test__where_more_epochs_are_allowed_few_rows_are_learnt_from_enough_and_evaluated_now_and_then():
    found = resolve_epochs(Stage(epochs=None, most_epochs=100), 80)
    assert (found.epochs, found.evaluate_every) == (100, 300 // MOST_EVALUATIONS)
    assert resolve_epochs(Stage(epochs=None, most_epochs=100, evaluate_every=7), 80).evaluate_every == 7
    assert resolve_epochs(Stage(epochs=None, most_epochs=100), 8635) == Stage(epochs=3, most_epochs=100)


def test__what_the_user_said_stands():
    assert resolve_epochs(Stage(epochs=1), 8) == Stage(epochs=1)
    open_ended = Stage(epochs=None, usual_epochs=5, lr=1e-3)
    assert resolve_epochs(open_ended, 8635) == replace(open_ended, epochs=5)
