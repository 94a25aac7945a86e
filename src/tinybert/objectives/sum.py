"""Several objectives as one."""

import math
from typing import cast, final

from jaxtyping import Float
from torch import Tensor, nn

from tinybert.types import Batch, Objective, Trace


@final
class Sum(Objective):
    """The sum of objectives, some of them times a weight; needs what any of them needs.

    Example:
        >>> from tinybert.objectives import GoldCrossEntropy, SoftCrossEntropy
        >>> both = Sum(SoftCrossEntropy(), (0.1, GoldCrossEntropy()))
        >>> [signal.kind for signal in both.needs_teacher]
        ['logits']
    """

    def __init__(self, *objectives: Objective | tuple[float, Objective]) -> None:
        """Keep objectives and weights.

        Args:
            objectives: Each alone, which means weight 1, or behind its weight.

        Raises:
            ValueError: If there is none, or a weight is not positive and finite.
        """
        super().__init__()
        if not objectives:
            raise ValueError("a sum needs at least one objective; an empty one trains nothing")
        weighted = [(1.0, part) if isinstance(part, Objective) else part for part in objectives]
        for weight, part in weighted:
            _require_usable(type(part).__name__, weight)
        self.weights = tuple(weight for weight, _ in weighted)
        self.objectives = nn.ModuleList(part for _, part in weighted)
        self.needs_student = frozenset().union(*(part.needs_student for _, part in weighted))
        self.needs_teacher = frozenset().union(*(part.needs_teacher for _, part in weighted))

    def terms(self, student: Trace, teacher: Trace, batch: Batch) -> dict[str, Float[Tensor, " batch"]]:
        """The terms of all objectives under their own names, already weighted.

        Raises:
            ValueError: If two objectives give a term of the same name.
        """
        terms: dict[str, Float[Tensor, " batch"]] = {}
        for weight, part in zip(self.weights, self.objectives, strict=True):
            for name, values in cast(Objective, part).terms(student, teacher, batch).items():
                if name in terms:
                    raise ValueError(f"{type(part).__name__} gives a term {name!r}, which another part gives already")
                terms[name] = weight * values
        return terms


def _require_usable(name: str, weight: float) -> None:
    if weight == 0:
        raise ValueError(f"{name} has weight 0 and would train nothing: leave it out")
    if not 0 < weight < math.inf:
        raise ValueError(f"{name} has weight {weight}; a weight must be positive and finite")
