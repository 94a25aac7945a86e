"""One source of any of the four kinds of task, read by itself, as augmentation needs it; first, which form it has."""

from pathlib import Path
from typing import Literal

from tinybert.data.examples import Examples
from tinybert.data.hub import PREFIX
from tinybert.data.labels import positive_class
from tinybert.data.meaning import meaning_of
from tinybert.data.problems import readable, write_rejected
from tinybert.data.read import STDIN, DataInput, Rows, open_rows, read
from tinybert.data.refusals import CONLL_ENDINGS, has_tags, looks_like_conll
from tinybert.data.resolve import resolve, spellings
from tinybert.data.settings import DataSettings
from tinybert.data.squad import answered, read_squad
from tinybert.data.tagged import read_conll, read_lists, resolve_tags
from tinybert.data.task import Task
from tinybert.errors import UserError
from tinybert.types import Kind

Form = Literal["table", "conll", "lists", "squad"]  # rows of columns, CoNLL columns, columns of lists, SQuAD JSON

_LIST_ENDINGS = frozenset({".jsonl", ".parquet"})
_TABLE_ENDINGS = frozenset({".tsv", ".csv"}) | _LIST_ENDINGS


def form_of(source: DataInput, settings: DataSettings, kind: Kind | None) -> Form:
    """Decide how a source is read.

    Args:
        source: See `read.open_rows`.
        settings: Of the group `data`; a text column that is named there is meant even where there are tokens and tags.
        kind: What the user says; None = by the ending of the file, or by its columns.

    Raises:
        UserError: If the source cannot be reader, or is of no form that the kind is read from.
    """
    if kind == "classification" or kind == "regression":
        return "table"
    path = path_of(source)
    ending = "" if path is None else path.suffix.lower()
    if kind == "question-answering" or (kind is None and ending == ".json"):
        if path is None or ending in _TABLE_ENDINGS:
            raise UserError(f"{path or 'train'}: question answering is read from SQuAD JSON, a file ending .json")
        return "squad"
    if kind == "token-classification":
        return _tagged(path, ending)
    if ending in CONLL_ENDINGS:
        return "conll"
    by_columns = source != STDIN if isinstance(source, str) else True
    return "lists" if by_columns and has_tags(open_rows(source, settings).header, settings) else "table"


def _tagged(path: Path | None, ending: str) -> Form:
    if path is None or ending in _LIST_ENDINGS:
        return "lists"
    with readable(path):
        if ending in _TABLE_ENDINGS and not looks_like_conll(path):
            raise UserError(
                f"{path}: does not look like CoNLL columns; if it has a token and a tag a line, call it .conll"
            )
    return "conll"


def path_of(source: DataInput) -> Path | None:
    """The file that a source is; None where it is none."""
    named = isinstance(source, str | Path) and not str(source).startswith(PREFIX) and str(source) != STDIN
    return Path(source) if named else None


def load_any(
    source: DataInput,
    settings: DataSettings,
    *,
    kind: Kind | None,
    head_classes: tuple[str, ...] | None = None,
    name: str = "train",
    rejected_to: Path | None = None,
) -> tuple[Task, Examples]:
    """Read labelled data of any kind.

    Args:
        source: See `read.open_rows`; or a file of CoNLL columns, or SQuAD JSON.
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


def _read(source: DataInput, settings: DataSettings, form: Form, name: str) -> Rows:
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
