"""The task that data make, and the data of a run: train, dev and test, and a second domain where there is one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped

from tinybert.data.columns import Labels
from tinybert.data.doubtful import refuse_one_label
from tinybert.data.draws import dev_rows, few_rows
from tinybert.data.examples import Examples
from tinybert.data.labels import Meaning, positive_class, without_gold
from tinybert.data.leakage import contradictions, without_overlap
from tinybert.data.meaning import meaning_of
from tinybert.data.problems import listed, write_rejected
from tinybert.data.read import DataInput, Rows, read
from tinybert.data.refusals import refuse_kind
from tinybert.data.resolve import resolve, spellings, unlabelled
from tinybert.data.settings import DataSettings
from tinybert.data.source_domain import SourceDomain
from tinybert.errors import UserError
from tinybert.types import Kind

Rng = Callable[[str], np.random.Generator]  # from the name of a random stream to the stream
_LABELS: Mapping[str, Labels] = {"train": "needed", "dev": "needed", "test": "optional", "source": "optional"}
_NOTHING_TO_LEARN = "there is nothing to learn; is data.label the right column?"
_NOTHING_TO_CHOOSE_BY = (
    "no figure on it tells a good student from one that always says so; give rows of every class, or no --dev (a tenth "
    "of train is taken then)"
)


@dataclass(frozen=True)
class Task:
    """What is to be predicted.

    Attributes:
        kind: Which of the four.
        classes: Names, of tags too, in the order of the model's outputs; empty = regression and question answering.
        positive: The class that F1 and MCC call positive; None unless there are two classes.
        paired: Whether an example is a pair of texts.
    """

    kind: Kind
    classes: tuple[str, ...] = ()
    positive: int | None = None
    paired: bool = False

    @property
    def outputs(self) -> int:
        """Number of outputs of a model for the task; begin and end of an answer are two."""
        return 2 if self.kind == "question-answering" else len(self.classes) or 1

    @property
    def outside(self) -> int | None:
        """The tag of words that belong to no entity; None where the task has none."""
        return self.classes.index("O") if self.kind == "token-classification" and "O" in self.classes else None


@dataclass(frozen=True)
class Splits:
    """The data of a run.

    Attributes:
        task: What is to be predicted.
        train: What is learnt from.
        dev: What decides which model is best.
        test: What is only measured on; None = there is none. May be unlabelled.
        notes: What the log should say.
        overlap: Counts of rows of train that dev and test show as well, for the report; see `leakage`. Those of the
            second domain are under `source`; rows whose text has another label too, under `several_labels`.
        source: The second domain; None = there is none.
    """

    task: Task
    train: Examples
    dev: Examples
    test: Examples | None = None
    notes: tuple[str, ...] = ()
    overlap: Mapping[str, Any] = field(default_factory=dict)
    source: SourceDomain | None = None


def load(
    train: DataInput,
    dev: DataInput | None,
    test: DataInput | None,
    settings: DataSettings,
    *,
    kind: Kind | None,
    head_classes: tuple[str, ...] | None,
    rng: Rng,
    rejected_to: Path | None,
    source: DataInput | None = None,
) -> Splits:
    """Read the data of a run.

    Args:
        train: See `read.open_rows`; so are `dev`, `test` and `source`.
        dev: None = a tenth of train.
        test: None = there is none.
        settings: Of the group `data`.
        kind: None = by the labels of train.
        head_classes: Names of the classes of the teacher's head; None = it has none, or no teacher has a say.
        rng: Streams; `split` and `per_class` are drawn from.
        rejected_to: File for the rows that were put aside; None = they are not written down.
        source: The second domain, which has no say in what the task is; None = there is none.

    Raises:
        UserError: If the data cannot be used; one line says which row of which file, and what to do.
    """
    refuse_kind(kind)
    given = {"train": train, "dev": dev, "test": test, "source": source}
    rows: dict[str, Rows] = {}
    try:
        for name, one in given.items():
            if one is not None:
                rows[name] = read(one, settings, labels=_LABELS[name], name=name)
        task, examples, second = _resolved(rows, settings, kind, head_classes)
    finally:
        _write_rejected(rejected_to, rows)
    several, found = contradictions(examples)
    notes = [*(note for part in examples.values() for note in part.notes), *found]
    learnt = examples.pop("train")
    if dev is None:
        learnt, split = _split_off(learnt, task, rng("split"), notes)
        examples = {"dev": split, **examples}
    learnt, overlap, found = without_overlap(learnt, examples, settings.drop_overlap)
    notes += found
    overlap["several_labels"] = several
    if second is not None:
        second = _held_apart(second, examples, settings, overlap, notes)
    if settings.per_class is not None:
        learnt = _few(learnt, task, settings.per_class, rng("per_class"), notes)
    notes += [part.described(name, task.classes) for name, part in {"train": learnt, **examples}.items()]
    if second is not None:
        notes.append(second.described(task.classes))
    return Splits(task, learnt, examples["dev"], examples.get("test"), tuple(notes), overlap, second)


def load_one(
    source: DataInput,
    settings: DataSettings,
    *,
    task: Task,
    labels: Labels = "needed",
    name: str = "data",
    rejected_to: Path | None = None,
    added: bool = False,
) -> Examples:
    """Read data for a model that exists: with labels to evaluate it, without to predict.

    Whether the rows are pairs is for the data to say; labels are matched to the classes whatever their capitals.

    Args:
        source: See `read.open_rows`; `-` is standard input, one text a line or JSON lines.
        settings: Of the group `data`.
        task: The model's.
        labels: `needed` to evaluate, `none` to predict; `optional` takes them where they are.
        name: What messages call an object in memory.
        rejected_to: File for the rows that were put aside; None = they are not written down.
        added: They are added to those of other data there.

    Raises:
        UserError: If the data cannot be used; one line says which row of which file, and what to do.
    """
    rows: dict[str, Rows] = {}
    try:
        rows[name] = read(source, settings, labels=labels, name=name)
        if labels == "none":
            return _not_empty(rows[name], unlabelled(rows[name]))
        meaning = Meaning(task.classes, without_gold(task.classes, settings.label_map), any_capitals=True)
        return _not_empty(rows[name], resolve(rows[name], meaning, needed=labels == "needed"))
    finally:
        _write_rejected(rejected_to, rows, added=added)


def _resolved(
    rows: Mapping[str, Rows], settings: DataSettings, kind: Kind | None, head: tuple[str, ...] | None
) -> tuple[Task, dict[str, Examples], SourceDomain | None]:
    train = rows["train"]
    for name, part in rows.items():
        if part.paired != train.paired:
            ours, theirs = ("pairs" if paired else "single texts" for paired in (train.paired, part.paired))
            raise UserError(
                f"{part.name}: {name} has {theirs}, but {train.name} has {ours}; name the columns (data.text)"
            )
    found = spellings(train)
    meaning = meaning_of(train, found, settings, kind, head)
    task = Task(
        "classification" if meaning.classes else "regression",
        meaning.classes,
        positive_class(meaning.classes, settings.positive),
        train.paired,
    )
    examples = {
        name: _not_empty(part, resolve(part, meaning, found if part is train else None, needed=name != "test"))
        for name, part in rows.items()
        if name != "source"
    }
    if head is None:
        refuse_one_label(train.name, examples["train"], task.classes, _NOTHING_TO_LEARN)
    if "dev" in rows:
        refuse_one_label(rows["dev"].name, examples["dev"], task.classes, _NOTHING_TO_CHOOSE_BY)
    return task, examples, SourceDomain.of(rows["source"], meaning) if "source" in rows else None


def _not_empty(rows: Rows, examples: Examples) -> Examples:
    if len(examples) == 0:
        raise UserError(f"{rows.name}: no row is left; see data.label_map and data.skip_bad")
    return examples


def _write_rejected(target: Path | None, rows: Mapping[str, Rows], *, added: bool = False) -> None:
    if target is not None:
        write_rejected(target, [part.problems for part in rows.values()], added=added)


def _split_off(train: Examples, task: Task, rng: np.random.Generator, notes: list[str]) -> tuple[Examples, Examples]:
    labels = _labels(train)
    dev = dev_rows(labels, len(task.classes), rng)
    if not dev.any():
        raise UserError(f"train: {len(train)} rows are too few to split dev off; pass --dev, or more rows")
    notes.append(f"dev: {int(dev.sum()):,} of {len(train):,} rows of train, stratified (no --dev)")
    alone = [task.classes[c] for c in range(len(task.classes)) if (labels == c).sum() == 1]
    if alone:
        notes.append(f"dev: no row of {listed(alone)}, which train has only one of")
    return train.select(np.flatnonzero(~dev)), train.select(np.flatnonzero(dev))


def _held_apart(
    source: SourceDomain,
    held_out: Mapping[str, Examples],
    settings: DataSettings,
    overlap: dict[str, Any],
    notes: list[str],
) -> SourceDomain:
    left, overlap["source"], found = without_overlap(source.texts, held_out, settings.drop_overlap, "source")
    notes += [*source.texts.notes, *found]
    return source.among(left)


def _few(train: Examples, task: Task, count: int, rng: np.random.Generator, notes: list[str]) -> Examples:
    if not task.classes:
        raise UserError(f"data.per_class={count}: the labels are scores, there are no classes to draw from")
    labels = _labels(train)
    short = {
        name: n for name, n in zip(task.classes, np.bincount(labels, minlength=task.outputs), strict=True) if n < count
    }
    if short:
        have = ", ".join(f"{name} {n}" for name, n in short.items())
        notes.append(f"train: fewer than data.per_class={count} rows, all taken: {have}")
    return train.select(few_rows(labels, task.outputs, count, rng))


def _labels(examples: Examples) -> Shaped[np.ndarray, " rows"]:
    if examples.labels is None:
        raise ValueError("train was read without labels")
    return examples.labels
