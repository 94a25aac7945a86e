"""Files of words with a tag each: CoNLL columns, or columns of lists; what token classification reads and writes."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from tinybert.data.columns import Header, Labels
from tinybert.data.conll import TaggedSentence, copied_lines, documents, first_sentence, marked_lines, sentences
from tinybert.data.dialect import Dialect, line_end, lines_of
from tinybert.data.problems import BadRow, unreadable_as_user_error
from tinybert.data.read import (
    STDIN_NAME,
    DataInput,
    RawRows,
    is_stdin,
    numbered,
    open_lines,
    open_rows,
    path_of,
    standard_input,
)
from tinybert.data.readers import RowReader
from tinybert.data.recognise import CONLL_ENDINGS, has_conll_columns, has_tags, has_words, looks_like_conll
from tinybert.data.rewrite_table import Patch, RowFilter, check_columns, merge_by_row, patched_words, rewrite_table
from tinybert.data.settings import DataSettings
from tinybert.data.tagged import TagNames, list_columns, read_conll, read_lists, resolve_tags
from tinybert.errors import UserError
from tinybert.tasks.base import Task
from tinybert.tasks.tables import check_ending
from tinybert.types import Example

_LIST_ENDINGS = (".jsonl", ".parquet")
_TABLE_ENDINGS = (".tsv", ".csv", *_LIST_ENDINGS)
_NO_CONLL = (".csv", ".json", *_LIST_ENDINGS)


class TagTask(Task):
    """The half that reads and writes, of a task whose examples are words with a tag each."""

    @property
    def columns(self) -> pa.Schema:
        """Lists of words and of tags."""
        return pa.schema([(name, pa.large_list(pa.large_string())) for name in ("tokens", "tags")])

    def cells(self, example: Example) -> tuple[Any, ...]:
        """See `Task`."""
        return list(example.words or ()), self.spelled(example.label)

    @classmethod
    def recognises(cls, ending: str, reader: RowReader | None, settings: DataSettings) -> bool:
        """By the ending of a file, or by columns `tokens` and `tags`."""
        return ending in CONLL_ENDINGS or (reader is not None and has_tags(reader.header, settings))

    @classmethod
    def fits(cls, labels: Sequence[str]) -> bool:  # noqa: ARG003
        """A label for a whole text is no tag."""
        return False

    @classmethod
    def read(cls, source: DataInput, settings: DataSettings, *, labels: Labels, name: str) -> RawRows:
        """See `Task`; where no labels are wanted, a table of texts will do as well."""
        if is_stdin(source):
            head, lines = standard_input()
            if has_conll_columns(head) or has_words(head):
                return read_conll(lines, STDIN_NAME, settings, labels)
            source = open_lines(lines, settings)
        path = path_of(source)
        untagged = labels == "none" and path is not None and path.suffix.lower() in _TABLE_ENDINGS
        if untagged and path is not None and not (path.is_file() and looks_like_conll(path)):
            path = None
        elif not untagged:
            path = _conll_path(source)
        if path is None:
            return read_lists(source, settings, name, labels)
        return read_conll(lines_of(path), str(path), settings, labels)

    @classmethod
    def check_target(cls, source: DataInput, settings: DataSettings, target: Path) -> None:
        """See `Task`."""
        path = _conll_path(source)
        if path is None:
            check_ending(target, _LIST_ENDINGS)
            check_columns(open_rows(source, settings, "train").header)
            return
        if (ending := target.suffix.lower()) in _NO_CONLL:
            raise UserError(f"{target}: CoNLL columns are written as such, not as '{ending}'; use .conll")
        first = first_sentence(lines_of(path))
        if first is not None and first.marked:
            raise UserError(f"{path}: has 'origin' and 'copy' already, which augment writes; take the original file")

    @classmethod
    def write_back(
        cls,
        source: DataInput,
        settings: DataSettings,
        chosen: RowFilter,
        copies: Iterable[Example],
        target: Path,
        ending: str,
    ) -> int:
        """See `Task`; CoNLL columns keep the layout of the original, see `conll.copied_lines`."""
        rows = cls.read(source, settings, labels="needed", name="train")
        classes, _ = resolve_tags(rows, settings.label_map)
        names, path = TagNames(classes, settings.label_map), _conll_path(source)
        if path is None:

            def patch_of(header: Header, _: Dialect | None) -> Patch:
                return patched_words(list_columns(header, settings), names)

            return rewrite_table(source, settings, chosen, copies, target, ending, patch_of)
        return _write_conll(path, chosen, copies, target, names)


def _conll_path(source: DataInput) -> Path | None:
    """The file of CoNLL columns that a source is; None where it has columns of lists.

    Raises:
        UserError: If it is a file that cannot be read, or a table of something else.
    """
    path = path_of(source)
    if path is None or path.suffix.lower() in _LIST_ENDINGS:
        return None
    with unreadable_as_user_error(path):
        if path.suffix.lower() in _TABLE_ENDINGS and not looks_like_conll(path):
            raise UserError(
                f"{path}: does not look like CoNLL columns; if it has a token and a tag a line, call it .conll"
            )
    return path


def _write_conll(path: Path, chosen: RowFilter, copies: Iterable[Example], target: Path, tags: TagNames) -> int:
    count = 0
    with target.open("w", encoding="utf-8", newline=line_end(path)) as stream:
        for row, sentence, found in merge_by_row(_sentences(path, chosen), copies):
            stream.writelines(f"{line}\n" for line in marked_lines(sentence, row))
            count += 1 + len(found)
            for copy in found:
                kept, spelled = tags.followed(sentence.words, sentence.tags, copy)
                lines = copied_lines(sentence, row, copy.copy, copy.words or (), spelled, kept)
                stream.writelines(f"{line}\n" for line in lines)
    return count


def _sentences(path: Path, chosen: RowFilter) -> Iterator[tuple[int, TaggedSentence]]:
    """The sentences to be written; where one is left out, what opens a document moves to the next."""
    held: list[str] = []
    for row, _, sentence in numbered(sentences(lines_of(path))):
        if isinstance(sentence, BadRow):
            continue
        if chosen(row):
            yield row, sentence._replace(before=[*held, *sentence.before])
            held = []
        else:
            held += documents(sentence.before)
