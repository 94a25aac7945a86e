"""What a recipe is: a paper's procedure with its name, its settings and what it reads; the settings of most of them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from tinybert.data.corpus.texts import is_plain_text
from tinybert.data.settings import DataSettings
from tinybert.errors import UserError
from tinybert.export.settings import ExportSettings
from tinybert.families.network import Shape
from tinybert.run import Run, RunSettings
from tinybert.stages.common_settings import TEXTS_IN_MEMORY, CommonSettings
from tinybert.stages.general.reading import CorpusSettings
from tinybert.stages.general.settings import GeneralGroup
from tinybert.stages.initialisation import StudentNetwork, StudentSettings
from tinybert.stages.job import Outcome
from tinybert.stages.teacher import TeacherNetwork, TeacherSettings
from tinybert.tasks.base import Task
from tinybert.types import Stage

PLAIN_TEXT = "--train is plain text; only a task reads it"


@dataclass(frozen=True, kw_only=True)
class TaskSettings(CommonSettings):
    """What every recipe for a task is told; `fine_tune` is the training on gold labels, of the teacher most often."""

    data: DataSettings = field(default_factory=DataSettings)
    teacher: TeacherSettings = field(default_factory=TeacherSettings)
    student: StudentNetwork = field(default_factory=StudentNetwork)
    fine_tune: Stage = field(default_factory=lambda: Stage(epochs=None))
    export: ExportSettings = field(default_factory=ExportSettings)
    run: RunSettings = field(default_factory=RunSettings)


@dataclass(frozen=True, kw_only=True)
class TextOrTaskSettings(GeneralGroup, TaskSettings):
    """Of a recipe that learns from plain text, from a task, or from one before the other."""

    @property
    def reads_text(self) -> bool:
        """What `train` is decides; a kind is one of tasks, and CoNLL columns may end `.txt`."""
        train = self.train
        return self.kind is None and train is not None and (train == TEXTS_IN_MEMORY or is_plain_text(train))

    def unread(self) -> Iterator[tuple[str, str]]:
        """On plain text everything that only a task needs."""
        if not self.reads_text:
            yield from super().unread()
            return
        yield from CommonSettings.unread(self)
        for name, of_text in (("data", CorpusSettings), ("teacher", TeacherNetwork)):
            known = {key.name for key in fields(of_text)}
            keys = (key.name for key in fields(getattr(self, name)) if key.name not in known)
            yield from ((f"{name}.{key}", PLAIN_TEXT) for key in keys)
        stages = (group.name for group in fields(self) if isinstance(getattr(self, group.name), Stage))
        yield from ((name, PLAIN_TEXT) for name in (*stages, "export") if name != "general")


@dataclass(frozen=True, kw_only=True)
class LayerSettings(CommonSettings):
    """Of a recipe whose student learns layer by layer."""

    student: StudentSettings = field(default_factory=StudentSettings)

    def unfit(self, student: Shape, teacher: Shape, /) -> Iterator[str]:
        """Numbers of heads may differ where their means are compared."""
        if self.student.attention_heads == "paired":
            yield from (
                f"{problem}; student.attention_heads=means compares means over heads"
                for problem in super().unfit(student, teacher)
            )


@dataclass(frozen=True)
class Recipe:
    """A paper's procedure from teacher to student.

    Attributes:
        name: As users call it; its packaged presets lie under this name.
        summary: What it does, in a line.
        citation: The paper.
        config: Its settings.
        distill: The procedure, from a `Job` (or `PlainText`, as the settings say), settings and a run.
        needs_teacher: Whether it cannot do without `--teacher`.
        uses: Optional files it looks at: source, unlabeled, mlm, vectors.
        preset: The one that stands where none is named.
        answers: What its students can learn to say: `anything`, something of whole `texts`, one class or score each.
    """

    name: str
    summary: str
    citation: str
    config: type[CommonSettings]
    distill: Callable[[Any, Any, Run], Outcome]
    needs_teacher: bool = True
    uses: frozenset[str] = frozenset()
    preset: str = "small"
    answers: Literal["anything", "texts", "one_label"] = "anything"

    def check_task(self, task: Task) -> None:
        """Refuse a kind of task that the procedure is not made for.

        Raises:
            UserError: If so.
        """
        if self.answers == "texts" and not task.head.of_texts:
            raise UserError(f"{self.name}: its student answers for whole texts; this is {task.kind}; take tinybert")
        if self.answers == "one_label" and not task.one_label:
            raise UserError(
                f"{self.name}: learns from texts with one class or score each; this is {task.kind}; take augmented_kd"
            )

    def __post_init__(self) -> None:
        """Refuse settings without the groups that every run reads.

        Raises:
            ValueError: Naming them.
        """
        known = {group.name for group in fields(self.config)}
        if missing := [name for name in ("data", "teacher", "student", "run") if name not in known]:
            raise ValueError(f"{self.config.__name__} has no {', '.join(missing)}; let it extend TaskSettings")
