"""A policy that has learnt and learns no more: what chooses for a student that starts anew."""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from tinybert.selectors.fixed import Stateless
from tinybert.selectors.reinforced import Reinforced
from tinybert.types import Batch, Trace


@final
class Learnt(Stateless):
    """Keeps what the policy would rather keep than drop, without a draw; soft weights are those in the middle.

    So a policy that has learnt nothing, and keeps most with any chance above a half, keeps all, or all but what is
    disputed.
    """

    def __init__(self, chosen: Reinforced) -> None:
        """Take over the policy, and the moments by which its states are standardised."""
        self._policy, self._running, self._view, self._facts = chosen.policy, chosen.running, chosen.view, chosen.facts
        self._rule = chosen.rule
        self.needs_student, self.needs_teacher = chosen.view.needs

    def choose(self, student: Trace, teacher: Trace, batch: Batch) -> Float[Tensor, " batch"]:
        """Look and act; in float32."""
        facts = self._facts.of(batch.rows)
        with torch.autocast(batch.rows.device.type, enabled=False):
            states = self._running.standardised(self._view.of(student, teacher, facts))
            logits = self._policy(states, 1 - self._rule.choose(student, teacher, batch)).detach()
            return torch.where(facts.fixed, 1.0, self._policy.likeliest(logits))
