"""What the policy sees of a sample: the outputs of teacher and student, and where the sample comes from.

L2A names "outputs of the teacher and student model" and no more: `minimal`. `default` adds what Qu et al. 2019, its
ancestor, gave a policy to see: probabilities and loss, the teacher's doubt, the domain, the distance.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

State = Literal["default", "minimal"]


@dataclass(frozen=True)
class Facts:
    """What is known of every row of the pool before anything is learnt.

    Attributes:
        source: True for texts of the source domain.
        fixed: True for rows that are always learnt from; the policy has no say.
        distance: How many pieces were replaced.
        share: Which share of those that could be, were replaced; d / m.
    """

    source: Bool[Tensor, " row"]
    fixed: Bool[Tensor, " row"]
    distance: Int[Tensor, " row"]
    share: Float[Tensor, " row"]

    def __len__(self) -> int:
        """Rows of the pool."""
        return len(self.source)

    def of(self, rows: Int[Tensor, " batch"]) -> "Facts":
        """Of some of the rows."""
        there = rows.to(self.source.device)
        return Facts(self.source[there], self.fixed[there], self.distance[there], self.share[there])

    def to(self, device: torch.device) -> "Facts":
        """The same on another device."""
        return Facts(*(known.to(device) for known in (self.source, self.fixed, self.distance, self.share)))


class Outputs(NamedTuple):
    """The logits of both networks; one column where they are scores."""

    student: Float[Tensor, "batch label"]
    teacher: Float[Tensor, "batch label"]


def state_of(shown: Outputs, facts: Facts, state: State, temperature: float = 1.0) -> Float[Tensor, "batch feature"]:
    """One vector per sample, without gradient.

    `default` for classes: both logits, both softmaxes, the soft cross-entropy, the teacher's entropy, whether the
    sample is of the source domain, d / m. For scores: both scores, their distance, its square, domain, d / m.

    Args:
        shown: By both networks, before the update.
        facts: Of the same samples.
        state: Which features.
        temperature: Of the soft targets, for the cross-entropy.

    Example:
        >>> no = torch.tensor([False])
        >>> facts = Facts(no, no, torch.tensor([2]), torch.tensor([0.5]))
        >>> state_of(Outputs(torch.tensor([[1.0]]), torch.tensor([[3.0]])), facts, "default")
        tensor([[3.0000, 1.0000, 2.0000, 4.0000, 0.0000, 0.5000]])
    """
    student, teacher = shown.student.detach().float(), shown.teacher.detach().float()
    if state == "minimal":
        return torch.cat([teacher, student], dim=1)
    known = torch.stack([facts.source.float(), facts.share.float()], dim=1)
    if student.shape[1] == 1:
        gap = (teacher - student).abs()
        return torch.cat([teacher, student, gap, gap.square(), known], dim=1)
    soft, said = (teacher / temperature).softmax(dim=1), (student / temperature).log_softmax(dim=1)
    loss = -(soft * said).sum(dim=1, keepdim=True)
    both = [teacher, student, teacher.softmax(dim=1), student.softmax(dim=1)]
    return torch.cat([*both, loss, entropy(teacher)[:, None], known], dim=1)


def width_of(state: State, outputs: int) -> int:
    """How many features a state has; `outputs` = 1 is a score."""
    if state == "minimal":
        return 2 * outputs
    return 6 if outputs == 1 else 4 * outputs + 4


def entropy(logits: Float[Tensor, "batch label"]) -> Float[Tensor, " batch"]:
    """Entropy of the softmax, in nats.

    Example:
        >>> entropy(torch.zeros(1, 4)).exp()
        tensor([4.])
    """
    logs = logits.float().log_softmax(dim=1)
    return -(logs.exp() * logs).sum(dim=1)


class Running:
    """Mean and deviation of all states so far, by which states are standardised.

    Attributes:
        count: States seen.
        mean: Of each feature.
        spread: Sum of the squared deviations from the mean.
    """

    def __init__(self, features: int, device: torch.device) -> None:
        self.count = torch.zeros((), dtype=torch.float64, device=device)
        self.mean = torch.zeros(features, dtype=torch.float64, device=device)
        self.spread = torch.zeros(features, dtype=torch.float64, device=device)

    def add(self, states: Float[Tensor, "batch feature"]) -> None:
        """Take further states in (Chan et al. 1979: two sets' moments joined)."""
        new, values = len(states), states.double()
        mean = values.mean(dim=0)
        count, gap = self.count + new, mean - self.mean
        self.spread = self.spread + (values - mean).square().sum(dim=0) + gap.square() * self.count * new / count
        self.mean, self.count = self.mean + gap * new / count, count

    def standardised(self, states: Float[Tensor, "batch feature"]) -> Float[Tensor, "batch feature"]:
        """States with mean 0 and deviation 1; a feature that never changes becomes 0."""
        deviation = (self.spread / self.count.clamp(min=1)).sqrt()
        scaled = (states.double() - self.mean) / torch.where(deviation > 1e-6, deviation, torch.inf)
        return scaled.float()
