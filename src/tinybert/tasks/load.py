"""The data of a run: train, dev and test, and a second domain where there is one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Int

from tinybert.data.columns import Labels
from tinybert.data.draws import dev_rows, few_rows, share_of_rows
from tinybert.data.examples import Examples
from tinybert.data.overlap import contradictions, without_overlap
from tinybert.data.problems import listed, shown
from tinybert.data.read import DataInput, RawRows
from tinybert.data.settings import DataSettings
from tinybert.data.source_domain import SourceDomain
from tinybert.errors import UserError
from tinybert.tasks.base import LabelReader, Logits, Task
from tinybert.tasks.read import not_empty, noting_rejected, task_class_by_labels, task_class_of
from tinybert.types import Kind

Rng = Callable[[str], np.random.Generator]  # from the name of a random stream to the stream
_LABELS: Mapping[str, Labels] = {
    **{"train": "needed", "dev": "needed", "test": "optional"},
    **{"source": "optional", "unlabeled": "none"},
}
_ONLY_TEXTS: Mapping[str, Labels] = {**_LABELS, "train": "none"}
_NOTHING_TO_LEARN = "there is nothing to learn; is data.label the right column?"
_NOTHING_TO_CHOOSE_BY = (
    "no figure on it tells a good student from one that always says so; give rows of every class, or no --dev (a tenth "
    "of train is taken then)"
)


@dataclass(frozen=True)
class Splits:
    """The data of a run.

    Attributes:
        task: What is to be predicted.
        train: What is learnt from; without labels where only unlabelled texts were given.
        dev: What decides which model is best; without labels where it is a part of unlabelled texts.
        test: What is only measured on; None = there is none. May be unlabelled.
        notes: What the log should say.
        overlap: Counts of rows of train that dev and test show as well, for the report; see `overlap`. Those of the
            second domain are under `source`; rows whose text has another label too, under `several_labels`.
        source: The second domain; None = there is none.
        unlabeled: Texts without labels beside train; None = there are none.
        dev_labels: Whose labels dev has.
        total: How many rows train's source has, bad ones and those that became dev too.
        scores: Logits of a teacher that is a file, for each row of train; None = it is a network.
    """

    task: Task
    train: Examples
    dev: Examples
    test: Examples | None = None
    notes: tuple[str, ...] = ()
    overlap: Mapping[str, Any] = field(default_factory=dict)
    source: SourceDomain | None = None
    unlabeled: Examples | None = None
    dev_labels: Literal["gold", "teacher"] = "gold"
    total: int = 0
    scores: Logits | None = None


def load(
    train: DataInput | None,
    dev: DataInput | None,
    test: DataInput | None,
    settings: DataSettings,
    *,
    kind: Kind | None,
    head_classes: tuple[str, ...] | None,
    rng: Rng,
    rejected_to: Path | None,
    source: DataInput | None = None,
    unlabeled: DataInput | None = None,
    known: Task | None = None,
) -> Splits:
    """Read the data of a run.

    Args:
        train: See `read.open_rows`; so are the others. None = only unlabelled texts are learnt from.
        dev: None = a tenth of train.
        test: None = there is none.
        settings: Of the group `data`.
        kind: None = by the labels of train.
        head_classes: Names of the classes of the teacher's head; None = it has none, or no teacher has a say.
        rng: Streams; `split`, `per_class` and `share` are drawn from.
        rejected_to: File for the rows that were put aside; None = they are not written down.
        source: The second domain, which has no say in what the task is; None = there is none.
        unlabeled: Texts of the domain without labels; None = there are none.
        known: The task of a teacher with a head, which decides where there is no train.

    Raises:
        UserError: If the data cannot be used; one line says which row of which file, and what to do.
    """
    given = {"train": train, "dev": dev, "test": test, "source": source, "unlabeled": unlabeled}
    if train is None:
        _check_unlabelled(settings)
        given |= {"train": unlabeled, "unlabeled": None}
    task, examples, second, total = _read(given, settings, kind, head_classes, known, rejected_to)
    several, found = contradictions(examples)
    notes = [*(note for part in examples.values() for note in part.notes), *found]
    learnt, texts = examples.pop("train"), examples.pop("unlabeled", None)
    if dev is None:
        learnt, split = _split_off(learnt, task, rng("split"), notes)
        examples = {"dev": split, **examples}
    learnt, overlap, found = without_overlap(learnt, examples, settings.drop_overlap)
    notes += found
    if overlap["dropped"] and known is None:
        why = f"data.drop_overlap={settings.drop_overlap} has dropped the others"
        _check_variety("train", learnt, task, why)
    overlap["several_labels"] = several
    if second is not None:
        left = _held_apart(second.texts, examples, settings, overlap, notes, "source")
        second = second.among(left)
    if texts is not None:
        texts = _held_apart(texts, examples, settings, overlap, notes, "unlabeled")
    learnt = _drawn(learnt, task, settings, rng, notes)
    if settings.class_weights == "balanced":
        task = task.balanced(learnt)
    parts = {"train": learnt, **examples} | ({} if texts is None else {"unlabeled": texts})
    notes += [described(name, part, task) for name, part in parts.items()]
    if second is not None:
        notes.append(_described_domain(second, task))
    return Splits(
        task, learnt, examples["dev"], examples.get("test"), tuple(notes), overlap, second, texts, total=total
    )


def _read(
    given: Mapping[str, DataInput | None],
    settings: DataSettings,
    kind: Kind | None,
    head: tuple[str, ...] | None,
    known: Task | None,
    rejected_to: Path | None,
) -> tuple[Task, dict[str, Examples], SourceDomain | None, int]:
    """The task, the examples of all data, the second domain, and how many rows train's source has."""
    task_class = task_class_of(given["train"], settings, kind) if known is None else type(known)
    wanted = _LABELS if known is None else _ONLY_TEXTS
    rows: dict[str, RawRows] = {}
    with noting_rejected(rejected_to, rows):
        for name, one in given.items():
            if one is not None:
                called = name if known is None or name != "train" else "unlabeled"
                rows[name] = task_class.read(one, settings, labels=wanted[name], name=called)
        total = len(rows["train"].table) + rows["train"].problems.rows
        _check_forms(rows)
        task, labels = _begun(rows["train"], task_class, settings, kind, head, known)
        task = task.chosen_by(settings.metric)
        _check_settings(task, settings)
        examples, second = _resolved(rows, task, labels, wanted, decided=head is not None)
    return task, examples, second, total


