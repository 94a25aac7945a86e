"""From `tinybert augment` to a file: settings, data, copies, what the teacher says, how good it all is.

Unfinished work lies in a folder beside the output, which goes when the output is there. What the output was made from
is noted in a file beside it, so that the same command again knows whether there is anything to do.
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import torch

from tinybert import files
from tinybert.artifacts import by_name
from tinybert.augment.making import make_copies
from tinybert.augment.method import AugmentContext
from tinybert.augment.methods import METHODS
from tinybert.augment.quality import quality
from tinybert.augment.settings import AugmentGroups
from tinybert.augment.validation import check_possible, doubts, unsuitable
from tinybert.config import FILE, MODEL, resolve
from tinybert.data.encode import Encoder
from tinybert.data.examples import Examples
from tinybert.data.read import path_of
from tinybert.data.settings import DataSettings
from tinybert.errors import UserError
from tinybert.folders import locked
from tinybert.log import Log
from tinybert.machine import choose_device, prepare
from tinybert.models.heads import has_task_head
from tinybert.models.loading import Loaded, load_classifier, load_config, load_tokenizer
from tinybert.run import Run, RunSettings
from tinybert.stages.augment import MASK, FlipFilter, factory_of, inputs_of
from tinybert.stages.common_settings import split_data
from tinybert.stages.reading import read_unlabeled
from tinybert.tasks.base import Task
from tinybert.tasks.read import load_labelled, task_of
from tinybert.tasks.rewrite import check_target, rewrite
from tinybert.types import Kind

PRESETS = "augment"  # where they lie
_FILES = ("train", "unlabeled")
_PLACES = (*_FILES, "output", "device", "mlm", "vectors", "teacher")  # known by their contents instead


@dataclass(frozen=True, kw_only=True)
class Config(AugmentGroups):
    """Settings of the command.

    Attributes:
        train: Labelled data to rewrite.
        output: The file that originals and copies are written to.
        mlm: A masked LM.
        vectors: Word vectors.
        teacher: A classifier that says which copies it takes for another class.
        unlabeled: Texts without labels, to adapt the masked LM to.
        kind: Of the task; None = by the file and its labels.
        copies: Of each row; None = what `augment.copies` says.
        seed: Root of all random streams.
        device: Where networks run; None = the best there is.
    """

    train: Annotated[str | None, FILE] = None
    output: Annotated[str | None, FILE] = None
    mlm: Annotated[str | None, MODEL] = None
    vectors: Annotated[str | None, FILE] = None
    teacher: Annotated[str | None, MODEL] = None
    unlabeled: Annotated[str | None, FILE] = None
    kind: Kind | None = None
    copies: int | None = None
    seed: int = 0
    device: str | None = None
    data: DataSettings = field(default_factory=DataSettings)
    run: RunSettings = field(default_factory=RunSettings)

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if self.copies is not None and self.copies < 1:
            raise ValueError(f"copies must be at least 1, got {self.copies}")
        if self.seed < 0:
            raise ValueError(f"seed must not be negative, got {self.seed}")


@dataclass(frozen=True)
class AugmentRequest:
    """What was asked for, checked.

    Attributes:
        settings: All of them, flags included.
        preset: The preset they were laid over.
        train: The data: a path, or what Python handed over.
        unlabeled: Further texts, in the same way; None = there are none.
    """

    settings: Config
    preset: str
    train: Any
    unlabeled: Any

    @property
    def target(self) -> Path:
        """The file to write."""
        return Path(str(self.settings.output))

    @property
    def note(self) -> Path:
        """What says how the file was made, and how good it is."""
        return self.target.with_name(f"{self.target.name}.quality.json")

    @property
    def rejected(self) -> Path:
        """Rows that `data.skip_bad` put aside."""
        return self.target.with_name(f"{self.target.name}.rejected.jsonl")

    @property
    def work(self) -> Path:
        """Where unfinished work lies."""
        return self.target.with_name(f"{self.target.name}.work")


def request_for(
    method: str, *, flags: Mapping[str, Any], config: Any, settings: Mapping[str, Any], overrides: Sequence[str]
) -> AugmentRequest:
    """Check what was asked for.

    Args:
        method: Its name.
        flags: By name; None where not given. Data may be objects instead of paths.
        config: A preset's name or a YAML file.
        settings: Keywords of the Python face.
        overrides: `key=value`, as behind `--set`.

    Raises:
        UserError: One line per problem.
    """
    if method not in METHODS:
        raise UserError(f"there is no method {method!r}; there are {', '.join(METHODS)}")
    plain, in_memory = split_data(flags, _FILES)
    given = {**plain, "augment": {"method": method}}
    resolved = resolve(Config, PRESETS, config=config, flags=given, settings=settings, overrides=overrides)
    found = resolved.settings
    if found.copies is not None:
        found = replace(found, augment=replace(found.augment, copies=found.copies))
    data = {name: in_memory.get(name, getattr(found, name)) for name in _FILES}
    _check(found, method)
    return AugmentRequest(found, resolved.preset, data["train"], data["unlabeled"])


def augment(request: AugmentRequest, *, restart: bool = False) -> dict[str, Any]:
    """Carry out a request.

    Args:
        request: See there.
        restart: Forget what was begun, and replace what was finished.

    Returns:
        `output`, `written` (rows), and the figures of `quality`.

    Raises:
        UserError: If something about the input is wrong, or the output was made from something else.
    """
    settings, target = request.settings, request.target
    device = choose_device(settings.device)
    prepare(settings.run.threads, settings.run.deterministic)
    check_target(request.train, settings.data, settings.kind, target)
    if target.exists() and not request.note.exists() and not (request.work / "stages").exists():
        raise UserError(f"--output {target}: is there already, and not made by this command; name another file")
    with locked(request.work):
        stages = request.work / "stages"
        if restart:
            shutil.rmtree(stages, ignore_errors=True)
        try:
            run = _begin(request, device)
            with run.listening():
                result = _carried_out(request, run, restart=restart)
        except UserError:
            if not stages.exists():  # nothing was begun
                shutil.rmtree(request.work)
            raise
        shutil.rmtree(request.work)
    return result


def _begin(request: AugmentRequest, device: torch.device) -> Run:
    settings, work, log = request.settings, request.work, Log(request.work / "metrics.jsonl")
    known = {key: value for key, value in by_name(settings).items() if key not in (*_PLACES, "copies")}
    config = {key: value for key, value in known.items() if not key.startswith("run.")}
    log.say(f"augment {settings.augment.method}, preset {request.preset}, seed {settings.seed}, to {request.target}")
    return Run(work, settings.seed, settings.run, device, log, config, by_step=False)


def _carried_out(request: AugmentRequest, run: Run, *, restart: bool) -> dict[str, Any]:
    settings = request.settings
    task, originals = _read(request, run)
    check_possible(settings, task, settings.mlm, settings.vectors)
    for line in doubts(settings, originals):
        run.log.say(line)
    teacher = None if settings.teacher is None else _teacher(settings.teacher, task)
    context = _context(request, task, originals)
    copies = settings.augment.copies_of(len(originals))
    inputs = {**inputs_of(context, copies, run.seed), **_digests(request, teacher)}
    if not restart and (found := _finished(request, inputs)) is not None:
        run.log.say(f"{request.target}: found finished, nothing to do")
        return found
    (request.work / "stages").mkdir(exist_ok=True)  # from here on the output is known to be ours without its note
    request.note.unlink(missing_ok=True)
    factory = factory_of(context, run)
    artifact = run.begin("augment", **inputs)
    left, flips = make_copies(originals, factory, copies, artifact, run), None
    if teacher is not None and settings.teacher is not None:
        longest = min(settings.data.max_length, teacher.model.longest)
        flip_filter = FlipFilter(
            teacher.model.to(run.device), Encoder(load_tokenizer(settings.teacher), longest), artifact, run
        )
        left, flips = flip_filter.apply(left, artifact.work / "rows.arrow", keep=settings.augment.keep_flipped)
    figures = quality(left, flips)
    run.log.say(f"augment: writing {request.target}")
    count = rewrite(request.train, settings.data, settings.kind, left.copies_only(), request.target, originals.rows)
    about = {"written": count, **figures, "made_from": inputs, "output": files.sha256_file(request.target)}
    files.write_sealed(request.note, about)
    return _result(request, about)


def _read(request: AugmentRequest, run: Run) -> tuple[Task, Examples]:
    settings = request.settings
    task, originals = load_labelled(request.train, settings.data, kind=settings.kind, rejected_to=request.rejected)
    for note in originals.notes:
        run.log.say(f"data: {note}")
    run.log.say(f"data: {len(originals):,} rows, {task.kind}")
    return task, originals


def _teacher(path: str, task: Task) -> Loaded:
    """The classifier that says which copies flip.

    Raises:
        UserError: If it is none, or there are no classes to flip.
    """
    if not task.can_flip:
        raise UserError(f"--teacher: says which copies change their class, and this is {task.kind}; leave it out")
    if not has_task_head(path) or not task_of(load_config(path), path, None, DataSettings()).can_flip:
        raise UserError(f"--teacher {path}: has no head that tells classes; give one that was fine-tuned")
    return load_classifier(path)


def _context(request: AugmentRequest, task: Task, originals: Examples) -> AugmentContext[Any]:
    settings = request.settings
    mask = None if settings.teacher is None else load_tokenizer(settings.teacher).mask_token
    unlabeled = read_unlabeled(request.unlabeled, settings.data, request.rejected)
    rest = (settings.mlm, settings.vectors, mask or MASK, settings.data.max_length)
    return settings.context(task, originals, unlabeled, *rest)


def _digests(request: AugmentRequest, teacher: Loaded | None) -> dict[str, Any]:
    """What the output depends on besides the copies: columns that only travel along, and the teacher."""
    path = path_of(request.train)
    return {
        "file": None if path is None else files.sha256_file(path),
        "teacher": None if teacher is None else teacher.digest,
    }


def _finished(request: AugmentRequest, inputs: Mapping[str, Any]) -> dict[str, Any] | None:
    """What there is to say of an output that is there already; None where there is none.

    Raises:
        UserError: If it was made from something else, or changed since.
    """
    about = files.found_sealed(request.note)
    if about is None or not request.target.exists():
        return None
    before, again = about["made_from"], "--restart makes it anew"
    if changed := sorted(key for key in {**before, **inputs} if before.get(key) != inputs.get(key)):
        raise UserError(f"{', '.join(changed)}: changed since {request.target} was made; {again}, or name another file")
    if about["output"] != files.sha256_file(request.target):
        raise UserError(f"{request.target}: was changed since it was made; {again}")
    return _result(request, about)


def _result(request: AugmentRequest, about: Mapping[str, Any]) -> dict[str, Any]:
    figures = {key: value for key, value in about.items() if key not in ("made_from", "output")}
    return {"output": str(request.target), **figures}


def _check(settings: Config, method: str) -> None:
    """What the schema cannot know."""
    problems = [f"--{name} is missing" for name in ("train", "output") if getattr(settings, name) is None]
    if (other := settings.augment.method) != method:
        problems.append(f"augment.method: {other}, but the command says {method}; leave one of them out")
    for name in ("per_class", "share", "drop_overlap"):
        if getattr(settings.data, name) != getattr(DataSettings(), name):
            problems.append(f"data.{name}: augment rewrites all rows; leave it out")
    if not settings.augment.keep_flipped and settings.teacher is None:
        problems.append("augment.keep_flipped=false: a teacher must say which copies flip; give --teacher")
    problems += unsuitable(settings, {name: getattr(settings, name) for name in ("mlm", "vectors", "unlabeled")})
    if problems:
        raise UserError(*problems)
