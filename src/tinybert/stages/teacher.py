"""The first stage of every recipe that has a teacher: a network with a task head that is good enough to learn from."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from tinybert import files
from tinybert.config import MODEL
from tinybert.data.source_domain import TeacherData
from tinybert.engine.evaluate import student_logits
from tinybert.engine.teacher_outputs import size_in_bytes
from tinybert.errors import UserError
from tinybert.export.hub import save_student
from tinybert.families.network import Network
from tinybert.models.heads import has_task_head, note_reading
from tinybert.models.loading import load_classifier
from tinybert.models.student import is_shape
from tinybert.models.teacher import Teacher, TeacherScores
from tinybert.precision import DType
from tinybert.run import Run
from tinybert.stages.fine_tune import fine_tune_on
from tinybert.stages.job import Job
from tinybert.types import Stage

EXAMINED = "examined.json"


@dataclass(frozen=True)
class TeacherNetwork:
    """The teacher, whatever it teaches.

    Attributes:
        path: A folder or a hub name; for a task: with its head it is used as it is, without one it is fine-tuned first.
        dtype: Of its forward pass while it teaches; `auto` is bf16 where the machine computes in it.
    """

    path: Annotated[str | None, MODEL] = None
    dtype: DType = "auto"


@dataclass(frozen=True)
class TeacherSettings(TeacherNetwork):
    """The teacher of a task and how it is used.

    Attributes:
        cache: Disk for its outputs: `auto`, `off`, or a size such as `4GB`.
        accept_weak: Go on with a teacher that is no better than always naming the commonest class.
    """

    cache: str = "auto"
    accept_weak: bool = False

    def __post_init__(self) -> None:
        """Refuse a size that is none."""
        if self.cache not in ("auto", "off"):
            size_in_bytes(self.cache)


@dataclass(frozen=True)
class TaskTeacher:
    """What a student of predictions learns from.

    Attributes:
        teacher: What shows them.
        network: The teacher's; None where it is a file.
    """

    teacher: Teacher | TeacherScores
    network: Network | None


def teacher_or_scores(job: Job, config: Any, run: Run) -> TaskTeacher:
    """The teacher of a task, or its scores in a file, for a recipe that learns from predictions only."""
    if job.splits.scores is not None:
        figures = job.task.metrics(job.splits.scores, job.train)
        shown = ", ".join(f"{name} {value:.3f}" for name, value in figures.items())
        run.log.say(f"teacher: a file of scores; on train ({len(job.splits.train)} rows): {shown}")
        return TaskTeacher(TeacherScores(job.splits.scores[job.train.owners], run.device), None)
    model = task_teacher(job, config.teacher, config.fine_tune, run)
    return TaskTeacher(Teacher(model, config.teacher.dtype, run.device, job.teacher_rows), model)


def origin_of_shape(job: Job, config: Any, run: Run) -> Network | None:
    """The network a shape is cut out of, which teaches nothing: whether it has a head does not matter."""
    path = config.teacher.path
    if path is None or not is_shape(config.student.path):
        return None
    head = None if has_task_head(path) else job.head
    return load_classifier(path, head, seed=run.seed_for("init", "origin"), device=run.device).model


def task_teacher(
    job: Job, settings: TeacherSettings, stage: Stage, run: Run, teacher_data: TeacherData = "target"
) -> Network:
    """The teacher with its head, in fp32, on the run's device; fine-tuned first if it came without one.

    Args:
        job: The task and its data.
        settings: Which network it is.
        stage: How it is fine-tuned.
        run: Keeps the stage `teacher`, and before it `teacher_source` where source is learnt first.
        teacher_data: Which domains it is fine-tuned on; says nothing of a teacher with a head.

    Raises:
        UserError: If it is clearly too weak and `teacher.accept_weak` is not set; or if a domain has no labels.
    """
    assert settings.path is not None
    job = job.as_teacher_reads
    loaded = load_classifier(settings.path, job.head, seed=run.seed_for("teacher", "head"), device=run.device)
    teacher = loaded.model
    if loaded.has_head:
        unread = "" if teacher_data == "target" else f", whatever teacher_data={teacher_data} says"
        run.log.say(f"teacher: {settings.path} has a head for this task and is used as it is{unread}")
        run.begin("teacher", teacher=loaded.digest, **job.learnt)
    else:
        run.log.say(f"teacher: {settings.path} has no task head; it is fine-tuned first")
        fine_tune_on(teacher_data, teacher, job, stage, run, name="teacher")
        note_reading(teacher.config, paired=job.task.paired, **job.encoder.windows._asdict())
        if run.is_main and run.plan is None and not (run.folder / "teacher").exists():
            save_student(teacher, job.tokenizer, run.folder / "teacher", max_length=job.max_length)
    if job.splits.dev_labels == "gold" and run.plan is None:
        _examine(teacher, job, settings, run)
    return teacher


def _examine(teacher: Network, job: Job, settings: TeacherSettings, run: Run) -> None:
    """Evaluate the teacher on dev before anything is distilled from it, once."""

    def make(folder: Path) -> None:
        logits = student_logits(teacher, job.dev, run)
        strength = job.task.strength(logits, job.dev, run.rng("strength"))
        figures = {"dev": job.task.metrics(logits, job.dev), "strength": strength.rating}
        files.write_json(folder / EXAMINED, {**figures, "figure": strength.figure, "baseline": strength.baseline})

    artifact = run.stored("examined", make, teacher=teacher, dev=job.dev, task=job.task, head=job.head, seed=run.seed)
    found = files.read_json(artifact.result / EXAMINED)
    shown = ", ".join(f"{name} {value:.3f}" for name, value in found["dev"].items())
    run.log.say(f"teacher on dev ({len(job.splits.dev)} rows): {shown}")
    if found["strength"] == "good":
        return
    complaint = (
        f"teacher: {found['figure']:.3f} on {len(job.splits.dev)} dev rows is not better than the "
        f"{found['baseline']:.3f} of a teacher that knows nothing; give a better one or more data"
    )
    if found["strength"] == "weak" and not settings.accept_weak:
        raise UserError(f"{complaint}, or set teacher.accept_weak=true")
    run.log.say(complaint)
