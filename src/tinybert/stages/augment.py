"""The texts a student learns on: the task's own, rewritten ones where the recipe asks for them, and unlabelled ones."""

import shutil
from dataclasses import dataclass
from functools import reduce
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.special import softmax

from tinybert import files
from tinybert.artifacts import Artifact, by_name
from tinybert.augment.augmented_set import AugmentedSet, blocks, write_arrow
from tinybert.augment.making import digest_of_rows, make_copies
from tinybert.augment.method import AugmentContext, AugmenterFactory
from tinybert.augment.methods import METHODS
from tinybert.augment.quality import quality, quality_lines
from tinybert.augment.teacher_votes import TeacherVotes, filter_flips
from tinybert.data.encode import Encoder
from tinybert.data.encoded import EncodedRows
from tinybert.data.examples import Examples
from tinybert.engine.evaluate import logits_fn, logits_of, student_logits
from tinybert.errors import UserError
from tinybert.families.network import Network
from tinybert.models.loading import META, load_masked_lm
from tinybert.run import Run, RunPlan
from tinybert.stages import masked_lm
from tinybert.stages.common_settings import AugmentingSettings
from tinybert.stages.job import Job
from tinybert.stages.reading import encoded
from tinybert.tasks.base import Task
from tinybert.types import Example

QUICK_COPIES = 3000  # a second that a method makes on one core beside what its network takes, at least
FOLDER = "augmented"  # of a run: what the student learnt from, for people and for other programs
TEXTS, QUALITY = "augmented.parquet", "quality.json"
MASK = "[MASK]"  # of a tokenizer without one
SURE = "sure.json"
_ROWS, _TEXTS = "rows.arrow", "texts.arrow"


def learnt_texts(job: Job, config: Any, run: Run, teacher: Network) -> EncodedRows:
    """All that soft targets are learnt on: training rows with their copies, then unlabelled texts as they are.

    Args:
        job: The task and its data; where its training rows have no labels, there are no others.
        config: Of the recipe: who rewrites, and how sure the teacher has to be of a text without a label.
        run: Keeps what was made.
        teacher: Whose soft targets will be learnt.

    Raises:
        UserError: If the teacher is sure of no text.
    """
    floor = config.data.confidence
    if not job.train.labelled:
        return job.train if floor is None else _confident(job.splits.train, floor, job, run, teacher)
    rows = augmented(job, config, run, teacher)
    if job.unlabeled is None or config.needs_labels() is not None:
        return rows
    if floor is not None:
        return rows.joined(_confident(job.unlabeled, floor, job, run, teacher))
    return rows.joined(encoded(job.unlabeled, job.encoder, run))


def _confident(texts: Examples, floor: float, job: Job, run: Run, teacher: Network) -> EncodedRows:
    """The texts to whose likeliest class the teacher gives so much probability."""
    every = encoded(texts, job.encoder, run)
    if run.plan is not None:
        return every

    def make(folder: Path) -> None:
        sure = softmax(student_logits(teacher, every, run), axis=1).max(axis=1) >= floor
        files.write_json(folder / SURE, [int(index) for index in np.flatnonzero(sure)])

    artifact = run.stored("confident", make, teacher=teacher, texts=every, **{"data.confidence": floor})
    picked = np.array(files.read_json(artifact.result / SURE), np.int64)
    run.log.say(f"unlabeled: the teacher is {floor:g} sure or more of {len(picked):,} of {len(texts):,} texts")
    if len(picked) == 0:
        raise UserError(f"data.confidence={floor:g}: the teacher is so sure of none of {len(texts):,} texts; lower it")
    return encoded(texts.select(picked), job.encoder, run)


