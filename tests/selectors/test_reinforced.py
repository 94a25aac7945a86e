"""The selector without a network: what it keeps, measures, learns and saves."""

import copy
from dataclasses import replace

import pytest
import torch

from references import influence, reinforce
from tinybert.selectors.features import Facts, View
from tinybert.selectors.learnt import Learnt
from tinybert.selectors.policy import PolicySettings
from tinybert.selectors.reinforced import Reinforced
from tinybert.selectors.rewards import Progress, Reward
from tinybert.types import LOGITS, Batch, Selector, Trace

ROWS = 8
NOBODY = torch.optim.SGD([torch.zeros(1)])


def facts(fixed=()) -> Facts:
    rows = torch.arange(ROWS)
    return Facts(rows % 2 == 1, torch.isin(rows, torch.tensor(list(fixed))), rows % 3, rows / 10, rows * torch.nan)


def batch_of(*rows: int) -> Batch:
    pieces = torch.zeros(len(rows), 4, dtype=torch.long)
    return Batch(pieces, pieces, pieces == 0, None, torch.tensor(rows))


def shown(*rows: int) -> tuple[Trace, Trace]:
    """Logits that say which row it is."""
    values = torch.tensor(rows, dtype=torch.float32)
    return Trace({LOGITS: torch.stack([values, -values], 1) / 10}), Trace(
        {LOGITS: torch.stack([-values, values], 1) / 5}
    )


class Measure:
    """Metrics one after the other; the last of them for ever."""

    def __init__(self, *values: float) -> None:
        self.values, self.calls = list(values), 0

    def __call__(self) -> float:
        self.calls += 1
        return self.values.pop(0) if len(self.values) > 1 else self.values[0]


def make_selector(measure=None, *, every=1, fixed=(), ended=lambda _: None, **settings) -> Reinforced:
    known = PolicySettings(**{"lr": 0.05, "state": "minimal", **settings})
    view = View(2, known.state)
    return Reinforced(known, facts(fixed), view, Progress(measure or Measure(0.5), every), seed=2, ended=ended)


def update(selector: Reinforced, *rows: int) -> torch.Tensor:
    selector.before_update(NOBODY)
    weights = selector.choose(*shown(*rows), batch_of(*rows))
    selector.after_update()
    return weights


def test__it_is_a_selector():
    assert isinstance(make_selector(), Selector)


def test__what_is_fixed_is_always_kept_and_never_acted_on():
    torch.manual_seed(0)
    selector = make_selector(fixed=(0, 3), init_keep=0.01)
    for _ in range(20):
        weights = update(selector, 0, 1, 2, 3)
        assert weights[0] == weights[3] == 1
        assert set(weights.tolist()) <= {0.0, 1.0}
    assert selector.chances[[0, 3]].isnan().all()
    assert not selector.chances[[1, 2]].isnan().any()


def test__rewards_are_differences_carried_from_step_to_step():
    measure = Measure(0.5, 0.6, 0.55, 0.8)
    selector = make_selector(measure, fixed=(0,))
    for _ in range(3):
        update(selector, 0, 1)
    selector.after_epoch()
    (episode,) = selector.episodes
    assert episode["rewards"] == pytest.approx([0.1, -0.05, 0.25])
    assert episode["return"] == pytest.approx(0.3)
    assert episode["after"] == 0.8
    assert measure.calls == 4


def test__with_a_window_the_last_update_has_its_reward_and_the_sum_telescopes():
    measure = Measure(0.5, 0.6, 0.7, 0.9)
    selector = make_selector(measure, every=2, fixed=(0,))
    for _ in range(5):
        update(selector, 0, 1)
    selector.after_epoch()
    assert selector.episodes[0]["rewards"] == pytest.approx([0.0, 0.1, 0.0, 0.1, 0.2])
    update(selector, 0, 1)
    update(selector, 0, 1)
    selector.after_epoch()
    assert len(selector.episodes[1]["rewards"]) == 2  # a new episode begins with a new window


