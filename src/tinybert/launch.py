"""From a request to a run: folder, data, tokenizer; then the recipe; then the finish.

`api` and everything else that starts runs comes through here.
"""

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from tinybert import files
from tinybert.artifacts import Store, by_name
from tinybert.augment.validation import check_possible, doubts
from tinybert.config import dump_yaml, without_unread
from tinybert.data.vectors import VECTORS
from tinybert.engine.teacher_outputs import OUTPUTS
from tinybert.errors import UserError, collecting
from tinybert.families.network import Shape
from tinybert.folders import Record, check_run_folder, check_stage_name, check_version, forget_steps, locked
from tinybert.log import Log
from tinybert.machine import (
    Processes,
    choose_device,
    description,
    join_processes,
    lost_processes_as_resource_error,
    prepare,
)
from tinybert.models.trimming import check_room
from tinybert.report.aggregate import aggregate
from tinybert.report.render import render
from tinybert.request import Request, with_student
from tinybert.run import Run
from tinybert.stages.augment import FOLDER as AUGMENTED
from tinybert.stages.budget import BUDGET
from tinybert.stages.common_settings import FILES
from tinybert.stages.deadline import planned_deadline
from tinybert.stages.finish import About, finish
from tinybert.stages.finished import keep_only_the_student, kept_result
from tinybert.stages.general.finish import finish_general
from tinybert.stages.general.reading import check_fit, read_plain_text
from tinybert.stages.general.settings import general_within
from tinybert.stages.job import Job, Outcome
from tinybert.stages.l2a.selection_log import SELECTION
from tinybert.stages.quantisation import learn_rounding
from tinybert.stages.reading import check_max_length, read_job
from tinybert.stages.shapes import check_heads, shapes

CONFIG = "config.yaml"
# What stages show outside their own folders.
SHOWN = {"teacher": "teacher", "augment": AUGMENTED, "pool": AUGMENTED, "distill": f"{AUGMENTED}/{SELECTION}"}


def launch(request: Request, *, restart: bool = False, restart_from: str | None = None) -> dict[str, Any]:
    """Carry out a request: one run, or one per seed and their summary; returns what `metrics.json` says."""
    minutes = request.settings.max_minutes
    end = None if minutes is None else time.monotonic() + 60 * minutes
    device = choose_device(request.settings.device)
    if request.settings.run.graphs and device.type != "cuda":
        raise UserError(f"run.graphs=true: only CUDA devices record updates, and this run is on {device}")
    prepare(request.settings.run.threads, request.settings.run.deterministic)
    processes = join_processes(device)
    check_run_folder(request.folder)
    processes.wait()  # until all have looked at it as it was
    seeds = request.settings.seeds
    requests = [request] if seeds is None else [request.seeded(seed) for seed in range(1, seeds + 1)]
    if restart_from is not None:
        check_stage_name([one.folder for one in requests], restart_from)
    again = _Again(restart or restart_from is not None, restart_from)
    work = _Work(again, _store_of(request), device, processes, end)
    if again.all and not work.store.shared:
        work.store.forget_all(BUDGET)  # before the first run: all seeds have the same student
    with lost_processes_as_resource_error(), work.owning(request.folder):
        metrics = [
            _one_run(one, work) if one is request else _one_of_several(one, work.first_of(len(requests) - number))
            for number, one in enumerate(requests)
        ]
        if processes.rank == 0:
            _tidy(request, work.store)
            if seeds is not None:
                return _summary(request.folder, [one.folder for one in requests])
    return metrics[0]


@dataclass(frozen=True)
class _Again:
    """Whether stages are to be forgotten, and from which on; None = all."""

    wanted: bool
    stage: str | None

    @property
    def all(self) -> bool:
        """Whether nothing of before is used."""
        return self.wanted and self.stage is None


