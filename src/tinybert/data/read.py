"""Read a source row by row: every row is checked, and what is wrong with one names the source and the row."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from tinybert.data.columns import Labels, choose
from tinybert.data.problems import Bad, Problems
from tinybert.data.refusals import refuse_columns
from tinybert.data.rows import Row, checked
from tinybert.data.settings import DataSettings
from tinybert.data.sink import Sink
from tinybert.data.sources import Source, open_source
from tinybert.errors import UserError

# `row` counts the rows of the source from 1, as outputs do; `line` is what messages say (see `opened.Opened`).
SCHEMA = pa.schema(
    [
        ("text", pa.large_string()),
        ("pair", pa.large_string()),
        ("label", pa.large_string()),
        ("row", pa.int64()),
        ("line", pa.int64()),
    ]
)


@dataclass(frozen=True)
class Rows:
    """The rows of a source, with labels as they are spelled there.

    Attributes:
        table: Columns of `SCHEMA`, a missing label is null; or of the schema of another kind of task.
        paired: Whether the rows are pairs of texts.
        problems: The rows that were put aside; `settle` says whether they are too many.
        notes: What the log should say.
    """

    table: pa.Table
    paired: bool
    problems: Problems
    notes: tuple[str, ...]

    @property
    def name(self) -> str:
        """What messages call the source."""
        return self.problems.name


def read(source: Source, settings: DataSettings, *, labels: Labels, name: str = "data") -> Rows:
    """Read a source.

    Args:
        source: See `sources.open_source`.
        settings: Columns, dialect and how many bad rows are tolerated.
        labels: `needed`: a column of labels without gaps; `optional`: whatever there is; `none`: not looked at.
        name: What messages call an object in memory.

    Raises:
        UserError: If the source or one of its rows cannot be used; or there is no row.
    """
    opened = open_source(source, settings, name)
    refuse_columns(opened.known, settings)
    columns = choose(opened.known, settings, labels)
    problems = Problems(opened.known.name, settings.skip_bad)

    def check(cells: Sequence[Any]) -> Row | Bad:
        return checked(cells, columns, labels == "needed")

    table = gathered(opened.records(columns.wanted), check, SCHEMA, problems)
    return Rows(table, columns.pair is not None, problems, opened.notes)


def gathered(
    records: Iterable[tuple[int, Any]],
    check: Callable[[Any], Sequence[Any] | Bad],
    schema: pa.Schema,
    problems: Problems,
) -> pa.Table:
    """Gather the records that pass a check.

    Args:
        records: As `Opened.records` gives them.
        check: From a record's content to a row of the schema without its last two columns, `row` and `line`; or to why
            there is none.
        schema: Of the table.
        problems: Takes those that do not pass.

    Raises:
        UserError: If none is left, or one does not pass that is not tolerated.
    """
    sink, good = Sink(schema), 0
    for row, line, content in numbered(records):
        result = content if isinstance(content, Bad) else check(content)
        if isinstance(result, Bad):
            problems.add(line, result, row - result.rows + 1)
        else:
            sink.add((*result, row, line))
            good += 1
    if good == 0:
        problems.settle(good)  # raises where every row is bad
        raise UserError(f"{problems.name}: no rows after the header")
    return sink.table()


def numbered(records: Iterable[tuple[int, Any]]) -> Iterator[tuple[int, int, Any]]:
    """Records with the number of their row put first; a bad one can be several rows."""
    row = 0
    for line, content in records:
        row += content.rows if isinstance(content, Bad) else 1
        yield row, line, content
