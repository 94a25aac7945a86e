"""What a recipe is: a paper's procedure with its name, its settings and what it reads."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from tinybert.run import Run
from tinybert.stages.common_settings import CommonSettings
from tinybert.stages.job import Outcome


@dataclass(frozen=True)
class Recipe:
    """A paper's procedure from teacher to student.

    Attributes:
        name: As users call it; its packaged presets lie under this name.
        summary: What it does, in a line.
        citation: The paper.
        config: Its settings.
        distill: The procedure, from a `Job` (or `PlainText`), settings and a run.
        needs_teacher: Whether it cannot do without `--teacher`.
        uses: Optional files it looks at: source, unlabeled, mlm, vectors.
        reads: A task with labels, or plain text without.
        preset: The one that stands where none is named.
    """

    name: str
    summary: str
    citation: str
    config: type[CommonSettings]
    distill: Callable[[Any, Any, Run], Outcome]
    needs_teacher: bool = True
    uses: frozenset[str] = frozenset()
    reads: Literal["task", "text"] = "task"
    preset: str = "small"