@dataclass(frozen=True)
class _Work:
    """What all runs of one command share."""

    again: _Again
    store: Store
    device: torch.device
    processes: Processes
    end: float | None = None

    def first_of(self, runs: int) -> "_Work":
        """The same for the next one of so many runs, which share the time that is left."""
        now = time.monotonic()
        return self if self.end is None else replace(self, end=now + (self.end - now) / runs)

    def owning(self, folder: Path) -> AbstractContextManager[None]:
        """Own a folder; the first process does it for all."""
        return locked(folder) if self.processes.rank == 0 else nullcontext()


def _store_of(request: Request) -> Store:
    """Where the artifacts of a command lie: where `run.store` says, with its output, or with that of its seeds."""
    if (outside := request.settings.run.store) is not None:
        return Store(Path(outside), shared=True)
    of_seeds = Store(request.folder.parent / "stages", shared=True)
    begun = (of_seeds.recorded(step.name, step.key) for step in Record(request.folder).steps)
    return of_seeds if any(artifact.folder.exists() for artifact in begun) else Store(request.folder / "stages")


def _tidy(request: Request, store: Store) -> None:
    """Remove what nobody needs when a command has ended; seeds that this one did not ask for keep what is theirs."""
    if request.settings.run.keep == "student":
        files.remove(request.folder / "stages", ignore_errors=True)
    else:
        runs = (request.folder, *request.folder.glob("seed-*"))
        named = {store.recorded(s.name, key).folder.name for run in runs for s in Record(run).steps for key in s.keys}
        store.tidy(named, passing={OUTPUTS, VECTORS})


def _summary(folder: Path, runs: Sequence[Path]) -> dict[str, Any]:
    """Mean, deviation and interval over seeds, and a report that compares them."""
    summary = aggregate(runs)
    files.write_json(folder / "metrics.json", summary)
    render(runs, folder / "report.html")
    return summary


def _one_of_several(request: Request, work: _Work) -> dict[str, Any]:
    """The run of one seed; somebody may be at work on it alone."""
    with work.owning(request.folder):
        return _one_run(request, work)


def _one_run(request: Request, work: _Work) -> dict[str, Any]:
    if not work.again.all:
        check_version(request.folder)
    run = _begin(request, work)
    run.wait()  # until the first process owns the folder
    with run.listening():
        check_networks(request)
        job = read(request, run)
        request = with_student(request, job, run, anew=work.again.all)
        run.config = _config(request)
        if not work.again.wanted and (found := kept_result(run, job)) is not None:
            run.wait()  # until all have compared
            return found
        if work.again.wanted and run.is_main:  # not before: a slip of the pen must not cost what is there
            forget_steps(request.folder, run.store, work.again.stage, SHOWN)
        if work.end is not None:
            run.deadline = planned_deadline(work.end, partial(distilled, request, job), job, run)
        if request.choice is not None and run.is_main:
            run.record.note(BUDGET, request.choice)
            _write_config(request)
        run.wait()
        outcome = distilled(request, job, run)
        metrics = {}
        if run.is_main:
            _write_config(request)  # again: settings that touch no stage may have changed since the run began
            metrics = _finish(request, job, outcome, run)
        run.wait()
    if run.is_main and run.settings.keep == "student":
        keep_only_the_student(run, job)
    run.log.say(f"done: {request.folder / 'report.html'}")
    return metrics


def check_networks(request: Request) -> tuple[Shape | None, Shape]:
    """The sizes of teacher and student, which are looked at before any data: reading a corpus may take an hour.

    Raises:
        UserError: One line for each reason why they cannot learn, or cannot read what they are to.
    """
    settings, problems = request.settings, list[str]()
    with collecting(problems):
        if general_within(settings) is not None:
            check_fit(settings)
        if not settings.reads_text:
            check_max_length(settings)
    with collecting(problems):
        found = shapes(settings, needs_teacher=request.needs_teacher)
    if problems:
        raise UserError(*dict.fromkeys(problems))
    return found


