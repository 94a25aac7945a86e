"""Several objectives as one."""

import math
from collections.abc import Mapping
from typing import cast, final

from jaxtyping import Float
from torch import Tensor, nn

from tinybert.types import Batch, Objective, Trace


@final
class WeightedSum(Objective):
    """The sum of named objectives, each times its weight; needs what any of them needs.

    Example:
        >>> from tinybert.objectives.prediction import GoldCrossEntropy, SoftCrossEntropy
        >>> both = WeightedSum({"soft": (SoftCrossEntropy(), 0.9), "gold": (GoldCrossEntropy(), 0.1)})
        >>> [signal.kind for signal in both.needs_teacher]
        ['logits']
    """

    def __init__(self, objectives: Mapping[str, tuple[Objective, float]]) -> None:
        """Keep objectives and weights.

        Args:
            objectives: Objective and weight by name; names serve error messages and saved projections.

        Raises:
            ValueError: If there is none, or a weight is not positive and finite.
        """
        super().__init__()
        if not objectives:
            raise ValueError("a weighted sum needs at least one objective; an empty one trains nothing")
        for name, (_, weight) in objectives.items():
            _require_usable(name, weight)
        self.weights = {name: weight for name, (_, weight) in objectives.items()}
        self.objectives = nn.ModuleDict({name: objective for name, (objective, _) in objectives.items()})
        parts = [objective for objective, _ in objectives.values()]
        self.needs_student = frozenset().union(*(part.needs_student for part in parts))
        self.needs_teacher = frozenset().union(*(part.needs_teacher for part in parts))

    def terms(self, student: Trace, teacher: Trace, batch: Batch) -> dict[str, Float[Tensor, " batch"]]:
        """The terms of all objectives under their own names, already weighted.

        Raises:
            ValueError: If two objectives give a term of the same name.
        """
        terms: dict[str, Float[Tensor, " batch"]] = {}
        for name, objective in self.objectives.items():
            for term, values in cast(Objective, objective).terms(student, teacher, batch).items():
                if term in terms:
                    raise ValueError(f"objective {name!r} gives a term {term!r}, which another one gives already")
                terms[term] = self.weights[name] * values
        return terms


def _require_usable(name: str, weight: float) -> None:
    if weight == 0:
        raise ValueError(f"objective {name!r} has weight 0 and would train nothing: leave it out")
    if not 0 < weight < math.inf:
        raise ValueError(f"objective {name!r} has weight {weight}; a weight must be positive and finite")
