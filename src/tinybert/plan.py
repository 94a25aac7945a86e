"""What a run would do, and whether it could: everything that `--dry-run` checks. Nothing is trained or written."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch

from tinybert.data.encode import encode
from tinybert.data.encoded import EncodedRows
from tinybert.data.hub import PREFIX
from tinybert.data.task import Splits, load
from tinybert.errors import UserError
from tinybert.folders import refuse_foreign
from tinybert.launch import FILES, Order
from tinybert.machine import choose_device
from tinybert.models.embedded import EMBEDDED
from tinybert.models.heads import has_task_head
from tinybert.models.hf import Shape, longest_input, shape_of
from tinybert.models.loading import load_config, load_tokenizer
from tinybert.stages.augmenting.methods import METHODS, copies_of, refuse_impossible
from tinybert.stages.augmenting.settings import AugmentGroups, AugmentingFlags
from tinybert.stages.length import stretched
from tinybert.stages.reading import teacher_classes, vocabulary_of
from tinybert.stages.shapes import shapes
from tinybert.types import Stage

BYTES_PER_WEIGHT = 16  # weight, gradient and two moments of AdamW, fp32
QUICK_COPIES = 3000  # a second that a method without a network makes on one core, at least
EFFICIENCY = 0.4  # share of a large matrix product's speed that a training step reaches; measured on small students


def plan(asked: Order) -> dict[str, Any]:
    """Check data, labels, lengths, vocabulary, heads, layers, disk and memory; estimate the time.

    Raises:
        UserError: One line per problem.
    """
    problems: list[str] = []
    result: dict[str, Any] = {"recipe": asked.recipe, "preset": asked.preset}
    with _collecting(problems):
        choose_device(asked.settings.device)
    with _collecting(problems):
        refuse_foreign(asked.folder)
    with _collecting(problems):
        _refuse_longer(asked)
    with _collecting(problems):
        teacher, student = shapes(asked.settings, needs_teacher=asked.what.needs_teacher)
        result |= {"teacher": _sizes(teacher), "student": _sizes(student)}
    with _collecting(problems):
        _refuse_missing(asked)
        splits, lengths = _data(asked)
        if isinstance(asked.settings, AugmentingFlags):
            refuse_impossible(asked.settings, splits.task, asked.settings.mlm, asked.settings.vectors)
        result["rows"] = {name: len(part) for name, part in _parts(splits).items()}
        result["notes"] = list(splits.notes)
    if problems:
        raise UserError(*dict.fromkeys(problems))
    copies = _copies(asked, len(lengths))
    if copies:
        method = asked.settings.augment.method
        result["augmentation"] = {"method": method, "copies": copies, "rows_at_most": len(lengths) * (1 + copies)}
    result["stages"] = list(_stages(asked, teacher, student, lengths, copies))
    result["runs"] = asked.settings.seeds or 1
    result["seconds"] = result["runs"] * round(sum(stage["seconds"] for stage in result["stages"]))
    result |= _room(asked, teacher, student)
    return result


@contextmanager
def _collecting(problems: list[str]) -> Iterator[None]:
    try:
        yield
    except UserError as error:
        problems.extend(error.problems)


def _refuse_longer(asked: Order) -> None:
    longest, room = asked.settings.data.max_length, longest_input(load_config(vocabulary_of(asked.settings)))
    if longest > room:
        raise UserError(f"data.max_length: {longest} pieces, but the model reads at most {room}")


def _refuse_missing(asked: Order) -> None:
    """All missing files at once; what is wrong inside of one is found later."""
    named = [source for role in FILES if isinstance(source := asked.data[role], str) and not source.startswith(PREFIX)]
    if missing := [source for source in named if not Path(source).exists()]:
        raise UserError(*(f"{source}: no such file" for source in missing))


def _data(asked: Order) -> tuple[Splits, np.ndarray]:
    """The splits, and the lengths of the training rows in pieces."""
    settings = asked.settings
    splits = load(
        asked.data["train"],
        asked.data["dev"],
        asked.data["test"],
        settings.data,
        kind=settings.kind,
        head_classes=teacher_classes(settings, needs_teacher=asked.what.needs_teacher),
        rng=lambda _: np.random.default_rng(0),
        rejected_to=None,
    )
    tokenizer = load_tokenizer(vocabulary_of(settings))
    with tempfile.TemporaryDirectory(prefix="tinybert-") as folder:
        rows: EncodedRows = encode(splits.train, tokenizer, settings.data.max_length, Path(folder) / "rows.arrow")
        return splits, np.array(rows.lengths)


def _parts(splits: Splits) -> dict[str, Any]:
    return {"train": splits.train, "dev": splits.dev} | ({} if splits.test is None else {"test": splits.test})


def _copies(asked: Order, rows: int) -> int:
    """Of each row; 0 where nothing is augmented."""
    settings = asked.settings
    if not isinstance(settings, AugmentingFlags) or settings.augment.method == "none":
        return 0
    return copies_of(settings, rows)


def _stages(
    asked: Order, teacher: Shape | None, student: Shape, originals: np.ndarray, copies: int
) -> Iterator[dict[str, Any]]:
    """Augmentation and each training of the recipe with its updates and a guess at its time."""
    if copies:
        yield _augmentation(asked, originals, copies)
    speed = _operations_per_second(asked)
    trains_teacher = teacher is not None and asked.what.needs_teacher and not has_task_head(asked.settings.teacher.path)
    learnt = np.repeat(originals, 1 + copies)
    of_augmentation = {field.name for field in fields(AugmentGroups)}
    for field in fields(asked.settings):
        stage = getattr(asked.settings, field.name)
        if not isinstance(stage, Stage) or field.name in of_augmentation:
            continue
        of_teacher = field.name == "fine_tune" and asked.what.needs_teacher
        if of_teacher and not trains_teacher:
            continue
        network = teacher if of_teacher and teacher is not None else student
        lengths = originals if of_teacher else learnt
        stage = stretched(stage, len(lengths))
        work = 6.0 * _weights(network)  # two operations per weight and piece forward, four backward
        if teacher is not None and asked.what.needs_teacher and not of_teacher:
            work += 2.0 * _weights(teacher) / (stage.epochs or 1)  # once; its outputs are stored
        whole = -(-len(lengths) // stage.batch_size) * (stage.epochs or 1)
        updates = min(whole, stage.max_steps or whole)
        seconds = work * float(lengths.sum()) * (stage.epochs or 1) * updates / whole / speed
        yield {"name": "teacher" if of_teacher else field.name, "updates": updates, "seconds": round(seconds)}


def _augmentation(asked: Order, lengths: np.ndarray, copies: int) -> dict[str, Any]:
    """What a masked LM has to do by the settings; methods without one are quick whatever they do."""
    settings, speed = asked.settings, _operations_per_second(asked)
    method, pieces = settings.augment.method, float(lengths.sum())
    seconds = len(lengths) * copies / QUICK_COPIES
    if "mlm" in METHODS[method].uses:
        forward = 2.0 * _weights(shape_of(load_config(settings.mlm or EMBEDDED)))
        passes = {"original": 1.0, "progressive": copies * settings.augment.probability}
        work = forward * pieces * copies
        if method == "bert_glove":  # a pass for each word that is looked at
            work = forward * float((lengths.astype(float) ** 2).sum()) * passes[settings.augment.context]
            work /= settings.augment.group_positions
        if method == "cbert":
            work += 3 * forward * pieces * (settings.cbert.epochs or settings.cbert.usual_epochs)
        if settings.augment.adapt:
            work += 3 * forward * pieces * (settings.masked_lm.epochs or settings.masked_lm.usual_epochs)
        seconds += work / speed
    return {"name": "augment", "updates": 0, "seconds": round(seconds)}


def _weights(shape: Shape) -> int:
    """Weights that multiply every piece: attention and feed-forward, without the embeddings, which are looked up."""
    return shape.layers * (4 * shape.width**2 + 2 * shape.width * shape.inner)


def _operations_per_second(asked: Order) -> float:
    """What this machine reaches in a matrix product of a student's size, times what training makes of it."""
    device = choose_device(asked.settings.device)
    left, right = torch.randn(1024, 312, device=device), torch.randn(312, 1200, device=device)
    (left @ right).sum().item()
    started, times = time.perf_counter(), 20
    for _ in range(times):
        product = left @ right
    product.sum().item()
    return EFFICIENCY * 2 * 1024 * 312 * 1200 * times / (time.perf_counter() - started)