def test__where_nothing_is_kept_nothing_is_measured_and_the_reward_is_zero():
    torch.manual_seed(0)
    measure = Measure(0.5, 0.9)
    selector = make_selector(measure, init_keep=1e-6)
    assert not update(selector, 1, 2).any()
    selector.after_epoch()
    assert (measure.calls, selector.episodes[0]["rewards"]) == (1, [0.0])


def test__an_update_that_is_done_over_counts_once():
    selector = make_selector(Measure(0.1, 0.2))
    selector.before_update(NOBODY)
    selector.choose(*shown(0, 1, 2, 3), batch_of(0, 1, 2, 3))
    selector.before_update(NOBODY)
    for part in ((0, 1), (2, 3)):
        selector.choose(*shown(*part), batch_of(*part))
    selector.after_update()
    selector.after_epoch()
    assert sum(selector._past[0][0].seen.flatten().tolist()) == 4
    assert len(selector.episodes[0]["rewards"]) == 1


def test__the_policy_takes_the_steps_that_the_twin_says():
    """One step of plain gradient descent, its slope summed in loops."""
    torch.manual_seed(4)
    selector = make_selector(Measure(0.5, 0.6, 0.55), one_step=True, gamma=0.9, entropy_bonus=0.1)
    selector._optimizers["policy"] = torch.optim.SGD(selector.policy.parameters(), lr=1.0)
    seen = []
    for rows in ((0, 1, 2), (3, 4)):
        update(selector, *rows)
        seen.append(selector._steps[-1])
    before = copy.deepcopy(selector.policy)
    selector.after_epoch()
    gains = reinforce.advantages(reinforce.returns([0.1, -0.05], 0.9))
    slopes = {name: torch.zeros_like(weight) for name, weight in before.named_parameters()}
    for step, gain in zip(seen, gains, strict=True):
        for state, action in zip(step.states, step.actions.tolist(), strict=True):
            before.zero_grad()
            logit = before(state[None], torch.zeros(1))[0]
            logit.backward()
            value = logit.item()
            by_logit = -gain * reinforce.slope(value, action) - 0.1 * reinforce.entropy_slope(value)
            for name, weight in before.named_parameters():
                slopes[name] += by_logit * weight.grad / len(step.actions) / 2
    for name, weight in selector.policy.named_parameters():
        assert torch.allclose(weight, dict(before.named_parameters())[name] - slopes[name], atol=1e-6)


def test__equal_rewards_teach_nothing():
    selector = make_selector(Measure(0.5), fixed=(0,))
    for _ in range(3):
        update(selector, 0, 1)
    before = copy.deepcopy(selector.policy.state_dict())
    selector.after_epoch()
    assert all(torch.equal(value, before[name]) for name, value in selector.policy.state_dict().items())


@pytest.mark.parametrize("value_baseline", [False, True])
@pytest.mark.parametrize("selection", ["hard", "soft"])
def test__a_bandit_is_learnt(selection, value_baseline):
    """Keeping row 1 raises the metric by as much as keeping row 2 lowers it."""
    torch.manual_seed(0)
    level = [0.0]
    selector = make_selector(lambda: level[0], selection=selection, value_baseline=value_baseline, gamma=0.0)
    for _ in range(12):
        for _ in range(10):
            selector.before_update(NOBODY)
            weights = selector.choose(*shown(1, 2), batch_of(1, 2))
            level[0] += float(weights[0] - weights[1])
            selector.after_update()
        selector.after_epoch()
    assert selector.chances[1] > 0.8
    assert selector.chances[2] < 0.2


def resumed(old: Reinforced, measure: Measure, **settings) -> Reinforced:
    new = make_selector(measure, **settings)
    new.load_state_dict({name: tensor.clone() for name, tensor in old.state_dict().items()})
    return new


