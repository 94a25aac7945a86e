"""States: their parts one by one, and standardising as if all states had been there at once."""

import math

import pytest
import torch

from references.reinforce import soft_entropy
from tinybert.selectors.features import Facts, Outputs, Running, View, agreement, entropy, state_of, width_of
from tinybert.types import LOGITS, Signal, Trace


def facts(size: int) -> Facts:
    return Facts(
        source=torch.arange(size) % 2 == 1,
        fixed=torch.zeros(size, dtype=torch.bool),
        distance=torch.arange(size),
        share=torch.linspace(0, 1, size),
        gold=torch.full((size,), torch.nan),
    )


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test__the_state_of_classes_has_its_parts_in_order(temperature):
    torch.manual_seed(0)
    shown = Outputs(torch.randn(5, 3), torch.randn(5, 3))
    state = state_of(shown, facts(5), "default", temperature)
    assert state.shape == (5, width_of("default", 3))
    for row, (student, teacher) in enumerate(zip(shown.student.tolist(), shown.teacher.tolist(), strict=True)):
        soft = [math.exp(value / temperature) for value in teacher]
        said = [math.exp(value / temperature) for value in student]
        loss = -sum(t / sum(soft) * math.log(s / sum(said)) for t, s in zip(soft, said, strict=True))
        probabilities = [[math.exp(v) / sum(map(math.exp, logits)) for v in logits] for logits in (teacher, student)]
        both = [*teacher, *student, *probabilities[0], *probabilities[1]]
        expected = [*both, loss, soft_entropy(teacher), row % 2, row / 4]
        assert state[row].tolist() == pytest.approx(expected, abs=1e-5)


def test__the_state_of_scores_and_the_minimal_one():
    shown = Outputs(torch.tensor([[1.0], [2.0]]), torch.tensor([[4.0], [2.0]]))
    assert state_of(shown, facts(2), "default").tolist() == [[4, 1, 3, 9, 0, 0], [2, 2, 0, 0, 1, 1]]
    assert state_of(shown, facts(2), "minimal").tolist() == [[4, 1], [2, 2]]
    assert (width_of("default", 1), width_of("minimal", 1), width_of("minimal", 3)) == (6, 2, 6)


def test__a_state_has_no_gradient():
    student = torch.randn(2, 2, requires_grad=True)
    assert not state_of(Outputs(student, torch.randn(2, 2)), facts(2), "default").requires_grad


def test__entropy_of_certainty_is_zero():
    assert entropy(torch.tensor([[80.0, 0.0]])).tolist() == pytest.approx([0.0])


@pytest.mark.parametrize("cuts", [(1, 2, 17), (20,), (10, 10)])
def test__running_moments_are_those_of_all_states_at_once(cuts):
    torch.manual_seed(1)
    states = torch.randn(20, 4) * torch.tensor([1.0, 5.0, 0.1, 0.0]) + 3
    running = Running(4, torch.device("cpu"))
    for part in states.split(list(cuts)):
        running.add(part)
    expected = (states.double() - states.double().mean(0)) / states.double().std(0, correction=0)
    expected[:, 3] = 0  # it never changes
    assert torch.allclose(running.standardised(states), expected.float(), atol=1e-4)


def test__facts_of_some_rows():
    some = facts(6).of(torch.tensor([5, 0]))
    assert (some.source.tolist(), some.distance.tolist(), len(facts(6))) == ([True, False], [5, 0], 6)


def test__agreement_is_with_the_gold_label_or_how_far_from_the_score():
    gold = torch.tensor([1.0, 0.0, torch.nan])
    assert agreement(torch.tensor([[0.0, 1.0]] * 3), gold).tolist() == [1, -1, 0]
    assert agreement(torch.tensor([[0.25]] * 3), gold).tolist() == [-0.75, -0.25, 0]


@pytest.mark.parametrize("outputs", [1, 3])
def test__a_view_joins_states_agreement_and_first_states(outputs):
    torch.manual_seed(2)
    known, first = facts(4), (Signal("first_state", 2), Signal("first_state", 6))
    known.gold[:2] = torch.tensor([1.0, 0.0])
    student = Trace({LOGITS: torch.randn(4, outputs), first[0]: torch.randn(4, 5, requires_grad=True)})
    teacher = Trace({LOGITS: torch.randn(4, outputs), first[1]: torch.randn(4, 7)})
    view = View(outputs, "default", agreement=True, first=((2, 5), (6, 7)))
    found = view.of(student, teacher, known)
    state = state_of(Outputs(student[LOGITS], teacher[LOGITS]), known, "default")
    expected = [state, agreement(teacher[LOGITS], known.gold)[:, None], student[first[0]], teacher[first[1]]]
    assert torch.equal(found, torch.cat(expected, dim=1).detach())
    assert (found.shape[1], found.requires_grad) == (view.width, False)
    assert view.needs == [frozenset({LOGITS, signal}) for signal in first]
    assert View(outputs, "minimal").needs == [frozenset({LOGITS})] * 2
