"""Files of questions with a context each: SQuAD JSON, or tables; what question answering reads and writes."""

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from tinybert.data.columns import Header, Labels
from tinybert.data.dialect import Dialect, lines_of
from tinybert.data.examples import Examples
from tinybert.data.problems import BadRow
from tinybert.data.read import (
    STDIN_NAME,
    DataInput,
    RawRows,
    is_stdin,
    open_lines,
    open_rows,
    path_of,
    standard_input,
)
from tinybert.data.readers import RowReader
from tinybert.data.recognise import begins_squad, has_questions
from tinybert.data.rewrite_table import COPY, ORIGIN, Patch, RowFilter, check_columns, merge_by_row, rewrite_table
from tinybert.data.settings import DataSettings
from tinybert.data.squad import (
    answer_lists,
    content,
    copied_row,
    examples_of,
    marked_entry,
    paragraph_of,
    question_columns,
    questions_of,
    read_questions,
    read_squad,
)
from tinybert.errors import UserError
from tinybert.tasks.base import OneDomain, Task
from tinybert.tasks.tables import check_ending
from tinybert.types import Example

_TABLE_ENDINGS = (".jsonl", ".parquet")


class QuestionTask(Task):
    """The half that reads and writes, of a task whose examples are questions with a context each."""

    @property
    def columns(self) -> pa.Schema:
        """Those of the hub's copies of SQuAD."""
        answers = pa.struct([("text", pa.list_(pa.large_string())), ("answer_start", pa.list_(pa.int64()))])
        return pa.schema([("question", pa.large_string()), ("context", pa.large_string()), ("answers", answers)])

    def cells(self, example: Example) -> tuple[Any, ...]:
        """See `Task`."""
        context = example.pair or ""
        return example.text, context, answer_lists(context, example.label)

    def spelled(self, label: Any) -> list[int] | None:
        """From which to before which character an answer stands."""
        return None if label is None else list(label)

    @classmethod
    def recognises(cls, ending: str, reader: RowReader | None, settings: DataSettings) -> bool:
        """By the ending of a file, or by the columns of SQuAD."""
        return ending == ".json" or (reader is not None and has_questions(reader.header, settings))

    @classmethod
    def fits(cls, labels: Sequence[str]) -> bool:  # noqa: ARG003
        """A label for a whole text is no answer."""
        return False

    @classmethod
    def read(cls, source: DataInput, settings: DataSettings, *, labels: Labels, name: str) -> RawRows:
        """See `Task`."""
        if is_stdin(source):
            head, lines = standard_input()
            if begins_squad("".join(head)):
                return read_squad(lines, STDIN_NAME, settings, labels)
            source = open_lines(lines, settings)
        if (path := _squad_path(source)) is None:
            return read_questions(source, settings, labels, name)
        return read_squad(lines_of(path), str(path), settings, labels)

    @classmethod
    def check_target(cls, source: DataInput, settings: DataSettings, target: Path) -> None:
        """See `Task`."""
        if (path := _squad_path(source)) is None:
            check_ending(target, _TABLE_ENDINGS)
            check_columns(open_rows(source, settings, "train").header)
            return
        check_ending(target, (".json",))
        asked = (
            question for article in _content(path)["data"] for part in article["paragraphs"] for question in part["qas"]
        )
        if any(isinstance(entry, dict) and (ORIGIN in entry or COPY in entry) for entry in asked):
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
        """See `Task`; in SQuAD JSON a copy is a paragraph of its own, see `squad.paragraph_of`."""
        if (path := _squad_path(source)) is None:

            def patch_of(header: Header, _: Dialect | None) -> Patch:
                return partial(copied_row, question_columns(header, settings))

            return rewrite_table(source, settings, chosen, copies, target, ending, patch_of)
        return _write_squad(path, chosen, copies, target)


class AnswerReader(OneDomain):
    """The `LabelReader` of questions, whose answers were checked when they were read."""

    def examples(self, rows: RawRows, *, needed: bool = True) -> Examples:  # noqa: ARG002
        """See `LabelReader`."""
        return examples_of(rows)


def _squad_path(source: DataInput) -> Path | None:
    """The file of SQuAD JSON that a source is; None where it is a table."""
    path = path_of(source)
    return None if path is None or path.suffix.lower() in (".tsv", ".csv", *_TABLE_ENDINGS) else path


def _content(path: Path) -> Mapping[str, Any]:
    return content(lines_of(path), str(path))


def _write_squad(path: Path, chosen: RowFilter, copies: Iterable[Example], target: Path) -> int:
    found = _content(path)
    every = (question for article in found["data"] for part in article["paragraphs"] for question in questions_of(part))
    merged = merge_by_row(enumerate(every, start=1), copies)
    count = 0
    with target.open("w", encoding="utf-8") as stream:
        others = {key: value for key, value in found.items() if key != "data"}
        stream.write(json.dumps({**others, "data": []}, ensure_ascii=False).removesuffix("]}"))
        for number, article in enumerate(found["data"]):
            parts: list[Mapping[str, Any]] = []
            for part in article["paragraphs"]:
                kept: list[Mapping[str, Any]] = []
                added: list[Mapping[str, Any]] = []
                for row, question, its_copies in islice(merged, len(part["qas"])):
                    if chosen(row) and not isinstance(question, BadRow):
                        kept.append(marked_entry(question.entry, row))
                        added += [paragraph_of(question, copy) for copy in its_copies]
                parts += [{**part, "qas": kept}, *added]
                count += len(kept) + len(added)
            text = json.dumps({**article, "paragraphs": parts}, ensure_ascii=False)
            stream.write(text if number == 0 else f", {text}")
        stream.write("]}\n")
    next(merged, None)  # raises where a copy is left
    return count
