"""Tables of texts with a label each: what classification and regression read, and write back."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa

from tinybert.data.columns import Header, Labels, choose_columns
from tinybert.data.dialect import Dialect
from tinybert.data.examples import Examples
from tinybert.data.labels import Meaning
from tinybert.data.problems import listed
from tinybert.data.read import DataInput, RawRows, open_rows, read
from tinybert.data.readers import RowReader
from tinybert.data.resolve import resolve_labels
from tinybert.data.rewrite_table import Patch, RowFilter, check_columns, patched_texts, rewrite_table
from tinybert.data.settings import DataSettings
from tinybert.data.source_domain import SourceDomain
from tinybert.errors import UserError
from tinybert.tasks.base import Task
from tinybert.types import Example

_ENDINGS = (".tsv", ".csv", ".jsonl", ".parquet")


@dataclass(frozen=True)
class TableLabels:
    """A `LabelReader` by the spelling of each label."""

    meaning: Meaning

    def examples(self, rows: RawRows, *, needed: bool = True) -> Examples:
        """See `LabelReader`."""
        return resolve_labels(rows, self.meaning, needed=needed)

    def source_domain(self, rows: RawRows) -> SourceDomain:
        """See `LabelReader`."""
        return SourceDomain.of(rows, self.meaning)


class TableTask(Task):
    """The half that reads and writes, of a task whose examples are rows of a table.

    Attributes:
        label_type: Of labels as people read them, in a table.
    """

    label_type: ClassVar[pa.DataType]

    @property
    def columns(self) -> pa.Schema:
        """The text or both, and the label."""
        texts = ("text_a", "text_b") if self.paired else ("text",)
        return pa.schema([*((name, pa.large_string()) for name in texts), ("label", self.label_type)])

    def cells(self, example: Example) -> tuple[Any, ...]:
        """See `Task`."""
        texts = (example.text, example.pair) if self.paired else (example.text,)
        return (*texts, self.spelled(example.label))

    @classmethod
    def recognises(cls, ending: str, reader: RowReader | None, settings: DataSettings) -> bool:  # noqa: ARG003
        """A table is what has no other form; its labels decide."""
        return False

    @classmethod
    def read(cls, source: DataInput, settings: DataSettings, *, labels: Labels, name: str) -> RawRows:
        """See `Task`."""
        return read(source, settings, labels=labels, name=name)

    @classmethod
    def check_target(cls, source: DataInput, settings: DataSettings, target: Path) -> None:
        """See `Task`."""
        check_ending(target, _ENDINGS)
        check_columns(open_rows(source, settings, "train").header)

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
        """See `Task`."""

        def patch_of(header: Header, dialect: Dialect | None) -> Patch:
            return patched_texts(choose_columns(header, settings, "none"), dialect)

        return rewrite_table(source, settings, chosen, copies, target, ending, patch_of)


def check_ending(target: Path, endings: tuple[str, ...]) -> None:
    """Refuse a file that data are not written to.

    Raises:
        UserError: If its ending is none of these.
    """
    if (ending := target.suffix.lower()) not in endings:
        raise UserError(f"{target}: unknown ending '{ending}'; such data is written to {listed(endings)}")
