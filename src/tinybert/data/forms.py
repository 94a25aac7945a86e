"""Which of the four forms of data a source has: rows of columns, CoNLL columns, columns of lists, SQuAD JSON."""

from pathlib import Path
from typing import Literal

from tinybert.data.hub import PREFIX
from tinybert.data.opened import readable
from tinybert.data.refusals import CONLL_ENDINGS, has_tags, looks_like_conll
from tinybert.data.settings import DataSettings
from tinybert.data.sources import STDIN, Source, open_source
from tinybert.errors import UserError
from tinybert.types import Kind

Form = Literal["table", "conll", "lists", "squad"]

_LIST_ENDINGS = frozenset({".jsonl", ".parquet"})
_TABLE_ENDINGS = frozenset({".tsv", ".csv"}) | _LIST_ENDINGS


def form_of(source: Source, settings: DataSettings, kind: Kind | None) -> Form:
    """Decide how a source is read.

    Args:
        source: See `sources.open_source`.
        settings: Of the group `data`; a text column that is named there is meant even where there are tokens and tags.
        kind: What the user says; None = by the ending of the file, or by its columns.

    Raises:
        UserError: If the source cannot be opened, or is of no form that the kind is read from.
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
    return "lists" if by_columns and has_tags(open_source(source, settings).known, settings) else "table"


def _tagged(path: Path | None, ending: str) -> Form:
    if path is None or ending in _LIST_ENDINGS:
        return "lists"
    with readable(path):
        if ending in _TABLE_ENDINGS and not looks_like_conll(path):
            raise UserError(
                f"{path}: does not look like CoNLL columns; if it has a token and a tag a line, call it .conll"
            )
    return "conll"


def path_of(source: Source) -> Path | None:
    """The file that a source is; None where it is none."""
    named = isinstance(source, str | Path) and not str(source).startswith(PREFIX) and str(source) != STDIN
    return Path(source) if named else None
