"""Texts with several labels each, or none: read from a column of lists, or from columns of 0 and 1."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tinybert.data.columns import Columns, Header, Labels, choose_columns
from tinybert.data.example_table import with_labels
from tinybert.data.examples import Examples
from tinybert.data.labels import ClassMeaning
from tinybert.data.problems import BadRow, Problems, listed, shown
from tinybert.data.read import ROW_SCHEMA, DataInput, RawRows, gathered, open_rows, read
from tinybert.data.readers import RowReader
from tinybert.data.recognise import check_recognised
from tinybert.data.resolve import unlabelled
from tinybert.data.rows import NO_LABEL, Row, checked, is_missing, spelled
from tinybert.data.settings import DataSettings
from tinybert.data.spelling import meant, renamed
from tinybert.errors import UserError

LISTS = "labels"  # the column of a table of rows that holds them
_SPELLED = pa.schema(
    [
        *(ROW_SCHEMA.field(name) for name in ("text", "pair")),
        (LISTS, pa.large_list(pa.large_string())),
        *(ROW_SCHEMA.field(name) for name in ("row", "line")),
    ]
)
_ADVICE = "; correct or remove the row"
_HOLDS = {"1": True, "true": True, "0": False, "false": False}

_Found = list[str] | str | None  # labels as they are spelled, or why there are none; None = missing


def has_lists(reader: RowReader, settings: DataSettings) -> bool:
    """Whether the first label that is there is a list.

    Raises:
        UserError: If the rows cannot be read.
    """
    name = settings.label or "label"
    if name not in reader.header.names and not reader.header.open_ended:
        return False
    rows = (row.get(name) for _, row in reader.records((name,)) if not isinstance(row, BadRow))
    first = next((_plain(value) for value in rows if not is_missing(value)), None)
    return isinstance(first, list | tuple)


def read_label_lists(data: DataInput, settings: DataSettings, *, labels: Labels, name: str) -> RawRows:
    """Read texts, or pairs of them, with lists of labels: `label`, or the columns that `data.labels` names.

    Args:
        data: See `read.open_rows`.
        settings: Columns, dialect and how many bad rows are tolerated.
        labels: `needed`: labels without gaps; `optional`: whatever there is; `none`: not looked at.
        name: What messages call an object in memory.

    Raises:
        UserError: If the data or one of their rows cannot be used; or there is no row.
    """
    reader = open_rows(data, settings, name)
    check_recognised(reader.header, settings)
    columns = choose_columns(reader.header, settings, "none" if settings.labels else labels)
    names = _label_columns(reader.header, columns, settings, labels)
    if not names:
        return read(reader, settings, labels="none", name=name)
    texts, problems = columns._replace(label=None), Problems(reader.header.name, settings.skip_bad)
    found_in = _by_column if settings.labels else _listed_in

    def check(row: Mapping[str, Any]) -> Sequence[Any] | BadRow:
        return _checked(row, texts, names, found_in, labels == "needed")

    table = gathered(reader.records((*texts.wanted, *names)), check, _SPELLED, problems)
    return RawRows(table, columns.pair is not None, problems, reader.notes)


def _label_columns(header: Header, columns: Columns, settings: DataSettings, labels: Labels) -> tuple[str, ...]:
    if not settings.labels:
        return () if columns.label is None else (columns.label,)
    missing = [name for name in settings.labels if name not in header.names]
    if labels == "none" or (labels == "optional" and len(missing) == len(settings.labels)):
        return ()
    if missing and not header.open_ended:
        raise UserError(
            f"{header.where}: no column '{listed(missing[:1])}'; there are: {listed(header.names)}; correct data.labels"
        )
    return settings.labels


def _checked(
    row: Mapping[str, Any],
    texts: Columns,
    names: Sequence[str],
    found_in: Callable[[Mapping[str, Any], Sequence[str]], _Found],
    needed: bool,
) -> Sequence[Any] | BadRow:
    content = [row.get(name) for name in (*texts.wanted, *names)]
    sides = checked(content[: len(texts.wanted)], texts, label_needed=False)
    if not isinstance(sides, Row):
        return sides
    found = found_in(row, names)
    if isinstance(found, str) or (found is None and needed):
        return BadRow(f"{found}{_ADVICE}" if found else NO_LABEL, content)
    return sides.text, sides.pair, found


def _listed_in(row: Mapping[str, Any], names: Sequence[str]) -> _Found:
    (name,) = names
    if is_missing(value := _plain(row.get(name))):
        return None
    if not isinstance(value, list | tuple):
        return (
            f"'{name}' is not a list of labels but {shown(value)}; write [] where none holds, or name columns of 0 and "
            "1 with data.labels"
        )
    found = [(label, spelled(label)) for label in value]
    odd = next((label for label, name in found if not isinstance(name, str)), None)
    good = [name for _, name in found if isinstance(name, str)]
    return good if len(good) == len(found) else f"'{name}' holds {shown(odd)}, which is no label"


def _by_column(row: Mapping[str, Any], names: Sequence[str]) -> _Found:
    found: dict[str, bool] = {}
    for name in names:
        said = spelled(row.get(name))
        if said is None:
            continue
        if not isinstance(said, str) or (holds := _HOLDS.get(meant(said))) is None:
            return f"'{name}' is {shown(row.get(name))}, neither 0 nor 1"
        found[name] = holds
    if found and len(found) < len(names):
        return f"'{next(name for name in names if name not in found)}' is missing; write 0 or 1"
    return [name for name, holds in found.items() if holds] if found else None


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") and hasattr(value, "ndim") else value


def spellings_in(rows: RawRows) -> list[str]:
    """Every label of the lists once, as it is spelled, in order of appearance."""
    return [str(name) for name in pc.unique(_flat(rows)).to_pylist()]


def line_of_label(rows: RawRows, name: str) -> int:
    """What messages call the first row whose list has a label."""
    lists = _lists(rows)
    first = pc.list_parent_indices(lists)[pc.index(lists.flatten(), name).as_py()].as_py()
    return int(rows.table.column("line")[first].as_py())


def resolve_label_lists(rows: RawRows, meaning: ClassMeaning, *, needed: bool = True) -> Examples:
    """Say of every row which labels hold: a matrix of 0 and 1.

    Labels that `data.label_map` leaves out are taken out of the lists; their rows stay.

    Args:
        rows: As `read_label_lists` gives them.
        meaning: Of the labels.
        needed: Whether rows without labels are of no use.

    Raises:
        UserError: If labels are missing while others are there, or are unknown; in more rows than are tolerated.
    """
    if LISTS not in rows.table.column_names:
        return unlabelled(rows)
    lists = _lists(rows)
    there = lists.is_valid().to_numpy(zero_copy_only=False)
    if not needed and not there.any():
        return unlabelled(rows)
    encoded = lists.flatten().dictionary_encode()
    names = encoded.dictionary.to_pylist()
    values = np.array([-1 if (value := meaning.value(name)) is None else value for name in names], np.int64)
    wrong = np.array([value < 0 and not meaning.leaves_out(n) for n, value in zip(names, values, strict=True)], bool)
    codes, parents = encoded.indices.to_numpy(), pc.list_parent_indices(lists).to_numpy()
    labels = np.zeros((len(lists), len(meaning.classes)), np.uint8)
    known = values[codes] >= 0
    labels[parents[known], values[codes][known]] = 1
    problems: dict[int, str] = {int(row): NO_LABEL for row in np.flatnonzero(~there)}
    for flat in np.flatnonzero(wrong[codes]):
        problems.setdefault(int(parents[flat]), meaning.why_not(names[codes[flat]]))
    for index in sorted(problems):
        row = rows.table.slice(index, 1).to_pylist()[0]
        rows.problems.add(row["line"], BadRow(problems[index], [row["text"], row["pair"], row[LISTS]]), row["row"])
    kept = np.setdiff1d(np.arange(len(lists)), list(problems)) if problems else None
    good = len(lists) - len(problems)
    return Examples(with_labels(rows.table, labels), kept, (*rows.notes, *rows.problems.settle(good)))


def called(names: Sequence[str], label_map: Mapping[str, str | None]) -> list[str]:
    """Labels by the names that `data.label_map` gives them, without those that it leaves out."""
    return [name for spelling in names if (name := renamed(spelling, label_map)) is not None]


def _lists(rows: RawRows) -> Any:
    column = rows.table.column(LISTS)
    return pa.concat_arrays(column.chunks)


def _flat(rows: RawRows) -> Any:
    return _lists(rows).flatten()