def _room(asked: Order, teacher: Shape | None, student: Shape) -> dict[str, Any]:
    """Memory and disk: what is needed at most, and what there is."""
    vocabulary = load_config(vocabulary_of(asked.settings)).vocab_size
    weights = sum(_weights(shape) + vocabulary * shape.width for shape in (teacher, student) if shape is not None)
    folder = next(path for path in (asked.folder, *asked.folder.absolute().parents) if path.exists())
    needed, free = BYTES_PER_WEIGHT * weights, shutil.disk_usage(folder).free
    memory = psutil.virtual_memory().available
    problems = []
    if free < 3 * needed:  # two checkpoints and the one being written
        problems.append(f"--output {asked.folder}: {3 * needed / 1e9:.1f} GB needed, {free / 1e9:.1f} GB free")
    if memory < 2 * needed:
        problems.append(f"memory: about {2 * needed / 1e9:.1f} GB needed, {memory / 1e9:.1f} GB free")
    if problems:
        raise UserError(*problems)
    return {"disk_mb": round(3 * needed / 1e6), "memory_mb": round(2 * needed / 1e6)}


def _sizes(shape: Shape | None) -> dict[str, int] | None:
    if shape is None:
        return None
    return {"layers": shape.layers, "width": shape.width, "heads": shape.heads, "inner": shape.inner}
