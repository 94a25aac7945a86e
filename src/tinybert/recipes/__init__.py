"""The recipes: one paper, one file. This dictionary is the only list of them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from tinybert.recipes import augmented_kd, fine_tune, general, l2a, tinybert
from tinybert.run import Run
from tinybert.stages.common_settings import CommonSettings
from tinybert.stages.job import Outcome


@dataclass(frozen=True)
class Recipe:
    """A paper's procedure from teacher to student.

    Attributes:
        summary: What it does, in a line.
        citation: The paper.
        config: Its settings.
        distill: The procedure, from a `Job` (or `PlainText`), settings and a run.
        needs_teacher: Whether it cannot do without `--teacher`.
        uses: Optional flags it looks at.
        reads: A task with labels, or plain text without.
        preset: The one that stands where none is named.
    """

    summary: str
    citation: str
    config: type[CommonSettings]
    distill: Callable[[Any, Any, Run], Outcome]
    needs_teacher: bool = True
    uses: frozenset[str] = frozenset()
    reads: Literal["task", "text"] = "task"
    preset: str = "small"


RECIPES = {
    "tinybert": Recipe(
        "Transformer distillation: layers first, then predictions",
        tinybert.CITATION,
        tinybert.Config,
        tinybert.distill,
        uses=frozenset({"mlm", "vectors", "unlabeled"}),
    ),
    "general": Recipe(
        "layers only, on plain text: a student that can start any task",
        general.CITATION,
        general.Config,
        general.distill,
        reads="text",
    ),
    "l2a": Recipe(
        "for few labels: samples near the data of two domains, chosen by a policy that learns what helps",
        l2a.CITATION,
        l2a.Config,
        l2a.distill,
        uses=frozenset({"source", "mlm"}),
        preset="practical",
    ),
    "augmented_kd": Recipe(
        "last layer and prediction at once, on text from any augmenter: the control of l2a",
        augmented_kd.CITATION,
        augmented_kd.Config,
        augmented_kd.distill,
        uses=frozenset({"mlm", "vectors", "unlabeled"}),
    ),
    "fine_tune": Recipe(
        "plain fine-tuning of a small network on gold labels: the control",
        fine_tune.CITATION,
        fine_tune.Config,
        fine_tune.distill,
        needs_teacher=False,
        uses=frozenset({"source"}),
    ),
}
