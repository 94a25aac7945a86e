"""One source of any of the four kinds of task, read by itself, as augmentation needs it."""

from pathlib import Path

from tinybert.data.examples import Examples
from tinybert.data.forms import Form, form_of, path_of
from tinybert.data.labels import positive_class
from tinybert.data.meaning import meaning_of
from tinybert.data.problems import write_rejected
from tinybert.data.read import Rows, read
from tinybert.data.resolve import resolve, spellings
from tinybert.data.settings import DataSettings
from tinybert.data.sources import Source
from tinybert.data.squad import answered, read_squad
from tinybert.data.tagged import read_conll, read_lists, resolve_tags
from tinybert.data.task import Task
from tinybert.errors import UserError
from tinybert.types import Kind


def load_any(
    source: Source,
    settings: DataSettings,
    *,
    kind: Kind | None,
    head_classes: tuple[str, ...] | None = None,
    name: str = "train",
    rejected_to: Path | None = None,
) -> tuple[Task, Examples]:
    """Read labelled data of any kind.

    Args:
        source: See `sources.open_source`; or a file of CoNLL columns, or SQuAD JSON.
        settings: Of the group `data`.
        kind: None = by the ending of the file, by its columns, or by its labels.
        head_classes: Names of the classes of a teacher's head, for classification; None = there is none.
        name: What messages call an object in memory.
        rejected_to: File for the rows that were put aside; None = they are not written down.

    Raises:
        UserError: If the data cannot be used; one line says which row of which file, and what to do.
    """
    form = form_of(source, settings, kind)
    rows: list[Rows] = []
    try:
        rows.append(_read(source, settings, form, name))
        task, examples = _resolved(rows[0], settings, kind, head_classes, form)
    finally:
        if rejected_to is not None:
            write_rejected(rejected_to, [part.problems for part in rows])
    if len(examples) == 0:
        raise UserError(f"{rows[0].name}: no row is left")
    return task, examples


def _read(source: Source, settings: DataSettings, form: Form, name: str) -> Rows:
    path = path_of(source)
    if form == "conll" and path is not None:
        return read_conll(path, settings)
    if form == "squad" and path is not None:
        return read_squad(path, settings)
    if form == "lists":
        return read_lists(source, settings, name)
    return read(source, settings, labels="needed", name=name)


def _resolved(
    rows: Rows, settings: DataSettings, kind: Kind | None, head: tuple[str, ...] | None, form: Form
) -> tuple[Task, Examples]:
    if form == "squad":
        return Task("question-answering", paired=True), answered(rows)
    if form in ("conll", "lists"):
        tags, examples = resolve_tags(rows, settings.label_map)
        return Task("token-classification", tags), examples
    found = spellings(rows)
    meaning = meaning_of(rows, found, settings, kind, head)
    positive = positive_class(meaning.classes, settings.positive)
    task = Task("classification" if meaning.classes else "regression", meaning.classes, positive, rows.paired)
    return task, resolve(rows, meaning, found)
