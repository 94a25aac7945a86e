"""Read a source row by row: every row is checked, and what is wrong with one names the source and the row."""

from dataclasses import dataclass

import pyarrow as pa

from tinybert.data.columns import Labels, choose
from tinybert.data.problems import Bad, Problems
from tinybert.data.rows import checked
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
        table: Columns of `SCHEMA`; a missing label is null.
        paired: Whether the rows are pairs of texts.
        has_labels: Whether there is a column of labels.
        problems: The rows that were put aside; `settle` says whether they are too many.
        notes: What the log should say.
    """

    table: pa.Table
    paired: bool
    has_labels: bool
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
    columns = choose(opened.known, settings, labels)
    problems = Problems(opened.known.name, settings.skip_bad)
    sink, good, row = Sink(SCHEMA), 0, 0
    for line, cells in opened.records(columns.wanted):
        row += cells.rows if isinstance(cells, Bad) else 1
        result = cells if isinstance(cells, Bad) else checked(cells, columns, labels == "needed")
        if isinstance(result, Bad):
            problems.add(line, result)
        else:
            sink.add((*result, row, line))
            good += 1
    if good == 0:
        problems.settle(good)  # raises where every row is bad
        raise UserError(f"{problems.name}: no rows after the header")
    return Rows(sink.table(), columns.pair is not None, columns.label is not None, problems, opened.notes)
