"""A small world whose signal is known: texts are rows of twenty numbers, the class is the sign of a weighted sum.

The teacher's logits are noise on half of the source's rows. The student is a small network that is trained by AdamW,
batch by batch, as the loop would.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from tinybert.data.batches import by_length
from tinybert.families.network import Network, Shape
from tinybert.objectives import GoldCrossEntropy, SoftCrossEntropy
from tinybert.selectors.features import Facts, View
from tinybert.selectors.policy import PolicySettings
from tinybert.selectors.reinforced import Reinforced
from tinybert.selectors.rewards import Progress, Reward
from tinybert.stages.l2a.influence import Influence
from tinybert.types import LOGITS, Batch, Trace

WIDTH, BATCH = 20, 32


class Small(Network):
    """Two layers on numbers that a table holds; the first piece of a row says which of its rows it is."""

    config, signals = None, frozenset({"logits"})
    longest = piece_vectors = None
    shape = Shape(1, WIDTH, 0, 0)

    def __init__(self, table: torch.Tensor, hidden: int = 128) -> None:
        super().__init__()
        self.table = table
        self.layers = nn.Sequential(nn.Linear(WIDTH, hidden), nn.Tanh(), nn.Linear(hidden, 2))

    def forward(self, input_ids: Any, attention_mask: Any = None, token_type_ids: Any = None) -> Any:
        return self.layers(self.table[input_ids[:, 0]])

    def record(self, batch: Any, needs: Any) -> Any:
        return Trace({LOGITS: self(batch.input_ids)})


@dataclass(frozen=True)
class Numbers:
    """Rows of a table as rows to learn from."""

    indices: np.ndarray
    labels: torch.Tensor
    digest: str = ""

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def lengths(self) -> np.ndarray:
        return np.ones(len(self), np.int64)

    def batch(self, indices: np.ndarray, multiple: int = 1) -> Batch:
        pieces = torch.from_numpy(self.indices[indices])[:, None]
        real = torch.ones_like(pieces, dtype=torch.bool)
        return Batch(pieces, torch.zeros_like(pieces), real, self.labels[pieces[:, 0]], pieces[:, 0])

    def order(self, batch_size: int, rng: np.random.Generator) -> list[np.ndarray]:
        return by_length(self.lengths, batch_size)


class Meaningless(Reward):
    """What happens is rewarded at random."""

    def __init__(self, reward: Reward, seed: int) -> None:
        self._reward, self._rng = reward, np.random.default_rng(seed)
        self.quality = 0.0

    def before_update(self, optimizer: Any, number: int) -> None:
        self._reward.before_update(optimizer, number)

    def effects(self, teacher: Any, batch: Any) -> Any:
        known = self._reward.effects(teacher, batch)
        return None if known is None else torch.from_numpy(self._rng.normal(size=len(known))).float()

    def after_update(self, *, changed: bool) -> float:
        return float(self._rng.normal())


def taught(
    policy: PolicySettings, reward: str, seed: int, *, every: int = 1, meaningless: bool = False, **sizes: Any
) -> tuple[Reinforced, torch.Tensor]:
    """A selector after some episodes, and on which rows of the pool the teacher's logits are noise."""
    rows, held_out, episodes = sizes.get("rows", 5000), sizes.get("held_out", 80), sizes.get("episodes", 4)
    torch.manual_seed(seed)
    table, truth = torch.randn(rows + held_out, WIDTH), torch.randn(WIDTH) / WIDTH**0.5
    gold = (table @ truth > 0).long()
    noisy = torch.arange(rows) % 2 == 1
    logits = 4 * torch.stack([-(table[:rows] @ truth), table[:rows] @ truth], dim=1)
    logits[noisy] = torch.randn(int(noisy.sum()), 2) * 3
    student, dev = Small(table), Numbers(np.arange(rows, rows + held_out), gold)
    pool = Numbers(np.arange(rows), gold)
    optimizer = torch.optim.AdamW(student.parameters(), lr=sizes.get("lr", 1e-4))
    soft, hard = SoftCrossEntropy(), GoldCrossEntropy()

    def measure() -> float:
        everything = dev.batch(np.arange(len(dev)))
        return -float(hard(student.observe(everything, frozenset({LOGITS})), Trace(), everything).mean().detach())

    rewarded = Influence(student, soft, hard, dev, every) if reward == "influence" else Progress(measure, every)
    nothing = torch.zeros(rows)
    facts = Facts(nothing == 0, nothing == 1, nothing.long(), nothing, gold[:rows].float())
    view = View(2, policy.state, agreement=policy.agreement)
    selector = Reinforced(policy, facts, view, Meaningless(rewarded, seed) if meaningless else rewarded, seed=seed)
    for _ in range(episodes):
        for part in torch.randperm(rows).split(BATCH):
            batch = pool.batch(part.numpy())
            selector.before_update(optimizer)
            shown, told = student.observe(batch, frozenset({LOGITS})), Trace({LOGITS: logits[part]})
            weights = selector.choose(shown, told, batch)
            losses = soft(shown, told, batch)
            optimizer.zero_grad()
            ((weights * losses).sum() / weights.sum().clamp(min=1)).backward()
            optimizer.step()
            optimizer.zero_grad()
            selector.after_update()
        selector.after_epoch()
    return selector, noisy