def augmented(job: Job, config: AugmentingSettings, run: Run, teacher: Network | None) -> EncodedRows:
    """The encoded training rows, each followed by its copies; made once, found again by a resumed run.

    Args:
        job: Its training rows are rewritten.
        config: Who rewrites, how often, and which copies stay.
        run: Keeps the stage `augment`, and in its folder `augmented` what people may want to see of it.
        teacher: Says which copies it takes for another class; None = nobody does.
    """
    if config.augment.method == "none":
        return job.train
    mask, originals = job.tokenizer.mask_token or MASK, job.splits.train
    about = (job.task, originals, job.unlabeled, config.mlm, config.vectors, mask, job.max_length)
    context = config.context(*about)
    copies = config.augment.copies_of(len(originals))
    factory = factory_of(context, run)
    if run.plan is not None:
        learnt = planned_copies(job.train, context, run.plan)
        run.plan.stage("augment")
        return learnt
    inputs = {**inputs_of(context, copies, run.seed), **job.encoder.inputs, "teacher": teacher}
    artifact = run.begin("augment", **inputs)
    with run.making(artifact) as missing:
        if missing and run.is_main:
            augmented_set = make_copies(originals, factory, copies, artifact, run)
            flip_filter = None if teacher is None else FlipFilter(teacher, job.encoder, artifact, run)
            keep = config.augment.keep_flipped
            artifact.make(lambda folder: _write(augmented_set, job, flip_filter, keep, run, folder))
    if run.is_main:
        publish(artifact.result, run.folder / FOLDER)
    run.wait()
    return EncodedRows.open(artifact.result / _ROWS)


def factory_of(context: AugmentContext[Any], run: Run) -> AugmenterFactory:
    """What makes the augmenter; a masked LM that has to learn first is trained, each time in a stage of its own."""
    mlm, method = context.needed_mlm, METHODS[context.settings.method]
    if context.settings.adapts:
        mlm = str(masked_lm.adapted(mlm, _domain_texts(context, run), context.adaptation, run))
    if method.conditional is not None:
        training = method.conditional(context)
        mlm = str(masked_lm.conditional(mlm, context.originals, training.classes, training.settings, run))
    return method.factory(context, mlm, run)


def planned_copies(rows: EncodedRows, context: AugmentContext[Any], plan: RunPlan) -> EncodedRows:
    """Note what making copies would take; at most so many rows, each as long as its original."""
    method, settings = METHODS[context.settings.method], context.settings
    copies = settings.copies_of(len(context.originals))
    learnt = reduce(EncodedRows.joined, [rows] * (1 + copies))
    most = {"rows_at_most": len(learnt), "pieces_at_most": int(learnt.lengths.sum())}
    plan.facts.setdefault("augmentation", {"method": settings.method, "copies": copies, **most})
    plan.add(seconds=len(rows) * copies / QUICK_COPIES)
    if "mlm" in method.uses:
        network = load_masked_lm(context.needed_mlm, new_head=0, device=META)
        a_piece = network.flops_of(rows.lengths) / int(rows.lengths.sum())
        plan.add(a_piece * method.pieces_read(settings, rows.lengths, copies))
    return learnt


def _domain_texts(context: AugmentContext[Any], run: Run) -> Examples:
    """The originals, and unlabelled texts where there are some: all singly, as pairs cannot be encoded with them."""
    if context.unlabeled is None:
        return context.originals
    sides = (
        Example(text)
        for example in chain(context.originals, context.unlabeled)
        for text in (example.text, example.pair)
        if text is not None
    )
    both = {"originals": context.originals, "unlabeled": context.unlabeled}
    artifact = run.stored("domain_texts", lambda folder: write_arrow(sides, folder / _TEXTS), **both)
    with pa.memory_map(str(artifact.result / _TEXTS)) as mapped:
        return Examples(pa.ipc.open_file(mapped).read_all())


