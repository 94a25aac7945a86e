"""How a static table starts: as one that was trained before, or as what the teacher says of its pieces."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar

from tinybert.config import MODEL
from tinybert.families.network import Network, Shape
from tinybert.families.own import random_network
from tinybert.families.static import Static, StaticConfig
from tinybert.initialise.static import take_states
from tinybert.models.student import check_positive, is_shape, layers_and_width
from tinybert.run import Run
from tinybert.stages.initialisation import InitialStudent, StudentNetwork, initial_student, initialise
from tinybert.stages.job import Job


@dataclass(frozen=True)
class StaticStudent(StudentNetwork):
    """A table of vectors of pieces: a shape of no layers, 0 x width."""

    path: Annotated[str, MODEL] = "0x256"
    transformer: ClassVar[bool] = False

    def shape(self, teacher: Shape | None = None) -> Shape:  # noqa: ARG002
        """The width that a shape asks for; whatever its number of layers, there are none."""
        _, width = layers_and_width(self.path)
        check_positive(width=width)
        return Shape(0, width, 0, 0)

    def unread(self) -> Iterator[tuple[str, str]]:
        """What only networks with layers have."""
        for name in ("init", "heads", "inner", "layer_map"):
            yield name, "a static table has nothing of the kind"


def initial_static(job: Job, teacher: Network, settings: StaticStudent, run: Run) -> Network:
    """The student of a run, on its device: made once, found again by a resumed run.

    Args:
        job: The task; the two texts of a pair are compared.
        teacher: Where the vectors come from.
        settings: Which student.
        run: Keeps the step `init`.
    """
    if not is_shape(settings.path):
        return initialise(job, None, settings, run).student
    config = job.config_of(StaticConfig, hidden_size=settings.shape().width)

    def make() -> InitialStudent:
        student = random_network(Static, config, run.seed_for("init"))
        if run.plan is None:
            take_states(student, teacher, job.tokenizer)
        return InitialStudent(student)

    about = {"student": settings.initial, "paired": job.task.paired, "teacher": teacher, "seed": run.seed}
    return initial_student("init", make, job.head, run, **about).student
