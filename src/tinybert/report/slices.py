"""Slices of the rows by a column of their file: where a student loses more than elsewhere."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from tinybert.config import parse, read_yaml
from tinybert.data.hub import PREFIX
from tinybert.data.read import open_rows
from tinybert.data.settings import DataSettings
from tinybert.errors import UserError
from tinybert.report.read import RunFiles
from tinybert.statistics import Interval

MOST = 20  # values that are shown; rarer ones are one slice
_NONE, _OTHERS = "(none)", "(others)"
_PAIRS = (("teacher", "student"), ("teacher", "student_int8"), ("student", "student_int8"))
Rows = Bool[np.ndarray, " row"]


class Slice(NamedTuple):
    """Rows that have something in common.

    Attributes:
        name: The value of the column, or the range of values.
        rows: How many there are.
        scores: The metric, by system.
        differences: Of second minus first, for each of the pairs.
    """

    name: str
    rows: int
    scores: Mapping[str, float]
    differences: Sequence[Interval]


class Slices(NamedTuple):
    """All rows by one column.

    Attributes:
        column: Its name.
        metric: What is compared.
        pairs: Which systems, first and second.
        slices: In ascending order of a number; else those first in which the last pair differs to its disadvantage.
    """

    column: str
    metric: str
    pairs: Sequence[tuple[str, str]]
    slices: Sequence[Slice]


def slices(run: RunFiles, column: str) -> Slices:
    """The labelled rows that a run was evaluated on, by a column of the file that they are from.

    Raises:
        UserError: If there is no such column or file, or the answers are not one class or score each.
    """
    if (rows := run.predictions) is None:
        raise UserError(f"--by {column}: {run.folder} has no labelled predictions of one class or score each")
    values = _values(run.folder, column)
    if rows.rows.max() > len(values):
        raise UserError(f"--by {column}: {run.folder} answered row {rows.rows.max()} of a file that has {len(values)}")
    groups, ordered = _groups([values[row - 1] for row in rows.rows])
    pairs = [pair for pair in _PAIRS if set(pair) <= set(rows.predicted)]
    pairs = [pair for pair in pairs if pair[0] == "teacher"] or pairs
    found = []
    for name, chosen in groups.items():
        some = rows.where(chosen)
        scores = {system: some.interval(system).estimate for system in some.predicted}
        tests = [some.compare(some.predicted[first], some.predicted[second]).difference for first, second in pairs]
        found.append(Slice(name, int(chosen.sum()), scores, tests))
    if not ordered and pairs:
        found.sort(key=lambda one: one.differences[-1].estimate)
    return Slices(column, rows.metric, pairs, found)


def _values(folder: Path, column: str) -> list[Any]:
    """A column of the file whose rows were predicted: test, else dev, else train, of which dev was a part then."""
    config, origin = read_yaml(folder / "config.yaml")
    source = next(str(config[name]) for name in ("test", "dev", "train") if config.get(name) is not None)
    path = source if source.startswith(PREFIX) else str(folder / source)
    if path is not source and not Path(path).is_file():
        raise UserError(f"--by {column}: {path}: no such file, where {folder} read the rows that it answered")
    reader = open_rows(path, parse(DataSettings, config.get("data") or {}, origin=origin))
    if column not in reader.header.names and not reader.header.open_ended:
        raise UserError(f"--by {column}: {path} has no such column; it has {', '.join(reader.header.names)}")
    values = [row.get(column) if isinstance(row, Mapping) else None for _, row in reader.records([column])]
    if all(value is None for value in values):
        raise UserError(f"--by {column}: no row of {path} has it; the first has {', '.join(reader.header.names)}")
    return values


def _groups(values: Sequence[Any]) -> tuple[Mapping[str, Rows], bool]:
    """Which rows belong to which slice, and whether their order says something: quartiles of numbers, else values."""
    names = np.array([_NONE if value in (None, "") else str(value) for value in values])
    known, missing = np.array([_number(value) for value in values]), names == _NONE
    if (missing | ~np.isnan(known)).all() and len(np.unique(known[~missing])) > 4:
        return _quartiles(known) | ({_NONE: missing} if missing.any() else {}), True
    common = [name for name, _ in Counter(names.tolist()).most_common(MOST) if name != _OTHERS]
    rest = ~np.isin(names, common)
    return {name: names == name for name in common} | ({_OTHERS: rest} if rest.any() else {}), False


def _quartiles(known: Float[np.ndarray, " row"]) -> dict[str, Rows]:
    """Four parts of as many rows, as far as equal values allow; by their least and largest value."""
    edges = np.nanquantile(known, (0.25, 0.5, 0.75))
    parts = np.where(np.isnan(known), -1, np.searchsorted(edges, known))
    chosen = [parts == part for part in range(4) if (parts == part).any()]
    for digits in (6, 17):  # where fewer do not tell parts apart
        names = [f"{known[rows].min():.{digits}g} to {known[rows].max():.{digits}g}" for rows in chosen]
        if len(set(names)) == len(chosen):
            break
    return dict(zip(names, chosen, strict=True))


def _number(value: Any) -> float:
    """A cell as a number; NaN where it is none."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return float("nan")
    return number if np.isfinite(number) else float("nan")
