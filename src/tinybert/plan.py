"""What a run would do, and whether it could: everything that `--dry-run` checks. Nothing is trained or written."""

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from tinybert.augment.settings import AugmentGroups
from tinybert.augment.validation import check_possible, doubts
from tinybert.config import unread_keys
from tinybert.data.corpus.texts import size_of, texts_of
from tinybert.data.encode import encode
from tinybert.data.encoded import EncodedRows, unknown_notes
from tinybert.data.examples import Examples
from tinybert.data.hub import PREFIX
from tinybert.data.source_domain import SourceDomain
from tinybert.errors import UserError
from tinybert.families.network import Shape
from tinybert.folders import check_run_folder
from tinybert.launch import FILES, Request
from tinybert.machine import choose_device
from tinybert.models.heads import has_task_head
from tinybert.models.loading import load_config, load_tokenizer
from tinybert.stages.estimates import Clock, weights_of
from tinybert.stages.fine_tune import labelled_source
from tinybert.stages.general.reading import check_fit, corpus_column
from tinybert.stages.general.settings import GeneralSettings, general_within
from tinybert.stages.reading import check_max_length, read_splits, vocabulary_of
from tinybert.stages.shapes import check_heads, shapes
from tinybert.tasks.load import Splits
from tinybert.types import Stage

LOOKED_AT = 5_000_000  # bytes of plain text that are read to plan with
BYTES_PER_PIECE = 4  # of a packed corpus, at most
BYTES_PER_PIECE_OF_A_COPY = 12  # encoded, and as text
BYTES_LEFT_PER_WEIGHT = 24  # results of stages, teacher, student and exports
BYTES_PER_WEIGHT = 16  # weight, gradient and two moments of AdamW, fp32


def plan(request: Request) -> dict[str, Any]:
    """Check data, labels, lengths, vocabulary, heads, layers, disk and memory; estimate the time.

    Raises:
        UserError: One line per problem.
    """
    problems: list[str] = []
    result: dict[str, Any] = {"recipe": request.recipe.name, "preset": request.preset}
    with _collecting(problems):
        choose_device(request.settings.device)
    with _collecting(problems):
        check_run_folder(request.folder)
    with _collecting(problems):
        _check_fit(request)
    teacher, student = None, None
    with _collecting(problems):
        teacher, student = shapes(request.settings, needs_teacher=request.recipe.needs_teacher)
        result |= {"teacher": _sizes(teacher), "student": _sizes(student)}
    with _collecting(problems):
        _check_given(request)
        result |= (
            _on_text(request, teacher, student)
            if request.recipe.reads == "text"
            else _on_task(request, teacher, student)
        )
    if problems:
        raise UserError(*dict.fromkeys(problems))
    result["runs"] = request.settings.seeds or 1
    result["seconds"] = result["runs"] * round(sum(stage["seconds"] for stage in result["stages"]))
    result |= _room(request, teacher, student, result)
    return result


def _on_task(request: Request, teacher: Shape | None, student: Shape | None) -> dict[str, Any]:
    """Rows, notes, augmentation and trainings of a recipe for a task."""
    settings, groups = request.settings, request.settings.augmenting()
    splits = _data(request)
    request.recipe.check_task(splits.task)
    check_heads(settings, splits.task, needs_teacher=request.recipe.needs_teacher)
    clock = _clock(request)
    encoded = {name: _encoded(part, settings) for name, part in _parts(splits).items()}
    lengths, source = (encoded[name][0] if name in encoded else np.zeros(0, np.int32) for name in ("train", "source"))
    unknown = {name: share for name, (_, share) in encoded.items()}
    fine_tuned = _fine_tuned(request, splits.source, lengths, source)
    result: dict[str, Any] = {"rows": {name: len(part) for name, part in _parts(splits).items()}}
    result["unknown_pieces"] = unknown
    result["notes"] = [*splits.notes, *unknown_notes(unknown)]
    learnt, stages = lengths, []
    if (general := general_within(settings)) is not None:
        result["text"] = _text(request, "unlabeled", general)
        if teacher is not None and student is not None:
            stages.append(clock.general(general, result["text"]["blocks"], teacher, student))
    if groups is not None:
        check_possible(groups, splits.task, settings.mlm, settings.vectors)
        result["notes"] += doubts(groups, splits.train)
    if groups is not None and groups.augment.method != "none":
        copies = groups.augment.copies_of(len(lengths))
        learnt = np.repeat(lengths, 1 + copies)
        most = {"rows_at_most": len(learnt), "pieces_at_most": int(learnt.sum())}
        result["augmentation"] = {"method": groups.augment.method, "copies": copies, **most}
        stages.append(clock.augmentation(groups, settings.mlm, lengths, copies))
    if "unlabeled" in encoded and settings.needs_labels() is None:
        learnt = np.concatenate([learnt, encoded["unlabeled"][0]])
    if student is not None:
        stages += _stages(request, clock, teacher, student, settings.epoch_of(learnt, source), fine_tuned)
    return {**result, "stages": stages}