def read(request: Request, run: Run) -> Any:
    """A task with its data, or plain text: whatever the recipe works on.

    Raises:
        UserError: If it cannot be read, or not be learnt from by this recipe.
    """
    settings, data, needs_teacher = request.settings, request.data, request.needs_teacher
    if settings.reads_text:
        return read_plain_text(data["train"], data["dev"], settings, run)
    job = read_job(settings, request.tables, run, needs_teacher=needs_teacher)
    request.recipe.check_task(job.task)
    if settings.export.threshold is not None and not job.task.has_thresholds:
        raise UserError("export.threshold: only of two classes, or of several labels a text; leave it out")
    if isinstance(most := settings.student.vocabulary, int):
        check_room(job.tokenizer, most)
    check_heads(settings, job.task, needs_teacher=needs_teacher)
    if general_within(settings) is not None:
        job = replace(job, plain_text=read_plain_text(data["unlabeled"], None, settings, run, "unlabeled"))
    if (groups := settings.augmenting()) is not None:
        check_possible(groups, job.task, settings.mlm, settings.vectors)
        for line in doubts(groups, job.splits.train):
            run.log.say(line)
    return job


def distilled(request: Request, job: Any, run: Run) -> Outcome:
    """What the recipe ends with, after the stage `qat` where that is wanted."""
    settings = request.settings
    outcome: Outcome = request.recipe.distill(job, settings, run)
    if not settings.reads_text and settings.export.qat:
        learn_rounding(job, outcome, settings.export, settings.teacher, run)
    return outcome


def _finish(request: Request, job: Any, outcome: Outcome, run: Run) -> dict[str, Any]:
    if request.choice is not None:
        outcome = replace(outcome, figures={**outcome.figures, BUDGET: request.choice})
    scores = request.settings.teacher_scores
    teacher = request.settings.teacher.path if scores is None else f"scores in {Path(scores).name}"
    about = About(request.recipe.name, request.recipe.citation, request.preset, teacher)
    if request.settings.reads_text:
        return finish_general(job, outcome, about, run)
    settings = request.settings
    return finish(_with_portable_notes(job, request), outcome, about, run, settings.export, settings.student.vocabulary)


def _begin(request: Request, work: _Work) -> Run:
    """The run of a request, its settings and machine noted in its folder."""
    settings, processes = request.settings, work.processes
    request.folder.mkdir(parents=True, exist_ok=True)
    board = request.folder / "tensorboard" if settings.run.tensorboard else None
    log = Log(request.folder / "metrics.jsonl", silent=processes.rank > 0, board=board)
    machine = (work.device, log, _config(request), work.store, processes.rank, processes.world)
    run = Run(request.folder, settings.seed, settings.run, *machine)
    where = f"{work.device}, {processes.world} processes" if processes.world > 1 else str(work.device)
    log.say(f"{request.recipe.name}, preset {request.preset}, seed {settings.seed}, on {where}, in {request.folder}")
    if run.is_main:
        files.write_json(request.folder / "environment.json", description(work.device, processes))
        if not (request.folder / CONFIG).exists():
            _write_config(request)
    return run


def _config(request: Request) -> dict[str, Any]:
    """All settings of a run by dotted name, but how it is carried out."""
    return {key: value for key, value in by_name(request.portable()).items() if not key.startswith("run.")}


def _write_config(request: Request) -> None:
    found = {"preset": request.preset, **without_unread(request.portable(), request.settings)}
    found.pop("output")
    files.write_text(request.folder / CONFIG, dump_yaml(found))


def _with_portable_notes(job: Job, request: Request) -> Job:
    """Notes begin with the file they are about; what the run leaves must not say where on the disk that was."""
    names = {path: files.seen_from(request.folder, path) for role in FILES if (path := getattr(request.settings, role))}
    notes = [
        next((f"{new}{note[len(old) :]}" for old, new in names.items() if note.startswith(f"{old}: ")), note)
        for note in job.splits.notes
    ]
    return replace(job, splits=replace(job.splits, notes=tuple(notes)))