def _check_settings(task: Task, settings: DataSettings) -> None:
    """Refuse settings that have no meaning for a kind of task."""
    if (key := next((key for key in task.meaningless if getattr(settings, key)), None)) is not None:
        raise UserError(f"data.{key}={getattr(settings, key)}: says nothing about {task.kind}; leave it out")
    if settings.confidence is not None and not task.can_flip:
        raise UserError(f"data.confidence: only a class has a probability; this is {task.kind}; leave it out")
    if settings.windows != "off" and task.own_windows:
        raise UserError(
            f"data.windows={settings.windows}: {task.kind} reads long texts in windows anyway; leave it out"
        )
    if settings.stride is not None and settings.windows == "off" and not task.own_windows:
        raise UserError("data.stride: is that of windows, and long texts are cut; leave it out, or set data.windows")


def _check_unlabelled(settings: DataSettings) -> None:
    """Refuse settings that only labels in train have a meaning for."""
    if settings.per_class is not None or settings.class_weights != "none":
        key = "class_weights" if settings.per_class is None else "per_class"
        raise UserError(f"data.{key}: goes by the labels of --train, which is missing; leave it out")


def described(name: str, examples: Examples, task: Task) -> str:
    """What the log says of a part of the data."""
    rows = f"{name}: {len(examples):,} rows"
    if not examples.labelled:
        return f"{rows} without labels"
    return f"{rows}; {task.described(examples)}"


def _described_domain(source: SourceDomain, task: Task) -> str:
    if source.labelled is None or len(source.labelled) == len(source):
        return described("source", source.labelled or source.texts, task)
    return f"source: {len(source):,} rows; {described('labelled', source.labelled, task)}"


def _check_forms(rows: Mapping[str, RawRows]) -> None:
    train = rows["train"]
    for name, part in rows.items():
        if part.paired != train.paired:
            ours, theirs = ("pairs" if paired else "single texts" for paired in (train.paired, part.paired))
            raise UserError(
                f"{part.name}: {name} has {theirs}, but {train.name} has {ours}; name the columns (data.text)"
            )


def _begun(
    train: RawRows,
    task_class: type[Task],
    settings: DataSettings,
    kind: Kind | None,
    head: tuple[str, ...] | None,
    known: Task | None,
) -> tuple[Task, LabelReader]:
    """The task that train's labels make, or the teacher's own; and what reads the labels of all data."""
    if known is not None:
        return replace(known, paired=train.paired), known.labels(settings)
    task_class = task_class_by_labels(train, settings, kind) or task_class
    return task_class.begin(train, settings, head, insisted=kind is not None)


