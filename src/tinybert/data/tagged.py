"""Token classification: sentences of words with a tag each, from CoNLL columns or from columns of lists."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tinybert.data.aligned import aligned
from tinybert.data.columns import Columns, Header, Labels, require
from tinybert.data.conll import TaggedSentence, sentences
from tinybert.data.example_table import TAGGED
from tinybert.data.examples import Examples
from tinybert.data.labels import LabelMap, classes_of
from tinybert.data.problems import BadRow, Problems, listed, shown
from tinybert.data.read import ROW_SCHEMA, DataInput, RawRows, gathered, open_rows
from tinybert.data.readers import RowReader
from tinybert.data.rows import spelled, text_problem
from tinybert.data.settings import DataSettings
from tinybert.data.spelling import meant, renamed
from tinybert.data.words import words_of
from tinybert.errors import UserError
from tinybert.types import Example

_ADVICE = "; correct or remove the row"
_SPELLED = pa.schema(
    [
        *(ROW_SCHEMA.field(name) for name in ("text", "pair")),
        ("words", TAGGED["words"]),
        ("tags", pa.large_list(pa.large_string())),
        *(ROW_SCHEMA.field(name) for name in ("row", "line")),
    ]
)

_UNTAGGED = pa.schema([field for field in _SPELLED if field.name != "tags"])

_Row = tuple[str, None, list[str], list[str]]


def read_conll(lines: Iterable[str], name: str, settings: DataSettings, labels: Labels = "needed") -> RawRows:
    """Read CoNLL columns; a row is a sentence. Where no labels are wanted the last of several is left unread.

    Raises:
        UserError: If the lines or a sentence cannot be used.
    """
    problems, widths = Problems(name, settings.skip_bad), set[int]()

    def check(sentence: TaggedSentence) -> _Row | BadRow:
        widths.add(len(sentence.columns[0]))
        return checked_words(sentence.words, sentence.tags, ("token", "tag"))

    table = gathered(sentences(lines, tagged=labels == "needed"), check, _SPELLED, problems)
    untagged = labels == "none" or widths == {1}
    return RawRows(table.drop_columns("tags") if untagged else table, False, problems, ())


def read_lists(source: DataInput, settings: DataSettings, name: str, labels: Labels = "needed") -> RawRows:
    """Read a source with a column of words and one of tags: `tokens` and `tags`, or `data.text` and `data.label`.

    Where no labels are wanted, or they are optional and their column is missing, a text will do instead of words.

    Raises:
        UserError: If a column is missing, or a row cannot be used.
    """
    reader = open_rows(source, settings, name)
    tagged = {"none": False, "optional": (settings.label or "tags") in reader.header.names}.get(labels, True)
    if not tagged:
        return _read_untagged(reader, settings)
    columns = list_columns(reader.header, settings)
    problems = Problems(reader.header.name, settings.skip_bad)

    def check(row: Mapping[str, Any]) -> _Row | BadRow:
        return checked_words(row.get(columns.text), row.get(str(columns.label)), columns.wanted)

    table = gathered(reader.records(columns.wanted), check, _SPELLED, problems)
    return RawRows(table, False, problems, reader.notes)


def _read_untagged(reader: RowReader, settings: DataSettings) -> RawRows:
    """Words without tags, or texts, of which words are made."""
    problems, names = Problems(reader.header.name, settings.skip_bad), reader.header.names
    column = settings.text or next((name for name in ("tokens", "text") if name in names), "text")
    require(reader.header, "text", column)

    def check(row: Mapping[str, Any]) -> Sequence[Any] | BadRow:
        cell = row.get(column)
        if isinstance(cell, str):
            reason = text_problem(cell, column)
            # Not each Chinese character: a piece of several has one tag. predict.py and model.js do likewise.
            split = [word.text for word in words_of(cell, ideographs=False)]
            return (cell, None, split) if reason is None else BadRow(reason + _ADVICE, [cell])
        words = getattr(cell, "tolist", lambda: cell)()
        found = checked_words(words, ["O"] * len(words) if isinstance(words, list | tuple) else None, (column, "tags"))
        return found if isinstance(found, BadRow) else found[:3]

    table = gathered(reader.records((column,)), check, _UNTAGGED, problems)
    return RawRows(table, False, problems, reader.notes)


def list_columns(header: Header, settings: DataSettings) -> Columns:
    """The columns of words and tags.

    Raises:
        UserError: If one is missing.
    """
    columns = Columns(settings.text or "tokens", None, settings.label or "tags")
    for key, name in zip(("text", "label"), columns.wanted, strict=True):
        require(header, key, name)
    return columns


def checked_words(words: Any, tags: Any, names: Sequence[str]) -> _Row | BadRow:
    """Check the words and tags of a row.

    Args:
        words: Should be a list of texts.
        tags: Should be a list of as many tags.
        names: What messages call the two.

    Returns:
        Text, no pair, words and tags as they are spelled; or why the row cannot be used.
    """
    lists = [value.tolist() if hasattr(value, "tolist") else value for value in (words, tags)]
    for name, value in zip(names, lists, strict=True):
        if not isinstance(value, list | tuple):
            return BadRow(f"'{name}' is not a list but {shown(value)}{_ADVICE}", [words, tags])
    if len(lists[0]) != len(lists[1]) or not lists[0]:
        counts = f"'{names[0]}' has {len(lists[0])} entries and '{names[1]}' {len(lists[1])}"
        return BadRow(counts + _ADVICE, lists)
    for number, word in enumerate(lists[0], start=1):
        if (reason := text_problem(word, f"{names[0]} {number}")) is not None:
            return BadRow(reason + _ADVICE, lists)
    known = {tag: spelled(tag) for tag in {tag for tag in lists[1] if isinstance(tag, str)}}
    found = [known[tag] if isinstance(tag, str) else spelled(tag) for tag in lists[1]]
    kept = [tag for tag in found if isinstance(tag, str)]
    if len(kept) < len(found):
        number = next(n for n, tag in enumerate(found) if not isinstance(tag, str))
        return BadRow(f"'{names[1]}' has {shown(lists[1][number])} for the word {number + 1}{_ADVICE}", lists)
    return " ".join(lists[0]), None, list(lists[0]), kept


def resolve_tags(
    rows: RawRows, label_map: LabelMap, known: tuple[str, ...] | None = None
) -> tuple[tuple[str, ...], Examples]:
    """Give every tag its number.

    Args:
        rows: As read.
        label_map: `data.label_map`.
        known: The names of the tags in order, where they are decided; None = those that occur.

    Returns:
        The names of the tags in order, and the examples.

    Raises:
        UserError: If more rows are bad than are tolerated, or have tags that are not known, or a tag is to be left out.
    """
    column = rows.table.column("tags")
    names = [tag for tag in pc.unique(_flat(column)).to_pylist() if tag is not None]
    called = [_called(name, label_map) for name in names]
    classes = classes_of(called) if known is None else known
    strange = [name for name, meaning in zip(names, called, strict=True) if not _is_among(classes, meaning)]
    if strange:
        rows = _without(rows, strange, classes)
        return resolve_tags(rows, label_map, known)
    order = np.array([_class_index(classes, name) for name in called], np.int32)
    chunks = [_numbered(chunk, pa.array(names, pa.large_string()), order) for chunk in column.chunks]
    table = rows.table.set_column(rows.table.schema.get_field_index("tags"), "tags", pa.chunked_array(chunks))
    return classes, Examples(table, notes=(*rows.notes, *rows.problems.settle(len(table))))


def _without(rows: RawRows, strange: Sequence[str], known: Sequence[str]) -> RawRows:
    """The rows without those that have a tag which is not known; a `UserError` where that is not tolerated."""
    unknown, kept = set(strange), []
    for index, tags in enumerate(rows.table.column("tags").to_pylist()):
        if (tag := next((tag for tag in tags if tag in unknown), None)) is None:
            kept.append(index)
            continue
        row = rows.table.slice(index, 1).to_pylist()[0]
        reason = (
            f"the tag {shown(tag)} is unknown; there are {listed(known)}; correct it, or rename it (data.label_map)"
        )
        rows.problems.add(row["line"], BadRow(reason, [row["words"], row["tags"]]), row["row"])
    if not kept:
        rows.problems.settle(0)  # raises
    return replace(rows, table=rows.table.take(pa.array(kept)))


class TagNames:
    """From the words and tags of copies back to those of their originals, as these are spelled."""

    def __init__(self, classes: Sequence[str], label_map: LabelMap) -> None:
        """See `resolve_tags`."""
        self._classes = classes
        self._label_map = label_map
        self._numbers: dict[str, int] = {}
        self._spelled: dict[int, Any] = {}

    def followed(self, words: Sequence[str], tags: Sequence[Any], copy: Example) -> tuple[list[int | None], list[Any]]:
        """Which word of the original each word of a copy is (None = it was put in), and its tag.

        Args:
            words: Of the original.
            tags: Of the original, as the source has them.
            copy: A copy of it.
        """
        numbers = [self._number(str(spelled(tag))) for tag in tags]
        for number, tag in zip(numbers, tags, strict=True):
            self._spelled.setdefault(number, tag)
        labels = copy.label if isinstance(copy.label, tuple) else ()
        changed = list(zip(copy.words or (), labels, strict=True))
        indices = aligned(list(zip(words, numbers, strict=True)), changed)
        new = [self._spelled.get(int(number), self._classes[int(number)]) for _, number in changed]
        return indices, [tag if index is None else tags[index] for index, tag in zip(indices, new, strict=True)]

    def _number(self, name: str) -> int:
        if name not in self._numbers:
            self._numbers[name] = _class_index(self._classes, _called(name, self._label_map))
        return self._numbers[name]


def _called(tag: str, label_map: LabelMap) -> str:
    name = renamed(tag, label_map)
    if name is None:
        raise UserError(f"data.label_map={{{tag}: null}}: a word needs a tag; rename it, to O for example")
    return name


def _is_among(classes: Sequence[str], name: str) -> bool:
    return name in classes or meant(name) in classes


def _class_index(classes: Sequence[str], name: str) -> int:
    """Which class a name means; of whole numbers and truth values the spelling does not matter."""
    return classes.index(name if name in classes else meant(name))


def _flat(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pa.chunked_array([chunk.flatten() for chunk in column.chunks], pa.large_string())


def _numbered(chunk: Any, names: pa.Array, order: Any) -> Any:
    """Lists of names as lists of numbers."""
    lists = chunk if chunk.offset == 0 else pa.concat_arrays([chunk])
    numbers = order[pc.index_in(lists.flatten(), value_set=names).to_numpy()]
    return pa.LargeListArray.from_arrays(lists.offsets, pa.array(numbers, pa.int32()))
