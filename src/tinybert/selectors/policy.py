"""The policy pi(a | s) of L2A: a network of one hidden layer, and what REINFORCE (Williams 1992) trains it with."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from tinybert.run import seeded
from tinybert.selectors.features import State

BETAS = (0.9, 0.998)  # of Adam (Feng et al. 2021)
NOISE = 0.5  # deviation of a soft choice, before the sigmoid


@dataclass(frozen=True)
class PolicySettings:
    """Settings of the policy and of its training.

    Attributes:
        state: What it sees, see `features`.
        agreement: It also sees whether the teacher agrees with the source's gold labels.
        first_states: It also sees the first state, [CLS], of both networks' last layers.
        hidden: Neurons of the hidden layer.
        init_keep: Share of the samples that is kept before anything is learnt.
        init_keep_disputed: The same of those that the rule `fixed.Agreement` drops; None = as of all others.
        selection: `hard` drops what is not kept; `soft` weighs.
        lr: Of Adam.
        gamma: By which a reward counts less, the more updates it lies ahead.
        entropy_bonus: Weight of the policy's entropy, which keeps it from deciding too early.
        value_baseline: A second network predicts returns; what it predicts is no reason to change the policy.
        one_step: One step per episode, not one per update of the student.
        significance: An episode teaches nothing where rewards that mean nothing would have pulled the policy as far, in
            all episodes so far, with a higher chance (`chance_of_noise`, `combined`); 1 = every episode teaches.
    """

    state: State = "minimal"
    agreement: bool = False
    first_states: bool = False
    hidden: int = 128
    init_keep: float = 0.5
    init_keep_disputed: float | None = None
    selection: Literal["hard", "soft"] = "hard"
    lr: float = 3e-5
    gamma: float = 0.95  # Qu et al. 2019; the paper does not say
    entropy_bonus: float = 0.0
    value_baseline: bool = False
    one_step: bool = False
    significance: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what would choose nothing, or learn nothing."""
        if self.hidden < 1:
            raise ValueError(f"hidden must be at least 1, got {self.hidden}")
        for name in ("init_keep", "init_keep_disputed"):
            if (share := getattr(self, name)) is not None and not 0 < share < 1:
                raise ValueError(f"{name} is a share of the samples, between 0 and 1, got {share}")
        if not 0 < self.lr < math.inf:
            raise ValueError(f"lr must be positive and finite, got {self.lr}")
        if not 0 <= self.gamma <= 1:
            raise ValueError(f"gamma must be between 0 and 1, got {self.gamma}")
        if not 0 < self.significance <= 1:
            raise ValueError(f"significance is a chance, above 0 and at most 1, got {self.significance}")
        if not 0 <= self.entropy_bonus < math.inf:
            raise ValueError(f"entropy_bonus must not be negative, and finite, got {self.entropy_bonus}")


def multilayer(features: int, hidden: int, bias: float, seed: int) -> nn.Sequential:
    """Linear, tanh, Linear to one number, whose bias is given; the global random state is not touched."""
    with seeded(seed):
        last = nn.Linear(hidden, 1)
        layers = nn.Sequential(nn.Linear(features, hidden), nn.Tanh(), last)
    nn.init.constant_(last.bias, bias)
    return layers