def _on_text(request: Request, teacher: Shape | None, student: Shape | None) -> dict[str, Any]:
    """Text and the one training of a recipe on plain text."""
    settings = request.settings.general
    text = _text(request, "train", settings)
    if student is None or teacher is None:
        return {"text": text, "stages": []}
    learnt = text["blocks"] - (settings.set_aside(text["blocks"]) if request.data["dev"] is None else 0)
    return {"text": text, "stages": [_clock(request).general(settings, learnt, teacher, student)]}


def _text(request: Request, role: str, settings: GeneralSettings) -> dict[str, Any]:
    """How much plain text there is; of much text the beginning is counted, and the whole guessed by its size."""
    tokenizer, source = load_tokenizer(request.settings.teacher.path), request.data[role]
    size, pieces = 0, 0
    for text in texts_of(source, corpus_column(request.settings), role):
        size += len(text.encode())
        pieces += len(tokenizer.backend_tokenizer.encode(text, add_special_tokens=False).ids)
        if size >= LOOKED_AT:
            pieces = round(pieces * max((size_of(source) or size) / size, 1))
            break
    if (blocks := pieces // (settings.block_length - tokenizer.num_special_tokens_to_add())) < 2:
        raise UserError(f"{role}: {pieces} pieces fill less than two blocks of {settings.block_length}; give more text")
    return {"looked_at_mb": round(size / 1e6, 1), "to_its_end": size < LOOKED_AT, "blocks": blocks}


@contextmanager
def _collecting(problems: list[str]) -> Iterator[None]:
    try:
        yield
    except UserError as error:
        problems.extend(error.problems)


def _check_fit(request: Request) -> None:
    """Rows or blocks that are longer than what the network reads, and what else the networks do not allow."""
    settings = request.settings
    if request.recipe.reads == "text" or general_within(settings) is not None:
        check_fit(settings)
    if request.recipe.reads == "task":
        check_max_length(settings)


def _check_given(request: Request) -> None:
    """All missing files at once; what is wrong inside of one is found later."""
    named = [
        source for role in FILES if isinstance(source := request.data[role], str) and not source.startswith(PREFIX)
    ]
    if missing := [source for source in named if not Path(source).exists()]:
        raise UserError(*(f"{source}: no such file" for source in missing))


def _data(request: Request) -> Splits:
    """The splits, as much of the source as is used."""
    settings = request.settings
    needs_teacher = request.recipe.needs_teacher
    splits = read_splits(
        settings, request.tables, lambda _: np.random.default_rng(0), None, needs_teacher=needs_teacher
    )
    return replace(splits, source=settings.used_source(splits.source, np.random.default_rng(0)))


def _fine_tuned(
    request: Request, source: SourceDomain | None, target: np.ndarray, lengths: np.ndarray
) -> Mapping[str, np.ndarray]:
    """By stage, the lengths of the rows that are fine-tuned on, out of all of both domains; empty where nothing is."""
    name = "teacher" if request.recipe.needs_teacher else "fine_tune"
    if request.recipe.needs_teacher and has_task_head(request.settings.teacher.path):
        return {}
    domains = request.settings.domains(source)
    labelled = labelled_source(source, domains)
    if source is None or labelled is None:
        return {name: target}
    lengths = lengths[np.isin(source.texts.rows, labelled.rows)]
    both = {f"{name}_source": lengths, name: target}
    return {name: np.concatenate([target, lengths])} if domains == "joint" else both


def _encoded(part: Examples | SourceDomain, settings: Any) -> tuple[np.ndarray, float]:
    """How many pieces each row has, and the share of unknown ones."""
    examples = part.texts if isinstance(part, SourceDomain) else part
    tokenizer = load_tokenizer(vocabulary_of(settings))
    with tempfile.TemporaryDirectory(prefix="tinybert-") as folder:
        rows: EncodedRows = encode(examples, tokenizer, settings.data.max_length, Path(folder) / "rows.arrow")
        return np.array(rows.lengths), rows.unknown


def _parts(splits: Splits) -> dict[str, Any]:
    parts = {"train": splits.train, "dev": splits.dev, "test": splits.test, "source": splits.source}
    parts |= {"unlabeled": splits.unlabeled}
    return {name: part for name, part in parts.items() if part is not None}


def _stages(
    request: Request,
    clock: Clock,
    teacher: Shape | None,
    student: Shape,
    learnt: np.ndarray,
    fine_tuned: Mapping[str, np.ndarray],
) -> Iterator[dict[str, Any]]:
    """Each training of the recipe with its updates and a guess at its time."""
    learner = teacher if request.recipe.needs_teacher and teacher is not None else student
    left_out = {field.name for field in fields(AugmentGroups)} | {
        path[0] for path, _ in unread_keys(request.settings) if len(path) == 1
    }
    for field in fields(request.settings):
        stage = getattr(request.settings, field.name)
        if not isinstance(stage, Stage) or isinstance(stage, GeneralSettings) or field.name in left_out:
            continue
        if field.name == "fine_tune":
            for name, lengths in fine_tuned.items():
                yield clock.training(name, stage, lengths, learner, None)
        else:
            yield clock.training(field.name, stage, learnt, student, teacher)


def _clock(request: Request) -> Clock:
    return Clock.of(choose_device(request.settings.device))


def _room(request: Request, teacher: Shape | None, student: Shape | None, result: Mapping[str, Any]) -> dict[str, Any]:
    """Memory and disk: what is needed at most, and what there is; stored teacher outputs never fill the disk."""
    vocabulary = load_config(vocabulary_of(request.settings)).vocab_size
    weights = sum(weights_of(shape) + vocabulary * shape.width for shape in (teacher, student) if shape is not None)
    folder = next(path for path in (request.folder, *request.folder.absolute().parents) if path.exists())
    needed, free = BYTES_PER_WEIGHT * weights, shutil.disk_usage(folder).free
    memory = psutil.virtual_memory().available
    left = result["runs"] * (BYTES_LEFT_PER_WEIGHT * weights + _bytes_of_copies(result))
    disk = 3 * needed + left + _bytes_of_text(request, result)  # two checkpoints and the one being written
    problems = []
    if free < disk:
        problems.append(f"--output {request.folder}: {disk / 1e9:.1f} GB needed, {free / 1e9:.1f} GB free")
    if memory < 2 * needed:
        problems.append(f"memory: about {2 * needed / 1e9:.1f} GB needed, {memory / 1e9:.1f} GB free")
    if problems:
        raise UserError(*problems)
    return {"disk_mb": round(disk / 1e6), "memory_mb": round(2 * needed / 1e6)}


def _bytes_of_copies(result: Mapping[str, Any]) -> int:
    """Of augmented rows, which each run makes for itself."""
    return result["augmentation"]["pieces_at_most"] * BYTES_PER_PIECE_OF_A_COPY if "augmentation" in result else 0


def _bytes_of_text(request: Request, result: Mapping[str, Any]) -> int:
    """Of a packed corpus, which all runs share."""
    return result["text"]["blocks"] * request.settings.general.block_length * BYTES_PER_PIECE if "text" in result else 0


def _sizes(shape: Shape | None) -> dict[str, int] | None:
    if shape is None:
        return None
    return {"layers": shape.layers, "width": shape.width, "heads": shape.heads, "inner": shape.inner}
