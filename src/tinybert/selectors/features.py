"""What the policy sees of a sample: the outputs of teacher and student, and where the sample comes from.

L2A names "outputs of the teacher and student model" and no more: `minimal`. `default` adds what Qu et al. 2019, its
ancestor, gave a policy to see: probabilities and loss, the teacher's doubt, the domain, the distance. Beside either may
stand whether the teacher agrees with the source's gold label, which DVRL (Yoon et al. 2020, arXiv:1909.11671) shows its
estimator too, and the first state of both networks, as Qu et al. show theirs.
"""

from dataclasses import dataclass, fields
from typing import Literal, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from tinybert.types import LOGITS, Signal, Trace

State = Literal["default", "minimal"]


@dataclass(frozen=True)
class Facts:
    """What is known of every row of the pool before anything is learnt.

    Attributes:
        source: True for texts of the source domain.
        fixed: True for rows that are always learnt from; the policy has no say.
        distance: How many pieces were replaced.
        share: Which share of those that could be, were replaced; d / m.
        gold: Of the source's texts, and of samples of them: the class or score that is known; NaN = none is.
    """

    source: Bool[Tensor, " row"]
    fixed: Bool[Tensor, " row"]
    distance: Int[Tensor, " row"]
    share: Float[Tensor, " row"]
    gold: Float[Tensor, " row"]

    def __len__(self) -> int:
        """Rows of the pool."""
        return len(self.source)

    def of(self, rows: Int[Tensor, " batch"]) -> "Facts":
        """Of some of the rows."""
        there = rows.to(self.source.device)
        return Facts(*(getattr(self, part.name)[there] for part in fields(self)))

    def to(self, device: torch.device) -> "Facts":
        """The same on another device."""
        return Facts(*(getattr(self, part.name).to(device) for part in fields(self)))


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
        >>> facts = Facts(no, no, torch.tensor([2]), torch.tensor([0.5]), torch.tensor([torch.nan]))
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


def agreement(teacher: Float[Tensor, "batch label"], gold: Float[Tensor, " batch"]) -> Float[Tensor, " batch"]:
    """Whether the teacher's answer is the gold label: 1 or -1, of scores minus the distance; 0 where none is known.

    Example:
        >>> agreement(torch.tensor([[2.0, 1.0], [2.0, 1.0], [2.0, 1.0]]), torch.tensor([0.0, 1.0, torch.nan]))
        tensor([ 1., -1.,  0.])
    """
    if teacher.shape[1] == 1:
        found = -(teacher.detach().float()[:, 0] - gold).abs()
    else:
        found = torch.where(teacher.argmax(dim=1) == gold, 1.0, -1.0)
    return torch.where(gold.isnan(), 0.0, found)


@dataclass(frozen=True)
class View:
    """What a policy sees of a sample.

    Attributes:
        outputs: Of both networks; 1 = a score.
        state: Which features, see `state_of`.
        temperature: Of the soft targets.
        agreement: Whether `agreement` is among them.
        first: Layer and width of the student's and the teacher's first states that are among them; none = they are not.
    """

    outputs: int
    state: State = "default"
    temperature: float = 1.0
    agreement: bool = False
    first: tuple[tuple[int, int], ...] = ()

    @property
    def width(self) -> int:
        """Features of a state."""
        return width_of(self.state, self.outputs) + self.agreement + sum(width for _, width in self.first)

    @property
    def needs(self) -> list[frozenset[Signal]]:
        """What student and teacher have to show."""
        first = [frozenset({Signal("first_state", layer)}) for layer, _ in self.first] or [frozenset(), frozenset()]
        return [frozenset({LOGITS}) | more for more in first]

    def of(self, student: Trace, teacher: Trace, facts: Facts) -> Float[Tensor, "batch feature"]:
        """The states of some samples, without gradient."""
        parts = [state_of(Outputs(student[LOGITS], teacher[LOGITS]), facts, self.state, self.temperature)]
        if self.agreement:
            parts.append(agreement(teacher[LOGITS], facts.gold)[:, None])
        for trace, needed in zip((student, teacher), self.needs, strict=True):
            parts += [trace[signal].detach().float() for signal in needed - {LOGITS}]
        return torch.cat(parts, dim=1)


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
