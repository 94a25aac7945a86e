"""One source of any kind of task by itself: which class reads it, and what augmentation or a model get out of it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from transformers import PretrainedConfig

from tinybert.data.columns import Labels
from tinybert.data.examples import Examples
from tinybert.data.labels import without_gold
from tinybert.data.problems import write_rejected
from tinybert.data.read import DataInput, RawRows, is_stdin, open_rows, path_of, read
from tinybert.data.resolve import spellings, unlabelled
from tinybert.data.settings import DataSettings
from tinybert.data.spelling import renamed
from tinybert.errors import UserError
from tinybert.tasks import TASKS
from tinybert.tasks.base import Task
from tinybert.tasks.classification import Classification
from tinybert.types import Kind

_TYPED = (".jsonl", ".parquet")  # files whose values have types, lists among them


def load_labelled(
    source: DataInput,
    settings: DataSettings,
    *,
    kind: Kind | None,
    head_classes: tuple[str, ...] | None = None,
    name: str = "train",
    rejected_to: Path | None = None,
) -> tuple[Task, Examples]:
    """Read labelled data by themselves, as augmentation needs them; of any kind.

    Args:
        source: See `read.open_rows`; or a file of CoNLL columns, or SQuAD JSON.
        settings: Of the group `data`.
        kind: None = by the form of the source, or by its labels.
        head_classes: Names of the classes of a teacher's head, for classification; None = there is none.
        name: What messages call an object in memory.
        rejected_to: File for the rows that were put aside; None = they are not written down.

    Raises:
        UserError: If the data cannot be used; one line says which row of which file, and what to do.
    """
    task_class, rows = task_class_of(source, settings, kind), dict[str, RawRows]()
    with noting_rejected(rejected_to, rows):
        rows[name] = task_class.read(source, settings, labels="needed", name=name)
        task_class = task_class_by_labels(rows[name], settings, kind) or task_class
        task, labels = task_class.begin(rows[name], settings, head_classes, insisted=kind is not None)
        return task, not_empty(rows[name], labels.examples(rows[name]))


def load_for(source: DataInput, settings: DataSettings, task: Task, *, labels: Labels) -> Examples:
    """Read data for a model that exists.

    Whether the rows are pairs is for the data to say; labels are matched to the classes whatever their capitals.

    Args:
        source: See `read.open_rows`; `-` is standard input, one text a line or JSON lines.
        settings: Of the group `data`.
        task: The model's.
        labels: `needed` to evaluate the model; `optional`: whatever there is; `none`: nobody looks at them.

    Raises:
        UserError: If the data cannot be used; one line says which row of which file, and what to do.
    """
    rows = task.read(source, settings, labels=labels, name="data")
    read = unlabelled(rows) if labels == "none" else task.labels(settings).examples(rows, needed=labels == "needed")
    return not_empty(rows, read)


def load_texts(source: DataInput, settings: DataSettings, name: str, rejected_to: Path | None) -> Examples:
    """Read a table of texts whose labels, if it has some, nobody looks at.

    Args:
        source: See `read.open_rows`.
        settings: Of the group `data`.
        name: What messages call an object in memory.
        rejected_to: File that the rows which were put aside are added to; None = they are not written down.

    Raises:
        UserError: If the data cannot be used; one line says which row of which file, and what to do.
    """
    rows: dict[str, RawRows] = {}
    with noting_rejected(rejected_to, rows, added=True):
        rows[name] = read(source, settings, labels="none", name=name)
        return not_empty(rows[name], unlabelled(rows[name]))


def task_class_of(source: DataInput, settings: DataSettings, kind: Kind | None) -> type[Task]:
    """The class that reads a source: of the kind that was named, of that whose form the source has, else of tables.

    Raises:
        UserError: If the source has to be opened for that, and cannot be.
    """
    if kind is not None:
        return TASKS[kind]
    path, reader = path_of(source), None
    ending = "" if path is None else path.suffix.lower()
    if ending in _TYPED or (path is None and not is_stdin(source)):
        reader = open_rows(source, settings, "train")
    return next(
        (task_class for task_class in TASKS.values() if task_class.recognises(ending, reader, settings)), Classification
    )


def task_of(config: PretrainedConfig, model: str, kind: Kind | None, settings: DataSettings) -> Task:
    """The task of a model that exists.

    Args:
        config: Its configuration.
        model: What messages call it.
        kind: What the user takes it for; None = what it is.
        settings: Of the group `data`.

    Raises:
        UserError: If it is a model for another kind.
    """
    task_class = next((task_class for task_class in TASKS.values() if task_class.made_for(config)), Classification)
    if kind not in (None, task_class.kind):
        raise UserError(f"--kind {kind}: {model} is a model for {task_class.kind}")
    return task_class.of_model(config, settings)


def task_class_by_labels(train: RawRows, settings: DataSettings, kind: Kind | None) -> type[Task] | None:
    """The class that the labels of a table are for; None where the kind was named, or the data are no table."""
    if kind is not None or "label" not in train.table.column_names:
        return None
    found = spellings(train).names
    label_map = without_gold(found, settings.label_map)
    names = [name for spelling in found if (name := renamed(spelling, label_map)) is not None]
    return next((other for other in TASKS.values() if other.fits(names)), None)


def not_empty(rows: RawRows, examples: Examples) -> Examples:
    """Refuse data of which no row is left."""
    if len(examples) == 0:
        raise UserError(f"{rows.name}: no row is left; see data.label_map and data.skip_bad")
    return examples


@contextmanager
def noting_rejected(target: Path | None, rows: Mapping[str, RawRows], *, added: bool = False) -> Iterator[None]:
    """Write down the rows that were put aside inside the block, however it ends."""
    try:
        yield
    finally:
        if target is not None:
            write_rejected(target, [part.problems for part in rows.values()], added=added)
