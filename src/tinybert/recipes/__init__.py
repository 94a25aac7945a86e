"""The recipes: one paper, one file. This dictionary is the only list of them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tinybert.recipes import fine_tune, tinybert
from tinybert.run import Run
from tinybert.stages.flags import Flags
from tinybert.stages.job import Job, Outcome


@dataclass(frozen=True)
class Recipe:
    """A paper's procedure from teacher to student.

    Attributes:
        summary: What it does, in a line.
        citation: The paper.
        config: Its settings.
        distill: The procedure.
        needs_teacher: Whether it cannot do without `--teacher`.
        uses: Optional flags it looks at.
    """

    summary: str
    citation: str
    config: type[Flags]
    distill: Callable[[Job, Any, Run], Outcome]
    needs_teacher: bool = True
    uses: frozenset[str] = frozenset()


RECIPES = {
    "tinybert": Recipe(
        "Transformer distillation: layers first, then predictions",
        tinybert.CITATION,
        tinybert.Config,
        tinybert.distill,
        uses=frozenset({"mlm", "vectors", "unlabeled"}),
    ),
    "fine_tune": Recipe(
        "plain fine-tuning of a small network on gold labels: the control",
        fine_tune.CITATION,
        fine_tune.Config,
        fine_tune.distill,
        needs_teacher=False,
    ),
}
