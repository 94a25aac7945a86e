"""L2A's selector: it learns which samples help a student, from what they do to its quality on validation data.

Feng et al. 2021 (arXiv:2101.08106), Eq. 13 to 15. An epoch is an episode, a batch a step of it. Of each sample the
policy sees what both networks make of it, and keeps or drops it; the reward of a step is the metric after the update
minus the metric before; after the epoch the policy learns by REINFORCE. Where the paper leaves room:

- What is dropped is not learnt from; a batch of which nothing is kept changes nothing and is rewarded with 0.
- The advantage is the return, standardised over the episode: rewards of a better student would else be rewards for all
  that was done. One step of Adam for each stored batch, in their order, as in Alg. 1, lines 11 to 14.
- The metric is measured on a fixed part of the validation data, and carried from step to step.
"""

from collections.abc import Callable, Mapping
from math import isnan
from typing import Any, NamedTuple, final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from tinybert.selectors.episodes import Episode, extremes
from tinybert.selectors.features import Facts, Outputs, Running, state_of, width_of
from tinybert.selectors.policy import (
    BETAS,
    Policy,
    PolicySettings,
    advantages,
    entropy_of,
    multilayer,
    returns,
)
from tinybert.types import LOGITS, Batch, Signal, Trace


class Reward(NamedTuple):
    """What the policy is rewarded by.

    Attributes:
        measure: The quality of the student as it is now; higher is better.
        every: Updates between measurements; the change in between is the reward of the last of them.
    """

    measure: Callable[[], float]
    every: int = 1


class _Choice(NamedTuple):
    """What was seen and done in a forward pass."""

    rows: Int[Tensor, " acted"]
    states: Float[Tensor, "acted feature"]
    actions: Float[Tensor, " acted"]
    logits: Float[Tensor, " acted"]
    teacher: Float[Tensor, "acted label"]
    kept: float


class _Step(NamedTuple):
    """A tuple of the episode: what the policy saw in an update, and what it did."""

    states: Float[Tensor, "acted feature"]
    actions: Float[Tensor, " acted"]