def _resolved(
    rows: Mapping[str, RawRows], task: Task, labels: LabelReader, wanted: Mapping[str, Labels], *, decided: bool
) -> tuple[dict[str, Examples], SourceDomain | None]:
    """The examples of all data; `decided`: the classes are not those of train."""
    examples = {
        name: not_empty(part, labels.examples(part, needed=wanted[name] == "needed"))
        for name, part in rows.items()
        if name != "source"
    }
    if not decided:
        _check_variety(rows["train"].name, examples["train"], task, _NOTHING_TO_LEARN)
    if "dev" in rows:
        _check_variety(rows["dev"].name, examples["dev"], task, _NOTHING_TO_CHOOSE_BY)
    return examples, labels.source_domain(rows["source"]) if "source" in rows else None


def _check_variety(name: str, examples: Examples, task: Task, why: str) -> None:
    """Refuse labels that are all the same."""
    labels = examples.labels
    if examples.worded and len(task.classes) == 1:
        raise UserError(f"{name}: every word has the tag {shown(task.classes[0])}; there is nothing to learn")
    if labels is not None and np.all(labels == labels[0]):
        raise UserError(f"{name}: every row has the label {_shown(task.spelled(labels[0].tolist()))}; {why}")


def _shown(label: Any) -> str:
    return shown(label) if isinstance(label, str | list) else f"{label:g}"


def _strata(train: Examples, task: Task) -> Int[np.ndarray, " rows"]:
    """The class of each row; the same for all where there are none."""
    strata = task.strata(train) if train.labelled else None
    return np.zeros(len(train), np.int64) if strata is None else strata


def _split_off(train: Examples, task: Task, rng: np.random.Generator, notes: list[str]) -> tuple[Examples, Examples]:
    strata = _strata(train, task)
    if (groups := task.groups(train)) is not None:
        dev = dev_rows(np.zeros(groups.max() + 1, np.int64), rng)[groups]
    else:
        dev = dev_rows(strata, rng)
    if not dev.any():
        raise UserError(f"train: {len(train)} rows are too few to split dev off; pass --dev, or more rows")
    count = f"dev: {int(dev.sum()):,} of {len(train):,} rows of"
    notes.append(f"{count} {'train, stratified' if train.labelled else 'unlabeled'} (no --dev)")
    counted = train.labelled and task.one_label
    alone = [name for c, name in enumerate(task.classes) if counted and np.count_nonzero(strata == c) == 1]
    if alone:
        notes.append(f"dev: no row of {listed(alone)}, which train has only one of")
    return train.select(np.flatnonzero(~dev)), train.select(np.flatnonzero(dev))


def _held_apart(
    texts: Examples,
    held_out: Mapping[str, Examples],
    settings: DataSettings,
    overlap: dict[str, Any],
    notes: list[str],
    name: str,
) -> Examples:
    """Texts of another domain, or without labels, without what dev and test show too; counted under their name."""
    left, overlap[name], found = without_overlap(texts, held_out, settings.drop_overlap, name)
    notes += [*texts.notes, *found]
    return left


def _drawn(train: Examples, task: Task, settings: DataSettings, rng: Rng, notes: list[str]) -> Examples:
    """Train, or the part of it that is wanted."""
    if settings.per_class is not None:
        train = _few(train, task, settings.per_class, rng("per_class"), notes)
    if settings.share is not None:
        train = train.select(share_of_rows(_strata(train, task), settings.share, rng("share")))
    return train


def _few(train: Examples, task: Task, count: int, rng: np.random.Generator, notes: list[str]) -> Examples:
    strata = task.strata(train)
    if strata is None:
        raise UserError(f"data.per_class={count}: a row has no class to be drawn by")
    if not task.one_label:
        raise UserError(f"data.per_class={count}: a text may have several labels, so that no count holds for each")
    counts = zip(task.classes, np.bincount(strata, minlength=len(task.classes)), strict=True)
    short = {name: n for name, n in counts if n < count}
    if short:
        have = ", ".join(f"{name} {n}" for name, n in short.items())
        notes.append(f"train: fewer than data.per_class={count} rows, all taken: {have}")
    return train.select(few_rows(strata, count, rng))
