"""A signal that is known: the teacher's logits are noise on half of the source rows; the policy must find out which."""

import torch
import torch.nn.functional as F

from tinybert.selectors.features import Facts
from tinybert.selectors.policy import PolicySettings
from tinybert.selectors.reinforced import Reinforced, Reward
from tinybert.types import LOGITS, Batch, Trace

ROWS, WIDTH, BATCH, EPISODES, SEED = 800, 20, 16, 30, 2


def batch_of(rows: torch.Tensor) -> Batch:
    pieces = torch.zeros(len(rows), 2, dtype=torch.long)
    return Batch(pieces, pieces, pieces == 0, None, rows)


def test__noise_is_kept_less_than_what_teaches():
    """A linear student on texts of twenty numbers, whose class is the sign of a weighted sum."""
    torch.manual_seed(SEED)
    truth = torch.randn(WIDTH) / WIDTH**0.5
    texts, held_out = torch.randn(ROWS, WIDTH), torch.randn(512, WIDTH)
    gold = (held_out @ truth > 0).long()
    noisy = torch.arange(ROWS) % 2 == 1
    teacher_logits = torch.stack([-4 * (texts @ truth), 4 * (texts @ truth)], dim=1)
    teacher_logits[noisy] = torch.randn(ROWS // 2, 2) * 3
    student = torch.nn.Linear(WIDTH, 2)
    optimizer = torch.optim.SGD(student.parameters(), lr=0.3)

    def measure() -> float:
        return -float(F.cross_entropy(student(held_out), gold).detach())

    nothing = torch.zeros(ROWS)
    facts = Facts(nothing == 0, nothing == 1, nothing.long(), nothing)
    settings = PolicySettings(state="default", lr=3e-3, gamma=0.0, value_baseline=True, entropy_bonus=0.02)
    selector = Reinforced(settings, facts, 2, Reward(measure), seed=SEED)
    for _ in range(EPISODES):
        for rows in torch.randperm(ROWS).split(BATCH):
            selector.before_update()
            logits = student(texts[rows])
            weights = selector.choose(Trace({LOGITS: logits}), Trace({LOGITS: teacher_logits[rows]}), batch_of(rows))
            losses = -(teacher_logits[rows].softmax(dim=1) * logits.log_softmax(dim=1)).sum(dim=1)
            optimizer.zero_grad()
            ((weights * losses).sum() / weights.sum().clamp(min=1)).backward()
            optimizer.step()
            selector.after_update()
        selector.after_epoch()
    good, bad = selector.chances[~noisy].mean(), selector.chances[noisy].mean()
    assert good - bad > 0.3
