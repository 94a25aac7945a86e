"""L2A's selector: it learns which samples help a student, from what they do to its quality on validation data.

Feng et al. 2021 (arXiv:2101.08106), Eq. 13 to 15. An epoch is an episode, a batch a step of it. Of each sample the
policy sees what both networks make of it, and keeps or drops it; the reward of a step is the metric after the update
minus the metric before; after the epoch the policy learns by REINFORCE. Where the paper leaves room:

- What is dropped is not learnt from; a batch of which nothing is kept changes nothing and is rewarded with 0.
- The advantage is the return, standardised over the episode: rewards of a better student would else be rewards for all
  that was done. One step of Adam for each stored batch, in their order, as in Alg. 1, lines 11 to 14.
- The metric is measured on a fixed part of the validation data, and carried from step to step.
- Ours: where the reward knows what each sample did, its advantage is that, its own doing (`difference_rewards`) beside
  others of its class (`within_classes`).
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from tinybert.selectors.episodes import Episode, extremes
from tinybert.selectors.features import Facts, Running, View
from tinybert.selectors.fixed import Agreement
from tinybert.selectors.policy import (
    BETAS,
    Policy,
    PolicySettings,
    advantages,
    chance_of_noise,
    combined,
    entropy_of,
    multilayer,
    returns,
)
from tinybert.selectors.rewards import Reward, difference_rewards, within_classes
from tinybert.types import LOGITS, Batch, Trace


class _Choice(NamedTuple):
    """What was seen and done in a forward pass, of all its rows; `free` are those that the policy acted on."""

    rows: Int[Tensor, " batch"]
    free: Bool[Tensor, " batch"]
    states: Float[Tensor, "batch feature"]
    disputed: Float[Tensor, " batch"]
    actions: Float[Tensor, " batch"]
    logits: Float[Tensor, " batch"]
    weights: Float[Tensor, " batch"]
    teacher: Float[Tensor, "batch label"]
    effects: Float[Tensor, " effect"]


class _Step(NamedTuple):
    """A tuple of the episode: what the policy saw in an update, what it did, and what each sample did, where known."""

    states: Float[Tensor, "acted feature"]
    disputed: Float[Tensor, " acted"]
    actions: Float[Tensor, " acted"]
    credits: Float[Tensor, " credited"]


@final
class Reinforced:
    """The selector; see `types.Selector`.

    Attributes:
        facts: Of all rows of the pool.
        view: What the policy sees of them.
        rule: Which of them are disputed.
        policy: The network; `value` predicts returns, `running` standardises states.
        episodes: Summaries of the episodes that have ended.
        chances: pi(a = 1 | s) of each row of the pool when it was last seen; NaN = never.
    """

    def __init__(
        self,
        settings: PolicySettings,
        facts: Facts,
        view: View,
        reward: Reward,
        *,
        seed: int = 0,
        ended: Callable[["Reinforced"], object] = lambda _: None,
    ) -> None:
        """Begin with a policy that knows nothing.

        Args:
            settings: Of the policy.
            facts: Of all rows of the pool, on the device of the networks.
            view: What it sees of them.
            reward: See there.
            seed: Of the policy's first weights.
            ended: Called after every episode, when the policy has learnt from it.
        """
        self.settings, self.facts, self.view, self._reward, self._ended = settings, facts, view, reward, ended
        self.needs_student, self.needs_teacher = view.needs
        self.rule = Agreement(facts)
        self._seed, device = seed, facts.source.device
        self.policy = Policy(view.width, settings, seed).to(device)
        self.value = multilayer(view.width, settings.hidden, 0.0, seed + 1).to(device)
        self.running = Running(view.width, device)
        self._optimizers = {
            name: torch.optim.Adam(network.parameters(), lr=settings.lr, betas=BETAS)
            for name, network in (("policy", self.policy), ("value", self.value))
        }
        self.chances = torch.full((len(facts),), torch.nan)
        self._pending: list[_Choice] = []
        self._steps: list[_Step] = []
        self._episode = Episode.begun(facts, view.outputs)
        self._past: list[tuple[Episode, float]] = []

    @property
    def episodes(self) -> list[dict[str, Any]]:
        """A summary of each episode that has ended."""
        noise = [episode.noise for episode, _ in self._past]
        return [known.summary(after, combined(noise[:number])) for number, (known, after) in enumerate(self._past, 1)]

    def extremes(self) -> Mapping[str, list[list[float]]]:
        """The rows most and least likely to be kept when they were last seen."""
        return extremes(self.chances, self.facts.fixed.cpu())

    def before_update(self, optimizer: torch.optim.Optimizer) -> None:
        """Forget what was chosen in an update that is done over; let the reward look at the student."""
        self._pending = []
        self._reward.before_update(optimizer, len(self._episode.rewards))

    def choose(self, student: Trace, teacher: Trace, batch: Batch) -> Float[Tensor, " batch"]:
        """Look, act, and remember; in float32, for draws in bf16 are off by two thousandths."""
        facts = self.facts.of(batch.rows)
        with torch.autocast(batch.rows.device.type, enabled=False):
            raw = self.view.of(student, teacher, facts)
            self.running.add(raw)
            states = self.running.standardised(raw)
            disputed = 1 - self.rule.choose(student, teacher, batch)
            logits = self.policy(states, disputed).detach()
            actions = self.policy.act(logits)
            weights = torch.where(facts.fixed, 1.0, self.policy.weights(actions))
            effects = self._reward.effects(teacher, batch)
        seen = (batch.rows, ~facts.fixed, states, disputed, actions, logits, weights, teacher[LOGITS].detach())
        self._pending.append(_Choice(*seen, logits.new_empty(0) if effects is None else effects))
        return weights

    def after_update(self) -> None:
        """Keep what was seen and done; measure what it did, where that is due."""
        chosen, self._pending = self._pending, []
        columns = map(torch.cat, zip(*chosen, strict=True))
        rows, free, states, disputed, actions, logits, weights, teacher, effects = columns
        chances, acted = logits.sigmoid(), free.nonzero()[:, 0]
        of_acted = rows[acted], chances[acted]
        self.chances[of_acted[0].cpu()] = of_acted[1].cpu()
        self._episode.count(self.facts.of(of_acted[0]), weights[acted], of_acted[1], teacher[acted])
        if len(effects):
            effects = within_classes(effects, teacher)
            effects = difference_rewards(weights, torch.where(free, chances, 1.0), effects)[acted]
        self._steps.append(_Step(states[acted], disputed[acted], actions[acted], effects))
        self._episode.rewards.append(self._reward.after_update(changed=bool(weights.sum() > 0)))

    def after_epoch(self) -> None:
        """End of an episode: its last reward, and the policy learns."""
        if (last := self._reward.after_epoch()) is not None:
            self._episode.rewards[-1] = last
        self._learn(self._credited(torch.tensor(self._episode.rewards, dtype=torch.float64)))
        self._past.append((self._episode, self._reward.quality or 0.0))
        self._episode, self._steps = Episode.begun(self.facts, self.view.outputs), []
        self._ended(self)

    def _credited(self, rewards: Float[Tensor, " update"]) -> list[_Step]:
        """The tuples to learn from, each with an advantage for every sample; none where all are the same."""
        steps = [step for step in self._steps if len(step.actions)]
        if known := [step for step in steps if len(step.credits)]:
            size = torch.cat([step.credits for step in known]).square().mean().sqrt()
            return [step._replace(credits=step.credits / size) for step in known] if size > 0 else []
        gains = advantages(returns(rewards, self.settings.gamma))
        if gains is None:
            return []
        every = zip(self._steps, gains.tolist(), strict=True)
        return [step._replace(credits=torch.full_like(step.actions, gain)) for step, gain in every if len(step.actions)]

    def _learn(self, steps: list[_Step]) -> None:
        """Eq. 15 over the stored tuples."""
        if steps:
            self._episode.noise = chance_of_noise(torch.stack(list(self._pulls(steps))), self._seed + len(self._past))
        if combined([*(episode.noise for episode, _ in self._past), self._episode.noise]) > self.settings.significance:
            return
        losses = []
        for step in steps:
            loss = self._loss(step)
            if self.settings.one_step:
                losses.append(loss)
            else:
                self._descend("policy", loss)
        if losses:
            self._descend("policy", torch.stack(losses).mean())

    def _pulls(self, steps: list[_Step]) -> Iterator[Float[Tensor, " feature"]]:
        """What each tuple would make of a linear policy: the gradient of Eq. 15 by its weights and its bias."""
        for step in steps:
            logits = self.policy(step.states, step.disputed).detach().requires_grad_()
            gained = (self.policy.log_probability(logits, step.actions) * step.credits).mean()
            (slopes,) = torch.autograd.grad(gained, logits)
            yield torch.cat([slopes @ step.states, slopes.sum()[None]])

    def _loss(self, step: _Step) -> Float[Tensor, ""]:
        logits = self.policy(step.states, step.disputed)
        credits = step.credits - self._expected(step) if self.settings.value_baseline else step.credits
        gained = (credits * self.policy.log_probability(logits, step.actions)).mean()
        return -gained - self.settings.entropy_bonus * entropy_of(logits).mean()

    def _expected(self, step: _Step) -> Float[Tensor, ""]:
        """What was to be expected of an update, which is learnt along."""
        expected: Tensor = self.value(step.states.mean(dim=0, keepdim=True)).squeeze()
        self._descend("value", (expected - step.credits.mean()).square())
        return expected.detach()

    def _descend(self, name: str, loss: Float[Tensor, ""]) -> None:
        optimizer = self._optimizers[name]
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    def state_dict(self) -> dict[str, Tensor]:
        """Networks, their optimizers, the running moments, the episode so far, and those before."""
        state = _tensors("policy", self.policy, self._optimizers["policy"])
        state |= _tensors("value", self.value, self._optimizers["value"])
        state |= {f"running.{name}": getattr(self.running, name) for name in ("count", "mean", "spread")}
        state |= {"reward": self._reward.state(), "chances": self.chances}
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
        device = self.facts.source.device
        for name in ("count", "mean", "spread"):
            setattr(self.running, name, state[f"running.{name}"].to(device))
        self._reward.load_state(state["reward"])
        self.chances = state["chances"]
        self._steps = [_Step(*(part[name].to(device) for name in _Step._fields)) for part in _numbered("steps", state)]
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
