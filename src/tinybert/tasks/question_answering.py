"""An answer out of a context for each question: read from SQuAD JSON.

Such data are augmented; no network learns them yet.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, final

from tinybert.data.columns import Labels
from tinybert.data.examples import Examples
from tinybert.data.problems import BadRow
from tinybert.data.read import DataInput, RawRows, path_of
from tinybert.data.rewrite_table import COPY, ORIGIN, RowFilter, merge_by_row
from tinybert.data.settings import DataSettings
from tinybert.data.source_domain import SourceDomain
from tinybert.data.squad import answered, articles, content, marked_entry, paragraph_of, questions_of, read_squad
from tinybert.errors import UserError
from tinybert.tasks.base import LabelReader, TaskData
from tinybert.tasks.tables import check_ending
from tinybert.types import Example, Kind

_TABLE_ENDINGS = (".tsv", ".csv", ".jsonl", ".parquet")


@final
@dataclass(frozen=True)
class QuestionAnswering(TaskData):
    """An answer out of a context for each question; see `TaskData`."""

    kind: ClassVar[Kind] = "question-answering"
    one_label: ClassVar[bool] = False
    can_flip: ClassVar[bool] = False

    paired: bool = field(default=True, kw_only=True)

    @classmethod
    def recognises(cls, source: DataInput, settings: DataSettings) -> bool:  # noqa: ARG003
        """By the ending of a file."""
        path = path_of(source)
        return path is not None and path.suffix.lower() == ".json"

    @classmethod
    def fits(cls, labels: Sequence[str]) -> bool:  # noqa: ARG003
        """A label for a whole text is no answer."""
        return False

    @classmethod
    def read(cls, source: DataInput, settings: DataSettings, *, labels: Labels, name: str) -> RawRows:  # noqa: ARG003
        """See `TaskData`."""
        return read_squad(_squad_path(source), settings)

    @classmethod
    def begin(
        cls,
        train: RawRows,  # noqa: ARG003
        settings: DataSettings,  # noqa: ARG003
        head: tuple[str, ...] | None,  # noqa: ARG003
        *,
        insisted: bool,  # noqa: ARG003
    ) -> tuple["QuestionAnswering", LabelReader]:
        """See `TaskData`."""
        return cls(), _Answers()

    @classmethod
    def check_target(cls, source: DataInput, settings: DataSettings, target: Path) -> None:  # noqa: ARG003
        """See `TaskData`."""
        path = _squad_path(source)
        check_ending(target, (".json",))
        asked = (question for article in articles(path) for part in article["paragraphs"] for question in part["qas"])
        if any(isinstance(entry, dict) and (ORIGIN in entry or COPY in entry) for entry in asked):
            raise UserError(f"{path}: has 'origin' and 'copy' already, which augment writes; take the original file")

    @classmethod
    def write_back(
        cls,
        source: DataInput,
        settings: DataSettings,  # noqa: ARG003
        chosen: RowFilter,
        copies: Iterable[Example],
        target: Path,
        ending: str,  # noqa: ARG003
    ) -> int:
        """See `TaskData`; a copy is a paragraph of its own, see `squad.paragraph_of`."""
        return _write_squad(_squad_path(source), chosen, copies, target)


class _Answers:
    """The `LabelReader` of questions, whose answers were checked when they were read."""

    def examples(self, rows: RawRows, *, needed: bool = True) -> Examples:  # noqa: ARG002
        return answered(rows)

    def source_domain(self, rows: RawRows) -> SourceDomain:
        raise UserError(f"{rows.name}: only texts with a class or a score each are learnt from a second domain")


def _squad_path(source: DataInput) -> Path:
    path = path_of(source)
    if path is None or path.suffix.lower() in _TABLE_ENDINGS:
        raise UserError(f"{path or 'train'}: question answering is read from SQuAD JSON, a file ending .json")
    return path


def _write_squad(path: Path, chosen: RowFilter, copies: Iterable[Example], target: Path) -> int:
    found = content(path)
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
