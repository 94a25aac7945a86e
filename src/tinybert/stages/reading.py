"""The data of a run: read, checked, split, encoded once."""

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from transformers import PreTrainedTokenizerFast

from tinybert import files
from tinybert.data.encode import Encoder, digest_of_tokenizer
from tinybert.data.encoded import EncodedRows, told_of_long, unknown_notes
from tinybert.data.examples import Examples
from tinybert.data.settings import DataSettings
from tinybert.data.windows import Windows, notes_on
from tinybert.engine.evaluate import student_logits
from tinybert.errors import UserError
from tinybert.families import longest_input
from tinybert.models.heads import has_task_head
from tinybert.models.loading import load_classifier, load_config, load_tokenizer, share_vocabulary
from tinybert.models.student import is_shape
from tinybert.run import Run
from tinybert.stages.job import Job
from tinybert.tasks.base import Task
from tinybert.tasks.load import Splits, load
from tinybert.tasks.read import load_texts, task_of

REJECTED = "rejected.jsonl"  # of a run: rows that data.skip_bad put aside
LABELS = "labels.json"
ROWS = "rows.arrow"  # of an artifact that holds encoded rows


def read_job(settings: Any, data: Mapping[str, Any], run: Run, *, needs_teacher: bool) -> Job:
    """Read, check and encode the data of a run.

    Args:
        settings: Of the recipe, flags included.
        data: By role: a path, or what Python handed over.
        run: Its streams decide every draw; its folder keeps the encoded rows.
        needs_teacher: Whether the teacher's head has a say in the order of the classes.

    Raises:
        UserError: If the data cannot be used.
    """
    rejected_to = run.folder / REJECTED if run.is_main else None  # all processes read the same rows
    splits = load(
        data["train"],
        data["dev"],
        data["test"],
        settings.data,
        kind=settings.kind,
        head_classes=teacher_classes(settings, needs_teacher=needs_teacher),
        rng=lambda name: run.rng("data", name),
        rejected_to=rejected_to,
        source=data["source"],
        unlabeled=data["unlabeled"],
        known=_task_of_teacher(settings) if data["train"] is None else None,
    )
    if data["teacher_scores"] is not None:
        splits = _with_scores(splits, data["teacher_scores"], settings.data)
    made, vocabulary = settings.student.tokenizer(splits.train), vocabulary_of(settings)
    encoder = encoder_of(settings, made or load_tokenizer(vocabulary))
    if not splits.dev.labelled and run.plan is None:
        splits = _labelled_by_teacher(splits, settings, encoder, run)
    for note in splits.notes:
        run.log.say(f"data: {note}")
    train, dev, test = rows_of(splits, encoder, run)
    shares = {"train": train.unknown, "dev": dev.unknown} | ({} if test is None else {"test": test.unknown})
    run.log.say(f"data: unknown pieces: {', '.join(f'{name} {share:.2%}' for name, share in shares.items())}")
    unknown = [] if made else unknown_notes(shares)  # rare words are no surprise where the vocabulary is that of train
    of_pieces = (*unknown, *(notes_on(encoder.tokenizer.backend_tokenizer) if splits.train.worded else ()))
    for note in of_pieces:
        run.log.say(f"data: {note}")
    splits = replace(splits, notes=(*splits.notes, *of_pieces))
    job = Job(splits, train, dev, test, encoder, splits.unlabeled, splits.source)
    teacher = settings.teacher.path
    return job if teacher is None or vocabulary == teacher else _also_as_teacher_reads(job, settings, run)


def _also_as_teacher_reads(job: Job, settings: Any, run: Run) -> Job:
    """The same with the rows as the teacher reads them, beside those of a student that has a vocabulary of its own.

    Raises:
        UserError: If answers are of pieces, not of whole texts.
    """
    if not job.head.of_texts:
        raise UserError(
            f"student: the vocabulary of {settings.student.path} is not the teacher's, and answers are of pieces "
            f"({job.task.kind}); take a student that shares it"
        )
    encoder = encoder_of(settings, load_tokenizer(settings.teacher.path))
    train, dev, test = rows_of(job.splits, encoder, run)
    return replace(job, of_teacher=replace(job, train=train, dev=dev, test=test, encoder=encoder))


def rows_of(splits: Splits, encoder: Encoder, run: Run) -> tuple[EncodedRows, EncodedRows, EncodedRows | None]:
    """The encoded rows of train, dev and test."""
    test = None if splits.test is None else encoded(splits.test, encoder, run)
    return encoded(splits.train, encoder, run), encoded(splits.dev, encoder, run), test