@pytest.mark.parametrize("stop", range(9))
@pytest.mark.parametrize("selection", ["hard", "soft"])
def test__a_resumed_selector_goes_on_bit_for_bit(stop, selection):
    settings = {"every": 2, "fixed": (0,), "selection": selection, "value_baseline": True}

    def one_step(selector: Reinforced, number: int) -> None:
        torch.manual_seed(number)  # as the loop seeds every update
        update(selector, number % ROWS, (number + 3) % ROWS)
        if number % 4 == 3:
            selector.after_epoch()

    values = [0.5, 0.6, 0.2, 0.3, 0.9, 0.1, 0.4]
    whole = make_selector(Measure(*values), **settings)
    first_measure = Measure(*values)
    first = make_selector(first_measure, **settings)
    for number in range(9):
        one_step(whole, number)
    for number in range(stop):
        one_step(first, number)
    second = resumed(first, Measure(*first_measure.values), **settings)
    for number in range(stop, 9):
        one_step(second, number)
    expected, found = whole.state_dict(), second.state_dict()
    assert expected.keys() == found.keys()
    for name, tensor in expected.items():
        assert torch.equal(tensor.nan_to_num(-1), found[name].nan_to_num(-1)), name
    assert second.episodes == whole.episodes


def test__the_state_of_another_pool_is_refused():
    other = make_selector().state_dict() | {"chances": torch.zeros(3)}
    with pytest.raises(ValueError, match="another"):
        make_selector().load_state_dict(other)


def test__episodes_count_by_domain_distance_and_doubt():
    torch.manual_seed(1)
    told = []
    selector = make_selector(Measure(0.1, 0.2), fixed=(0,), ended=told.append)
    weights = update(selector, 0, 1, 2, 3, 4)
    selector.after_epoch()
    (episode,) = selector.episodes
    assert told == [selector]
    acted = weights[1:]
    assert episode["kept"] == pytest.approx(acted.mean().item())
    assert episode["kept_by_domain"]["source"] == pytest.approx(acted[[0, 2]].mean().item())
    assert episode["kept_by_domain"]["target"] == pytest.approx(acted[[1, 3]].mean().item())
    assert episode["kept_by_distance"]["0"] == pytest.approx(acted[2].item())  # row 3; row 0 is fixed
    assert {"1", "2"} <= set(episode["kept_by_distance"])
    assert episode["kept_by_class"] == [0.0, pytest.approx(acted.mean().item())]  # the teacher sees class 1 throughout
    assert all(0 <= doubt <= 1 and 0 <= chance <= 1 for doubt, chance in episode["response"])
    ends = selector.extremes()
    assert {int(row) for row, _ in ends["most"]} == {1, 2, 3, 4}
    assert ends["most"] == ends["least"][::-1]


def test__scores_have_no_doubt():
    selector = Reinforced(PolicySettings(), facts(), View(1), Progress(Measure(0.1)), seed=0)
    selector.before_update(NOBODY)
    selector.choose(Trace({LOGITS: torch.ones(2, 1)}), Trace({LOGITS: torch.zeros(2, 1)}), batch_of(1, 2))
    selector.after_update()
    selector.after_epoch()
    assert [doubt for doubt, _ in selector.episodes[0]["response"]] == [0.05]


def test__in_bf16_it_sees_acts_and_draws_in_float32():
    """A draw in bf16 is a multiple of 1/256 and off by up to .002; so may be the chance it is compared with."""
    chosen = []
    for enabled in (False, True):
        torch.manual_seed(5)
        selector = make_selector()
        selector.before_update(NOBODY)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
            weights = selector.choose(*shown(*range(ROWS)), batch_of(*range(ROWS)))
        chosen.append((weights, selector._pending[0].logits, selector._pending[0].actions))
    for plain, mixed in zip(*chosen, strict=True):
        assert mixed.dtype == torch.float32
        assert torch.equal(plain, mixed)


class Effects(Reward):
    """Row by row what learning from it would do."""

    def __init__(self, *values: float) -> None:
        self.values, self.quality = torch.tensor(values), 0.5

    def effects(self, teacher, batch):
        return self.values[batch.rows]

    def after_update(self, *, changed: bool) -> float:
        return 0.0