@final
class Reinforced:
    """The selector; see `types.Selector`.

    Attributes:
        episodes: Summaries of the episodes that have ended.
        chances: pi(a = 1 | s) of each row of the pool when it was last seen; NaN = never.
    """

    needs_student: frozenset[Signal] = frozenset({LOGITS})
    needs_teacher: frozenset[Signal] = frozenset({LOGITS})

    def __init__(
        self,
        settings: PolicySettings,
        facts: Facts,
        outputs: int,
        reward: Reward,
        *,
        temperature: float = 1.0,
        seed: int = 0,
        ended: Callable[["Reinforced"], None] = lambda _: None,
    ) -> None:
        """Begin with a policy that knows nothing.

        Args:
            settings: Of the policy.
            facts: Of all rows of the pool, on the device of the networks.
            outputs: Of both networks; 1 = a score.
            reward: See there.
            temperature: Of the soft targets.
            seed: Of the policy's first weights.
            ended: Called after every episode, when the policy has learnt from it.
        """
        self.settings, self._facts, self._reward, self._ended = settings, facts, reward, ended
        self._outputs, self._temperature = outputs, temperature
        device, features = facts.source.device, width_of(settings.state, outputs)
        self.policy = Policy(features, settings, seed).to(device)
        self.value = multilayer(features, settings.hidden, 0.0, seed + 1).to(device)
        self._running = Running(features, device)
        self._optimizers = {
            name: torch.optim.Adam(network.parameters(), lr=settings.lr, betas=BETAS)
            for name, network in (("policy", self.policy), ("value", self.value))
        }
        self.chances = torch.full((len(facts),), torch.nan)
        self._pending: list[_Choice] = []
        self._steps: list[_Step] = []
        self._episode = Episode.begun(facts, outputs)
        self._past: list[tuple[Episode, float]] = []
        self._metric: float | None = None  # of the student as it was when it was last measured
        self._changed, self._since = False, 0

    @property
    def episodes(self) -> list[dict[str, Any]]:
        """A summary of each episode that has ended."""
        return [episode.summary(after) for episode, after in self._past]

    def extremes(self) -> Mapping[str, list[list[float]]]:
        """The rows most and least likely to be kept when they were last seen."""
        return extremes(self.chances, self._facts.fixed.cpu())

    def before_update(self) -> None:
        """Forget what was chosen in an update that is done over; before the very first one, measure the student."""
        self._pending = []
        if self._metric is None:
            self._metric = self._reward.measure()

    def choose(self, student: Trace, teacher: Trace, batch: Batch) -> Float[Tensor, " batch"]:
        """Weights of the examples: the policy's, and 1 where it has no say."""
        shown, facts = Outputs(student[LOGITS], teacher[LOGITS]), self._facts.of(batch.rows)
        raw = state_of(shown, facts, self.settings.state, self._temperature)
        self._running.add(raw)
        states = self._running.standardised(raw)
        logits = self.policy(states).detach()
        actions = self.policy.act(logits)
        weights = torch.where(facts.fixed, 1.0, self.policy.weights(actions))
        free = ~facts.fixed
        found = (batch.rows[free], states[free], actions[free], logits[free], shown.teacher[free].detach())
        self._pending.append(_Choice(*found, float(weights.sum())))
        return weights

    def after_update(self) -> None:
        """Keep what was seen and done; measure what it did, where that is due."""
        chosen, self._pending = self._pending, []
        for choice in chosen:
            chances = choice.logits.sigmoid()
            self.chances[choice.rows.cpu()] = chances.cpu()
            weights = self.policy.weights(choice.actions)
            self._episode.count(self._facts.of(choice.rows), weights, chances, choice.teacher)
        states, actions = ([getattr(choice, name) for choice in chosen] for name in _Step._fields)
        self._steps.append(_Step(torch.cat(states), torch.cat(actions)))
        self._changed = self._changed or any(choice.kept > 0 for choice in chosen)
        self._since += 1
        self._episode.rewards.append(self._improvement() if self._since == self._reward.every else 0.0)

    def after_epoch(self) -> None:
        """End of an episode: its last reward, and the policy learns."""
        if self._since > 0:
            self._episode.rewards[-1] = self._improvement()
        self._learn(torch.tensor(self._episode.rewards, dtype=torch.float64))
        self._past.append((self._episode, self._metric or 0.0))
        self._episode, self._steps = Episode.begun(self._facts, self._outputs), []
        self._ended(self)

    def _improvement(self) -> float:
        """The metric now minus the metric before; not measured where nothing was learnt in between."""
        self._since = 0
        if not self._changed or self._metric is None:
            return 0.0
        before, self._metric, self._changed = self._metric, self._reward.measure(), False
        return self._metric - before

    def _learn(self, rewards: Float[Tensor, " update"]) -> None:
        """Eq. 15 over the stored tuples."""
        gains = advantages(returns(rewards, self.settings.gamma))
        if gains is None:
            return
        losses = []
        for step, gain in zip(self._steps, gains.tolist(), strict=True):
            if len(step.actions) == 0:
                continue
            loss = self._loss(step, self._beyond_expected(step, gain))
            if self.settings.one_step:
                losses.append(loss)
            else:
                self._descend("policy", loss)
        if losses:
            self._descend("policy", torch.stack(losses).mean())

    def _loss(self, step: _Step, advantage: float) -> Float[Tensor, ""]:
        logits = self.policy(step.states)
        gained = advantage * self.policy.log_probability(logits, step.actions).mean()
        return -gained - self.settings.entropy_bonus * entropy_of(logits).mean()

    def _beyond_expected(self, step: _Step, gain: float) -> float:
        """The advantage; with a value baseline less what was to be expected, which is learnt along."""
        if not self.settings.value_baseline:
            return gain
        expected = self.value(step.states.mean(dim=0, keepdim=True)).squeeze()
        self._descend("value", (expected - gain).square())
        return gain - float(expected.detach())

    def _descend(self, name: str, loss: Float[Tensor, ""]) -> None:
        optimizer = self._optimizers[name]
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    def state_dict(self) -> dict[str, Tensor]:
        """Networks, their optimizers, the running moments, the episode so far, and those before."""
        state = _tensors("policy", self.policy, self._optimizers["policy"])
        state |= _tensors("value", self.value, self._optimizers["value"])
        state |= {f"running.{name}": getattr(self._running, name) for name in ("count", "mean", "spread")}
        counters = [torch.nan if self._metric is None else self._metric, self._changed, self._since]
        state |= {"counters": torch.tensor(counters, dtype=torch.float64), "chances": self.chances}
        state |= {
            f"steps.{n:06d}.{name}": t for n, step in enumerate(self._steps) for name, t in step._asdict().items()
        }
        state |= {f"episode.{name}": tensor for name, tensor in self._episode.state().items()}
        for number, (episode, after) in enumerate(self._past):
            state |= {f"past.{number:06d}.{name}": tensor for name, tensor in episode.state().items()}
            state[f"past.{number:06d}.after"] = torch.tensor(after, dtype=torch.float64)
        return {name: tensor.detach().clone() for name, tensor in state.items()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take back what `state_dict` gave.

        Raises:
            ValueError: If it belongs to another selector.
        """
        if "chances" not in state or state["chances"].shape != self.chances.shape:
            raise ValueError("the checkpoint is of another selector, or of another pool")
        _load("policy", self.policy, self._optimizers["policy"], state)
        _load("value", self.value, self._optimizers["value"], state)
        device = self._facts.source.device
        for name in ("count", "mean", "spread"):
            setattr(self._running, name, state[f"running.{name}"].to(device))
        metric, changed, since = state["counters"].tolist()
        self._metric, self._changed, self._since = None if isnan(metric) else metric, bool(changed), int(since)
        self.chances = state["chances"]
        self._steps = [
            _Step(part["states"].to(device), part["actions"].to(device)) for part in _numbered("steps", state)
        ]
        self._episode = Episode.of_state(_below("episode", state))
        self._past = [(Episode.of_state(part), float(part["after"])) for part in _numbered("past", state)]


def _tensors(name: str, network: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Weights of a network, and the moments of its optimizer, once there are any."""
    state = {f"{name}.{key}": tensor for key, tensor in network.state_dict().items()}
    for number, moments in optimizer.state_dict()["state"].items():
        state |= {f"{name}.adam.{number}.{key}": tensor for key, tensor in moments.items()}
    return state


def _load(name: str, network: nn.Module, optimizer: torch.optim.Optimizer, state: Mapping[str, Tensor]) -> None:
    found = _below(name, state)
    moments = _below("adam", found)
    network.load_state_dict({key: tensor for key, tensor in found.items() if not key.startswith("adam.")})
    numbers = sorted({int(key.partition(".")[0]) for key in moments})
    kept = {number: _below(str(number), moments) for number in numbers}
    optimizer.load_state_dict({**optimizer.state_dict(), "state": kept})


def _below(name: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The entries under a name, without it."""
    return {key.removeprefix(f"{name}."): tensor for key, tensor in state.items() if key.startswith(f"{name}.")}


def _numbered(name: str, state: Mapping[str, Tensor]) -> list[dict[str, Tensor]]:
    """The numbered entries under a name, in order."""
    found = _below(name, state)
    return [_below(number, found) for number in sorted({key.partition(".")[0] for key in found})]
