"""Learning the output layer: from the teacher's logits or score, or from gold labels.

L_pred of TinyBERT (arXiv:1909.10351, Eq. 10), and the plain losses that a model without a teacher is fine-tuned with.
For scores the official code takes the gold label even when it distils; here `ScoreMSE` learns the teacher's score, as
classification learns the teacher's distribution, and `GoldMSE` is there for those who want the label.
"""

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar, final

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from tinybert.objectives.numerics import at_least_float32, require_same_shape
from tinybert.types import LOGITS, Batch, Objective, Signal, Trace, waits


def soft_cross_entropy(
    student_logits: Float[Tensor, "batch label"],
    teacher_logits: Float[Tensor, "batch teacher_label"],
    temperature: float = 1.0,
    weights: Float[Tensor, " label"] | None = None,
) -> Float[Tensor, " batch"]:
    """Cross-entropy of the student's distribution under the teacher's, both softened by the temperature.

    -sum_c softmax(teacher / t)_c log softmax(student / t)_c. Not multiplied by t²: the gradient shrinks as t grows.

    Args:
        student_logits: Scores of the student's classes, before softmax.
        teacher_logits: Scores of the same classes by the teacher.
        temperature: Above 1 flattens both distributions, below 1 sharpens them; 1 in the paper.
        weights: What the product of each class is multiplied by; None = all count the same.

    Returns:
        One value per example, in nats; the entropy of the teacher's distribution when the two agree, never less.

    Raises:
        ValueError: If the classes differ or are fewer than two, or the temperature is not positive and finite.

    Example:
        >>> soft_cross_entropy(torch.zeros(1, 4), torch.tensor([[0.0, 5.0, 0.0, 0.0]])).exp()
        tensor([4.0000])
    """
    require_usable_temperature(temperature)
    require_same_shape("the logits", student_logits, teacher_logits)
    _require_classes(student_logits)
    soft_targets = F.softmax(at_least_float32(teacher_logits) / temperature, dim=1)
    # Official code averages over classes too (a factor 1/C); we sum, as Eq. 10 is written. See tests/references/.
    logits = at_least_float32(student_logits) / temperature
    weights = None if weights is None else weights.to(logits.dtype)
    return F.cross_entropy(logits, soft_targets.to(logits.dtype), weight=weights, reduction="none")


def logits_squared_error(
    student_logits: Float[Tensor, "batch label"], teacher_logits: Float[Tensor, "batch teacher_label"]
) -> Float[Tensor, " batch"]:
    """Squared Euclidean distance of the logits, ||z_T - z_S||² of Tang et al. 2019 (arXiv:1903.12136, Eq. 5).

    A sum over the classes, as the formula is written; the authors' code takes their mean, so its value is this one
    divided by the number of classes.

    Args:
        student_logits: Scores of the student's classes, before softmax, or its only score.
        teacher_logits: Scores of the same classes by the teacher.

    Returns:
        One non-negative value per example, in squared units of the logits.

    Raises:
        ValueError: If the classes differ.

    Example:
        >>> logits_squared_error(torch.zeros(1, 2), torch.tensor([[3.0, 4.0]]))
        tensor([25.])
    """
    require_same_shape("the logits", student_logits, teacher_logits)
    return (at_least_float32(student_logits) - at_least_float32(teacher_logits)).square().sum(dim=1)


def cross_entropy(
    logits: Float[Tensor, "batch label"], labels: Int[Tensor, " batch"], weights: Float[Tensor, " label"] | None = None
) -> Float[Tensor, " batch"]:
    """Negative log-likelihood of the gold classes.

    Args:
        logits: Scores of the classes, before softmax.
        labels: The right class of each example, from 0.
        weights: What an example of each class counts; None = all the same.

    Returns:
        One non-negative value per example, in nats.

    Raises:
        ValueError: If there are fewer than two classes.

    Example:
        >>> cross_entropy(torch.zeros(2, 4), torch.tensor([0, 3])).exp()
        tensor([4., 4.])
    """
    _require_classes(logits)
    log_probabilities = F.log_softmax(at_least_float32(logits), dim=1)
    # Not F.cross_entropy: it takes the label -100 for "ignore" and would train nothing without a word.
    losses = -log_probabilities.gather(1, labels[:, None]).squeeze(1)
    return losses if weights is None else losses * weights.to(losses.dtype)[labels]


def squared_error(scores: Float[Tensor, " batch"], targets: Shaped[Tensor, " other_batch"]) -> Float[Tensor, " batch"]:
    """Squared difference of scores and what they should be.

    Args:
        scores: The student's score of each example.
        targets: The teacher's score or the gold one; whole numbers are taken too.

    Returns:
        One non-negative value per example, in squared units of the score.

    Raises:
        ValueError: If there is not one target per score.

    Example:
        >>> squared_error(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 5.0]))
        tensor([0., 9.])
    """
    require_same_shape("the scores", scores, targets)
    scores = at_least_float32(scores)
    return (scores - targets.to(scores.dtype)).square()