def test__each_sample_has_the_reward_of_its_own_choice():
    """The slope of one step, in loops: the difference its choice made, over its size in the episode."""
    torch.manual_seed(1)
    effects = [1.0, -2.0, 0.5, 3.0, 0.0, -1.0, 2.0, 0.3]
    view, settings = View(2, "minimal"), PolicySettings(lr=0.05, one_step=True, init_keep=0.6)
    selector = Reinforced(settings, facts((0,)), view, Effects(*effects), seed=2)
    selector._optimizers["policy"] = torch.optim.SGD(selector.policy.parameters(), lr=1.0)
    seen, credits = [], []
    for rows in ((0, 1, 2, 3), (4, 5, 6)):
        weights = update(selector, *rows)
        step, free = selector._steps[-1], [n for n, row in enumerate(rows) if row != 0]
        chances = [1.0 if row == 0 else float(selector.chances[row]) for row in rows]
        classes = shown(*rows)[1][LOGITS].argmax(dim=1).tolist()
        own = influence.within_classes([effects[row] for row in rows], classes)
        found = influence.difference_rewards(weights.tolist(), chances, own)
        credits.append([found[n] for n in free])
        seen.append(step)
    size = (sum(c * c for part in credits for c in part) / sum(map(len, credits))) ** 0.5
    before = copy.deepcopy(selector.policy)
    selector.after_epoch()
    slopes = {name: torch.zeros_like(weight) for name, weight in before.named_parameters()}
    for step, part in zip(seen, credits, strict=True):
        for state, action, credit in zip(step.states, step.actions.tolist(), part, strict=True):
            before.zero_grad()
            logit = before(state[None], torch.zeros(1))[0]
            logit.backward()
            for name, weight in before.named_parameters():
                slope = credit / size * reinforce.slope(logit.item(), action)
                slopes[name] += slope * weight.grad / len(part) / 2
    for name, weight in selector.policy.named_parameters():
        assert torch.allclose(weight, dict(before.named_parameters())[name] + slopes[name], atol=1e-5)


@pytest.mark.parametrize(("share", "kept"), [(None, 0.8), (0.02, 0.02)])
def test__of_what_teacher_and_gold_label_dispute_it_begins_by_keeping_so_much(share, kept):
    """The teacher of `shown` says class 1, but for row 0; rows 2, 4, 6 have gold label 0, and the others none."""
    torch.manual_seed(0)
    settings = PolicySettings(state="minimal", init_keep=0.8, init_keep_disputed=share)
    gold, disputed = torch.full((ROWS,), torch.nan), torch.tensor([2, 4, 6])
    gold[disputed] = 0.0
    known, reward = replace(facts(), gold=gold), Progress(Measure(0.5), 1)
    selector = Reinforced(settings, known, View(2, "minimal"), reward, seed=2)
    every = range(ROWS)
    drawn = torch.stack([update(selector, *every) for _ in range(200)]).mean(dim=0)
    others = torch.tensor([row for row in every if row not in disputed.tolist()])
    assert drawn[disputed].mean().item() == pytest.approx(kept, abs=0.15)
    assert drawn[others].mean().item() == pytest.approx(0.8, abs=0.15)
    chosen = Learnt(selector).choose(*shown(*every), batch_of(*every))
    assert chosen[others].all()
    assert chosen[disputed].any() == (share is None)


def test__a_learnt_policy_keeps_what_it_would_rather_keep_and_learns_no_more():
    torch.manual_seed(0)
    selector = make_selector(Measure(0.5, 0.7), fixed=(0,), lr=0.5)
    for rows in ((0, 1, 2, 3), (4, 5, 6, 7)):
        update(selector, *rows)
    selector.after_epoch()
    learnt, before = Learnt(selector), copy.deepcopy(selector.state_dict())
    weights = learnt.choose(*shown(*range(ROWS)), batch_of(*range(ROWS)))
    states = selector.running.standardised(selector.view.of(*shown(*range(ROWS)), selector.facts))
    expected = (selector.policy(states, torch.zeros(ROWS)) > 0).float()
    expected[0] = 1.0
    assert torch.equal(weights, expected)
    assert all(
        torch.equal(value.nan_to_num(), before[name].nan_to_num()) for name, value in selector.state_dict().items()
    )