class Policy(nn.Module):
    """How much it would like to keep a sample: the logit of pi(a = 1 | s)."""

    def __init__(self, features: int, settings: PolicySettings, seed: int) -> None:
        """Build it.

        Args:
            features: Of a state.
            settings: See there.
            seed: Of its first weights.
        """
        super().__init__()
        self.selection = settings.selection
        keep = settings.init_keep
        start, disputed = (math.log(one / (1 - one)) for one in (keep, settings.init_keep_disputed or keep))
        self.network, self.offset = multilayer(features, settings.hidden, start, seed), disputed - start

    def forward(
        self, states: Float[Tensor, "batch feature"], disputed: Float[Tensor, " batch"]
    ) -> Float[Tensor, " batch"]:
        """The logits; `disputed` is 1 for samples that the rule drops, and 0 for others."""
        logits: Tensor = self.network(states)[:, 0]
        return logits + self.offset * disputed

    def act(self, logits: Float[Tensor, " batch"]) -> Float[Tensor, " batch"]:
        """Draw what is done with each sample, from torch's own stream: 0 or 1; soft: the logit of its weight."""
        if self.selection == "hard":
            return (torch.rand_like(logits) < logits.sigmoid()).float()
        return logits + NOISE * torch.randn_like(logits)

    def weights(self, actions: Float[Tensor, " batch"]) -> Float[Tensor, " batch"]:
        """How much the samples count."""
        return actions if self.selection == "hard" else actions.sigmoid()

    def likeliest(self, logits: Float[Tensor, " batch"]) -> Float[Tensor, " batch"]:
        """How much the samples count where nothing is drawn."""
        return (logits > 0).float() if self.selection == "hard" else logits.sigmoid()

    def log_probability(
        self, logits: Float[Tensor, " batch"], actions: Float[Tensor, " batch"]
    ) -> Float[Tensor, " batch"]:
        """Log pi(a | s), soft: but for a constant."""
        if self.selection == "hard":
            return -F.binary_cross_entropy_with_logits(logits, actions, reduction="none")
        return -(actions - logits).square() / (2 * NOISE**2)


def entropy_of(logits: Float[Tensor, " batch"]) -> Float[Tensor, " batch"]:
    """Entropy of keeping or dropping, in nats."""
    keep = logits.sigmoid()
    return -(keep * F.logsigmoid(logits) + (1 - keep) * F.logsigmoid(-logits))


def returns(rewards: Float[Tensor, " update"], gamma: float) -> Float[Tensor, " update"]:
    """G_t = r_t + gamma G_{t+1}, Eq. 14.

    Example:
        >>> returns(torch.tensor([0.0, 1.0, 0.0, 2.0]), 0.5)
        tensor([0.7500, 1.5000, 1.0000, 2.0000])
    """
    found, ahead = torch.empty_like(rewards), rewards.new_zeros(())
    for update in range(len(rewards) - 1, -1, -1):
        ahead = rewards[update] + gamma * ahead
        found[update] = ahead
    return found


def advantages(found: Float[Tensor, " update"]) -> Float[Tensor, " update"] | None:
    """Returns with mean 0 and deviation 1 over the episode; None where all are the same, which teaches nothing.

    Example:
        >>> advantages(torch.tensor([1.0, 3.0]))
        tensor([-1.,  1.])
    """
    deviation = found.std(correction=0)
    if len(found) == 0 or not deviation > 1e-12:
        return None
    return (found - found.mean()) / deviation


def chance_of_noise(pulls: Float[Tensor, "update feature"], seed: int, draws: int = 999) -> float:
    """How likely rewards that mean nothing would pull the policy as far as these: a test by changes of sign.

    Where rewards mean nothing, a pull was as likely as its opposite, for the actions were drawn. The statistic is the
    largest over the features of |sum of the pulls| / root of the sum of their squares.

    Args:
        pulls: What each update of an episode would add to each weight of a linear policy.
        seed: Of the changes.
        draws: How many are tried.

    Returns:
        The p-value, never below 1 / (draws + 1).

    Example:
        >>> chance_of_noise(torch.ones(50, 1), seed=0)
        0.001
    """
    scaled = pulls.double().cpu() / pulls.double().cpu().square().sum(dim=0).sqrt().clamp(min=1e-30)
    signs = torch.randint(0, 2, (draws, len(pulls)), generator=torch.Generator().manual_seed(seed)).double() * 2 - 1
    found, by_chance = scaled.sum(dim=0).abs().max(), (signs @ scaled).abs().amax(dim=1)
    return (1 + int((by_chance >= found).sum())) / (1 + draws)


def combined(chances: Sequence[float]) -> float:
    """One p-value of several: how likely their product is to be as small, if each were drawn evenly (Fisher 1932).

    Example:
        >>> round(combined([0.05]), 6), round(combined([0.5, 0.5]), 3), combined([])
        (0.05, 0.597, 1.0)
    """
    half = -math.fsum(math.log(chance) for chance in chances)
    return math.exp(-half) * math.fsum(half**n / math.factorial(n) for n in range(len(chances))) if chances else 1.0