class SoftTargets(Objective):
    """Term `prediction`: the student learns what the teacher's logits say, both softened by a temperature.

    Attributes:
        signal: Which logits.
        temperature: Of both networks' distributions.
    """

    signal: ClassVar[Signal] = LOGITS

    def __init__(self, temperature: float = 1.0, *, scaled: bool = False) -> None:
        """Keep the temperature.

        Args:
            temperature: Of both distributions.
            scaled: Multiply by the temperature squared, so that the gradient keeps its size (Hinton et al. 2015). The
                T² KL(teacher || student) of DistilBERT and PKD is this less T² times the teacher's entropy, a constant.

        Raises:
            ValueError: If the temperature is not positive and finite.
        """
        super().__init__()
        require_usable_temperature(temperature)
        self.temperature, self._factor = temperature, temperature**2 if scaled else 1.0
        self.needs_student = self.needs_teacher = frozenset({self.signal})

    def terms(self, student: Trace, teacher: Trace, batch: Batch) -> dict[str, Float[Tensor, " batch"]]:
        """The loss of each example."""
        return {"prediction": self._factor * self.losses(student[self.signal], teacher[self.signal], batch)}

    @abstractmethod
    def losses(
        self, student_logits: Float[Tensor, "batch ..."], teacher_logits: Float[Tensor, "batch ..."], batch: Batch
    ) -> Float[Tensor, " batch"]:
        """The loss of each example at this temperature, not multiplied by its square."""


@final
class SoftCrossEntropy(SoftTargets):
    """Term `prediction`: the student's classes learn the teacher's distribution; see `soft_cross_entropy`."""

    weights: Tensor | None

    def __init__(self, temperature: float = 1.0, *, scaled: bool = False, weights: Sequence[float] = ()) -> None:
        """See `SoftTargets`; `weights` are what each class counts, none = all the same."""
        super().__init__(temperature, scaled=scaled)
        self.register_buffer("weights", torch.tensor(weights) if weights else None)

    def losses(
        self,
        student_logits: Float[Tensor, "batch label"],
        teacher_logits: Float[Tensor, "batch teacher_label"],
        batch: Batch,  # noqa: ARG002
    ) -> Float[Tensor, " batch"]:
        """The soft cross-entropy of each example."""
        return soft_cross_entropy(student_logits, teacher_logits, self.temperature, self.weights)


@final
class LogitsMSE(Objective):
    """Term `prediction`: the student's logits learn the teacher's; see `logits_squared_error`."""

    def __init__(self) -> None:
        super().__init__()
        self.needs_student = self.needs_teacher = frozenset({LOGITS})

    def terms(self, student: Trace, teacher: Trace, batch: Batch) -> dict[str, Float[Tensor, " batch"]]:  # noqa: ARG002
        """The squared distance of each example's logits."""
        return {"prediction": logits_squared_error(student[LOGITS], teacher[LOGITS])}


@final
class ScoreMSE(Objective):
    """Term `prediction`: the student's score learns the teacher's score."""

    def __init__(self) -> None:
        super().__init__()
        self.needs_student = self.needs_teacher = frozenset({LOGITS})

    def terms(self, student: Trace, teacher: Trace, batch: Batch) -> dict[str, Float[Tensor, " batch"]]:  # noqa: ARG002
        """The squared difference of the two scores of each example."""
        return {"prediction": squared_error(_score(student), _score(teacher))}


@final
class GoldCrossEntropy(Objective):
    """Term `gold`: classes learn from gold labels; needs no teacher."""

    weights: Tensor | None

    def __init__(self, weights: Sequence[float] = ()) -> None:
        """Keep what an example of each class counts; none = all the same."""
        super().__init__()
        self.register_buffer("weights", torch.tensor(weights) if weights else None)
        self.needs_student, self.needs_teacher = frozenset({LOGITS}), frozenset()

    def terms(self, student: Trace, teacher: Trace, batch: Batch) -> dict[str, Float[Tensor, " batch"]]:  # noqa: ARG002
        """The cross-entropy of each example; a `ValueError` where the batch has no labels."""
        labels, logits = _gold(batch), student[LOGITS]
        if labels.is_floating_point():
            raise ValueError("these labels are scores, not classes; a score learns by GoldMSE")
        if not waits(labels.device) and not 0 <= int(labels.min()) <= int(labels.max()) < logits.shape[1]:
            found = f"{int(labels.min())} to {int(labels.max())}"
            raise ValueError(f"labels run from {found}, and the head has {logits.shape[1]} classes, counted from 0")
        return {"gold": cross_entropy(logits, labels, self.weights)}


@final
class GoldMSE(Objective):
    """Term `gold`: a score learns from gold scores; needs no teacher."""

    def __init__(self) -> None:
        super().__init__()
        self.needs_student, self.needs_teacher = frozenset({LOGITS}), frozenset()

    def terms(self, student: Trace, teacher: Trace, batch: Batch) -> dict[str, Float[Tensor, " batch"]]:  # noqa: ARG002
        """The squared error of each example; a `ValueError` where the batch has no labels."""
        return {"gold": squared_error(_score(student), _gold(batch))}


def require_usable_temperature(temperature: float) -> None:
    """Refuse what would train nothing, or the wrong way.

    Raises:
        ValueError: If the temperature is not positive and finite.
    """
    if not 0 < temperature < math.inf:
        raise ValueError(
            f"temperature must be positive and finite, got {temperature}; a negative one inverts the soft targets"
        )


def _require_classes(logits: Float[Tensor, "batch label"]) -> None:
    if logits.shape[1] < 2:
        raise ValueError(
            f"a cross-entropy over {logits.shape[1]} class is always 0 and trains nothing; for a score use MSE"
        )


def _score(trace: Trace) -> Float[Tensor, " batch"]:
    logits = trace[LOGITS]
    if logits.shape[1] != 1:
        raise ValueError(f"a score is one output, this head has {logits.shape[1]}; for classes use a cross-entropy")
    return logits[:, 0]


def _gold(batch: Batch) -> Shaped[Tensor, " batch"]:
    if batch.labels is None:
        raise ValueError("these examples have no gold labels; learn from a teacher, or hand over labelled examples")
    if batch.labels.ndim != 1:
        found = f"{tuple(batch.labels.shape)} for {len(batch)} examples"
        raise ValueError(f"labels are {found}: one for each; several learn by GoldBinaryCrossEntropy")
    return batch.labels