def inputs_of(context: AugmentContext[Any], copies: int, seed: int) -> dict[str, Any]:
    """All that copies depend on, by names that users know."""
    method, settings = METHODS[context.settings.method], by_name({"augment": context.settings})
    del settings["augment.at_most"]  # decides about copies only
    found = {**settings, **method.inputs(context), "augment.copies": copies}
    if "mlm" in method.uses:
        found["mlm"] = context.digest_of_mlm()
    if context.settings.adapts:
        found |= by_name({"masked_lm": context.adaptation})
        found["unlabeled"] = None if context.unlabeled is None else context.unlabeled.digest()
    if method.conditional is not None:
        found |= by_name({"cbert": context.conditional})
    rows = {"train": context.originals.digest(), "rows": digest_of_rows(context.originals)}
    return {**found, **rows, "seed": seed}


@dataclass(frozen=True)
class FlipFilter:
    """A teacher that reads copies.

    Attributes:
        teacher: With its head, on the run's device.
        encoder: How it reads texts.
        artifact: The unfinished artifact it is asked for.
        run: Its device and log.
    """

    teacher: Network
    encoder: Encoder
    artifact: Artifact
    run: Run

    def apply(self, augmented_set: AugmentedSet, rows: Path, *, keep: bool) -> tuple[AugmentedSet, dict[str, Any]]:
        """Encode originals and copies, ask the teacher, and leave out flipped copies unless they are to be kept.

        Args:
            augmented_set: Classified texts.
            rows: The file that the encoded rows are written to, those of flipped copies too.
            keep: Whether flipped copies are kept; then only some are asked about.

        Returns:
            What is left, and the share of flips.
        """
        texts = write_arrow(augmented_set, rows.with_suffix(".texts"))
        encoded = self.encoder.encode(texts.examples, rows)
        compute = logits_fn(self.teacher, self.run.device)
        votes = TeacherVotes(lambda picked: logits_of(compute, picked).argmax(axis=1), self.artifact, self.run.log)
        left, flips = filter_flips(augmented_set, encoded, texts, votes, keep=keep)
        rows.with_suffix(".texts").unlink()
        return left, flips


def _write(
    augmented_set: AugmentedSet, job: Job, flip_filter: FlipFilter | None, keep_flipped: bool, run: Run, folder: Path
) -> None:
    """What the stage leaves: encoded rows to learn from, texts to look at, and how good they are."""
    left, flips, rows = augmented_set, None, folder / _ROWS
    if job.task.can_flip and flip_filter is not None:
        left, flips = flip_filter.apply(augmented_set, rows, keep=keep_flipped)
    if flips is None or left is not augmented_set:
        texts = write_arrow(left, rows.with_suffix(".texts"), asked=job.splits.train.asked)
        job.encoder.encode(texts.examples, rows)
        rows.with_suffix(".texts").unlink()
    write_table(left, job.task, folder / TEXTS)
    figures = quality(left, flips)
    files.write_json(folder / QUALITY, figures)
    for line in quality_lines(figures):
        run.log.say(f"augment: {line}")


def write_table(augmented_set: AugmentedSet, task: Task, target: Path) -> None:
    """Write originals and copies as a Parquet table for people and other programs: it reads as `--train` again.

    Its columns: texts, labels as they are spelled, `origin` (the row of the original) and `copy` (0 = the original).

    Args:
        augmented_set: Labelled texts.
        task: What the labels mean.
        target: The Parquet file.
    """
    schema = pa.schema([*task.columns, ("origin", pa.int64()), ("copy", pa.int64())])
    with pq.ParquetWriter(target, schema) as writer:
        for block in blocks(augmented_set):
            rows = [(*task.cells(example), example.row, example.copy) for example in block]
            columns = [
                pa.array(column, field.type) for column, field in zip(zip(*rows, strict=True), schema, strict=True)
            ]
            writer.write_batch(pa.record_batch(columns, schema=schema))


def publish(result: Path, target: Path) -> None:
    """Copy texts and figures of a step to where people look."""
    if target.exists():
        return
    with files.atomic_folder(target) as temporary:
        for name in (name for name in (TEXTS, QUALITY) if (result / name).exists()):
            shutil.copyfile(result / name, temporary / name)
