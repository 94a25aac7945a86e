"""What a policy did, episode by episode: how much it kept of what, what it was rewarded with, what it made of doubt."""

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from tinybert.selectors.features import Facts, entropy

BINS = 10  # of the teacher's entropy, from 0 to that of an even guess
DOMAINS = ("target", "source")


@dataclass
class Episode:
    """Counts of one episode, over the samples the policy acted on.

    Attributes:
        seen: By domain and distance, samples.
        kept: By domain and distance, the sum of their weights.
        classes: By the class that the teacher sees: samples, and the sum of their weights; one row for scores.
        response: By bin of the teacher's entropy: samples, and the sum of their chances to be kept.
        rewards: One per update.
        noise: How likely rewards that mean nothing would pull the policy as far; see `policy.chance_of_noise`.
    """

    seen: Float[Tensor, "domain distance"]
    kept: Float[Tensor, "domain distance"]
    classes: Float[Tensor, "label 2"]
    response: Float[Tensor, "bin 2"]
    rewards: list[float] = field(default_factory=list)
    noise: float = 1.0

    @staticmethod
    def begun(facts: Facts, outputs: int) -> "Episode":
        """With nothing counted yet."""
        sizes = 2, int(facts.distance.max()) + 1 if len(facts) else 1
        return Episode(torch.zeros(sizes), torch.zeros(sizes), torch.zeros(outputs, 2), torch.zeros(BINS, 2))

    def count(
        self,
        facts: Facts,
        weights: Float[Tensor, " batch"],
        chances: Float[Tensor, " batch"],
        teacher: Float[Tensor, "batch label"],
    ) -> None:
        """Count some samples.

        Args:
            facts: Of these samples.
            weights: How much each counted.
            chances: pi(a = 1 | s).
            teacher: Its logits.
        """
        one = torch.ones(len(weights))
        cells = facts.source.long().cpu(), facts.distance.long().cpu()
        self.seen.index_put_(cells, one, accumulate=True)
        self.kept.index_put_(cells, weights.float().cpu(), accumulate=True)
        self.classes.index_add_(0, teacher.argmax(dim=1).cpu(), torch.stack([one, weights.float().cpu()], dim=1))
        bins = (doubt(teacher).cpu() * BINS).long().clamp(0, BINS - 1)
        self.response.index_add_(0, bins, torch.stack([one, chances.float().cpu()], dim=1))

    def summary(self, after: float, noise: float) -> dict[str, Any]:
        """The episode in plain values.

        Args:
            after: The metric at its end.
            noise: As the attribute, of all episodes so far.
        """
        by_domain = zip(DOMAINS, self.kept.sum(dim=1), self.seen.sum(dim=1), strict=True)
        by_distance = zip(self.kept.sum(dim=0), self.seen.sum(dim=0), strict=True)
        total, seen = self.kept.sum(), self.seen.sum()
        return {
            "kept": _share(total, seen),
            "kept_by_domain": {name: _share(kept, all_) for name, kept, all_ in by_domain if all_ > 0},
            "kept_by_distance": {str(d): _share(kept, all_) for d, (kept, all_) in enumerate(by_distance) if all_ > 0},
            "kept_by_class": [_share(kept, all_) for all_, kept in self.classes],
            "response": [[(b + 0.5) / BINS, _share(s, n)] for b, (n, s) in enumerate(self.response) if n > 0],
            "rewards": self.rewards,
            "return": math.fsum(self.rewards),
            "after": after,
            "noise": noise,
        }

    def state(self) -> dict[str, Tensor]:
        """As tensors, for a checkpoint."""
        rewards = torch.tensor(self.rewards, dtype=torch.float64)
        counted = {name: getattr(self, name) for name in ("seen", "kept", "classes", "response")}
        return {**counted, "rewards": rewards, "noise": torch.tensor(self.noise, dtype=torch.float64)}

    @staticmethod
    def of_state(state: dict[str, Tensor]) -> "Episode":
        """What `state` gave."""
        seen, kept, classes, response = (state[name] for name in ("seen", "kept", "classes", "response"))
        return Episode(seen, kept, classes, response, state["rewards"].tolist(), float(state["noise"]))


def doubt(teacher: Float[Tensor, "batch label"]) -> Float[Tensor, " batch"]:
    """The teacher's entropy as a share of the largest there is; 0 for scores.

    Example:
        >>> doubt(torch.tensor([[0.0, 0.0], [99.0, 0.0]])).round(decimals=3)
        tensor([1., 0.])
    """
    if teacher.shape[1] == 1:
        return torch.zeros(len(teacher), device=teacher.device)
    return entropy(teacher) / math.log(teacher.shape[1])


def extremes(chances: Float[Tensor, " row"], fixed: Tensor, count: int = 10) -> dict[str, list[list[float]]]:
    """The rows that were likeliest to be kept, and those least likely, each as [row, chance].

    Args:
        chances: pi(a = 1 | s) when each row was last seen; NaN = never.
        fixed: True for rows the policy had no say in.
        count: How many of each.
    """
    known: Int[Tensor, " known"] = (~(fixed | chances.isnan())).nonzero()[:, 0]
    order = known[chances[known].argsort(stable=True)].tolist()
    shown = {"least": order[:count], "most": order[::-1][:count]}
    return {name: [[float(row), float(chances[row])] for row in rows] for name, rows in shown.items()}


def _share(part: Tensor, whole: Tensor) -> float:
    return round(float(part / whole), 4) if whole > 0 else 0.0