def _with_scores(splits: Splits, source: Any, settings: DataSettings) -> Splits:
    """The same with what a file says of each row of train.

    Raises:
        UserError: If it has not a row for each, or one cannot be used.
    """
    logits = splits.task.from_scores(source, settings.scores)
    if len(logits) != splits.total:
        name = source if isinstance(source, str) else "teacher_scores"
        raise UserError(f"{name}: {len(logits):,} rows of scores, but train has {splits.total:,}; give one beside each")
    return replace(splits, scores=logits[splits.train.rows - 1].astype(np.float32))


def _task_of_teacher(settings: Any) -> Task:
    """What a teacher with a head gives answers to; without labels nothing else says it.

    Raises:
        UserError: If it has no head.
    """
    path = settings.teacher.path
    if not has_task_head(path):
        raise UserError(
            f"--train is missing: {path} has no task head, so that nobody knows labels; give labelled texts, or a "
            "teacher with a head"
        )
    return task_of(load_config(path), path, settings.kind, settings.data)


def _labelled_by_teacher(splits: Splits, settings: Any, encoder: Encoder, run: Run) -> Splits:
    """The same with the teacher's answers for the labels of dev: what a student is chosen by where nobody gave any."""
    task, dev = splits.task, splits.dev
    teacher = load_classifier(settings.teacher.path, device=run.device).model
    rows = encoded(dev, encoder, run)

    def make(folder: Path) -> None:
        files.write_json(folder / LABELS, task.values(student_logits(teacher, rows, run), rows))

    # Kept, since the key of every later step has them: on another machine the last bits of logits may differ.
    artifact = run.stored("dev_labels", make, teacher=teacher, dev=rows, task=task)
    labels = files.read_json(artifact.result / LABELS)
    answered = (replace(example, label=task.restored(label)) for example, label in zip(dev, labels, strict=True))
    dev = Examples.of(answered, dev.ids if dev.asked else None)
    note = "dev: its labels are the teacher's own answers: figures on dev say how often the student agrees with it"
    return replace(splits, dev=dev, dev_labels="teacher", notes=(*splits.notes, note))


def check_max_length(settings: Any) -> None:
    """Refuse rows that are longer than what the network reads, before any is encoded.

    Raises:
        UserError: If `data.max_length` is.
    """
    if not settings.student.out_of_teacher:
        return
    checkpoints = filter(None, (vocabulary_of(settings), settings.teacher.path))
    check_room("data.max_length", settings.data.max_length, checkpoints, settings)


def check_room(key: str, length: int, checkpoints: Iterable[str], settings: Any) -> None:
    """Refuse texts that are longer than what one of some checkpoints reads, or a student cut out of the teacher.

    Raises:
        UserError: If they are; it begins with the key of the setting that says how long they are.
    """

    def rooms() -> Iterator[tuple[str, int]]:
        for path in dict.fromkeys(checkpoints):
            yield path, longest_input(load_config(path))
        student, teacher = settings.student, settings.teacher.path
        if teacher is not None and is_shape(student.path):
            yield student.path, student.longest(load_config(teacher))

    for path, room in rooms():
        if length > room:
            raise UserError(f"{key}: {length} pieces, but {path} reads at most {room}")


def read_unlabeled(source: Any, settings: DataSettings, rejected_to: Path | None) -> Examples | None:
    """Texts without labels, read after the others; None where none are given."""
    return None if source is None else load_texts(source, settings, "unlabeled", rejected_to)


def teacher_classes(settings: Any, *, needs_teacher: bool) -> tuple[str, ...] | None:
    """The classes of the teacher's head in order, placeholders such as LABEL_0 too; None where it has no say."""
    path = settings.teacher.path
    if not needs_teacher or not has_task_head(path):
        return None
    return task_of(load_config(path), path, None, DataSettings()).classes or None


def vocabulary_of(settings: Any) -> str:
    """The checkpoint whose tokenizer encodes what the student reads: the teacher, or the student by itself.

    That is, where there is no teacher, or the student is a checkpoint with another vocabulary.
    """
    student, teacher = settings.student.path, settings.teacher.path
    alone = teacher is None or (not is_shape(student) and not share_vocabulary(student, teacher))
    return str(student if alone else teacher)


def encoder_of(settings: Any, tokenizer: PreTrainedTokenizerFast) -> Encoder:
    """How the texts of a run become rows."""
    return Encoder(tokenizer, settings.data.max_length, Windows(settings.data.windows, settings.data.stride))


def encoded(examples: Examples, encoder: Encoder, run: Run) -> EncodedRows:
    """Encoded rows, found by content or made."""

    def make(folder: Path) -> None:
        started = time.monotonic()
        rows = encoder.encode(examples, folder / ROWS)
        longer = told_of_long(rows, len(examples), encoder.max_length)
        run.log.say(f"data: {len(rows):,} rows encoded in {time.monotonic() - started:.1f} s; {longer}")

    how = {"tokenizer": digest_of_tokenizer(encoder.tokenizer), **encoder.inputs}
    return EncodedRows.open(run.stored("rows", make, examples=examples, **how).result / ROWS, examples)
