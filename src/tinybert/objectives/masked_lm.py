"""Predicting masked pieces: the masked language model of BERT (Devlin et al. 2019, arXiv:1810.04805, section 3.1).

Where a teacher has a masked-LM head too, the student's learns its distribution, as in DistilBERT (Sanh et al. 2019,
arXiv:1910.01108); there at all pieces, here at the masked positions only. The stage's masker sets them, not an
objective: so all parts of a sum see the same masked pieces.
"""

from typing import final

import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from tinybert.objectives.numerics import at_least_float32
from tinybert.objectives.prediction import require_usable_temperature, soft_cross_entropy
from tinybert.types import MASKED_LOGITS, Batch, Objective, Trace


def masked_cross_entropy(
    logits: Float[Tensor, "position vocabulary"], targets: Int[Tensor, "batch seq"]
) -> Float[Tensor, " batch"]:
    """Mean negative log-likelihood of the masked pieces of each example.

    Args:
        logits: Scores at the masked positions, in the order of the examples and their positions.
        targets: The original piece at each masked position; -1 elsewhere.

    Returns:
        One value per example in nats; 0 for an example without such a position.

    Raises:
        ValueError: If there is not one row of logits per position.

    Example:
        >>> masked_cross_entropy(torch.zeros(2, 8), torch.tensor([[-1, 3, 7], [-1, -1, -1]])).exp()
        tensor([8., 1.])
    """
    return negative_log_likelihood(logits, targets) / (targets >= 0).sum(dim=1).clamp(min=1)


def negative_log_likelihood(
    logits: Float[Tensor, "position vocabulary"], targets: Int[Tensor, "batch seq"]
) -> Float[Tensor, " batch"]:
    """Of all masked pieces of each example together, in nats; arguments and errors as of `masked_cross_entropy`."""
    positions = _positions(logits, targets)
    losses = F.cross_entropy(at_least_float32(logits), targets[positions], reduction="none")
    return _sum_by_example(losses, positions)


def masked_soft_cross_entropy(
    student_logits: Float[Tensor, "position vocabulary"],
    teacher_logits: Float[Tensor, "position teacher_vocabulary"],
    targets: Int[Tensor, "batch seq"],
    temperature: float = 1.0,
) -> Float[Tensor, " batch"]:
    """Mean cross-entropy of the student's distributions under the teacher's at the masked positions of each example.

    Args:
        student_logits: Scores at the masked positions, in the order of the examples and their positions.
        teacher_logits: The teacher's scores of the same pieces at the same positions.
        targets: The original piece at each masked position, which is not looked at; -1 elsewhere.
        temperature: Of both distributions.

    Returns:
        One value per example in nats, never below the teacher's mean entropy; 0 for an example without such a position.

    Raises:
        ValueError: If the vocabularies differ in size, or there is not one row of logits per position.

    Example:
        >>> sure = torch.tensor([[0.0, 0.0, 0.0, 99.0], [0.0, 99.0, 0.0, 0.0]])
        >>> masked_soft_cross_entropy(torch.zeros(2, 4), sure, torch.tensor([[-1, 3, 1], [-1, -1, -1]])).exp()
        tensor([4., 1.])
    """
    _require_same_vocabulary(student_logits, teacher_logits)
    positions = _positions(student_logits, targets)
    losses = soft_cross_entropy(student_logits, teacher_logits, temperature)
    return _sum_by_example(losses, positions) / positions.sum(dim=1).clamp(min=1)


@final
class MaskedCrossEntropy(Objective):
    """Term `masked_lm`: masked pieces are predicted."""

    def __init__(self) -> None:
        super().__init__()
        self.needs_student, self.needs_teacher = frozenset({MASKED_LOGITS}), frozenset()

    def terms(self, student: Trace, teacher: Trace, batch: Batch) -> dict[str, Float[Tensor, " batch"]]:  # noqa: ARG002
        """The mean cross-entropy of each example's masked pieces."""
        return {"masked_lm": masked_cross_entropy(student[MASKED_LOGITS], batch.needed_targets())}


@final
class MaskedSoftCrossEntropy(Objective):
    """Term `masked_prediction`: the student's masked-LM head learns the teacher's distribution at masked positions."""

    def __init__(self, temperature: float = 1.0, *, scaled: bool = False) -> None:
        """Keep the temperature; arguments and errors as of `SoftCrossEntropy`."""
        super().__init__()
        require_usable_temperature(temperature)
        self.temperature, self._factor = temperature, temperature**2 if scaled else 1.0
        self.needs_student = self.needs_teacher = frozenset({MASKED_LOGITS})

    def terms(self, student: Trace, teacher: Trace, batch: Batch) -> dict[str, Float[Tensor, " batch"]]:
        """The mean soft cross-entropy at each example's masked positions."""
        ours, theirs = student[MASKED_LOGITS], teacher[MASKED_LOGITS]
        losses = masked_soft_cross_entropy(ours, theirs, batch.needed_targets(), self.temperature)
        return {"masked_prediction": self._factor * losses}


@final
class GeneratorLikelihood(Objective):
    """Term `generator`: at the positions where a sample was drawn, what was drawn is predicted.

    L_G of L2A: -log P(w_o | x with o masked), summed over the positions o that a row masks (Feng et al. 2021,
    arXiv:2101.08106); without its weights, which a selector gives, unless some of them are negative.
    """

    def __init__(self, rewards: Float[Tensor, " row"] | None = None) -> None:
        """Keep the rewards.

        Args:
            rewards: R of Eq. 9 for every row, by `Batch.rows`, on the device of the batches; what has a negative one is
                made less likely. None = 1.
        """
        super().__init__()
        self.needs_student, self.needs_teacher = frozenset({MASKED_LOGITS}), frozenset()
        self.rewards = rewards

    def terms(self, student: Trace, teacher: Trace, batch: Batch) -> dict[str, Float[Tensor, " batch"]]:  # noqa: ARG002
        """The negative log-likelihood of what was drawn, times the reward."""
        losses = negative_log_likelihood(student[MASKED_LOGITS], batch.needed_targets())
        return {"generator": losses if self.rewards is None else losses * self.rewards[batch.rows]}


def _positions(
    logits: Float[Tensor, "position vocabulary"], targets: Int[Tensor, "batch seq"]
) -> Bool[Tensor, "batch seq"]:
    """Where pieces are to be predicted; there must be a row of logits for each."""
    positions = targets >= 0
    if len(logits) != (count := int(positions.sum())):
        raise ValueError(f"{len(logits)} rows of logits for {count} masked positions")
    return positions


def _sum_by_example(
    losses: Float[Tensor, " position"], positions: Bool[Tensor, "batch seq"]
) -> Float[Tensor, " batch"]:
    return losses.new_zeros(len(positions)).index_add(0, positions.nonzero()[:, 0], losses)


def _require_same_vocabulary(student: Float[Tensor, "position piece"], teacher: Float[Tensor, "position _"]) -> None:
    ours, theirs = student.shape[1], teacher.shape[1]
    if ours != theirs:  # some checkpoints have rows for pieces that no tokenizer gives
        raise ValueError(f"the student's masked-LM head scores {ours} pieces, the teacher's {theirs}: not one to one")
