"""A teacher's scores in a file, a row beside each row of train: an LLM, an ensemble or a service is the teacher."""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from tinybert.data.columns import Header
from tinybert.data.problems import BadRow, listed, shown
from tinybert.data.read import DataInput, open_rows
from tinybert.data.settings import DataSettings, Scale
from tinybert.errors import UserError

SCORES = "scores"  # a column of lists or objects, as `predict` writes them
_LEAST = 1e-12  # stands for a probability of 0, whose logarithm no loss can learn
_SUM = 1e-3  # how far a sum of probabilities may be from 1: numbers are written with few digits

Scores = Float[np.ndarray, "row label"]


class ScoreTable(NamedTuple):
    """Scores as they were read.

    Attributes:
        name: What messages call the source.
        lines: Where a person looks for each row.
        values: As they stand there, in the order of the outputs.
    """

    name: str
    lines: list[int]
    values: Scores

    def where(self, row: int) -> str:
        """What messages call a row, counted from 0."""
        return f"{self.name}:{self.lines[row]}"


def read_scores(source: DataInput, outputs: Sequence[str]) -> ScoreTable:
    """Read a number for each output of each row: from columns of these names, else from the column `scores`.

    Args:
        source: See `read.open_rows`; with named columns whatever `data.header` says of train.
        outputs: Names of the classes in order.

    Raises:
        UserError: If columns are missing, or a value is no finite number; the line names file and row.
    """
    reader = open_rows(source, DataSettings(), "teacher_scores")
    wanted, take = _taker(reader.header, outputs)
    lines, values = [], []
    for line, row in reader.records(wanted):
        found = row if isinstance(row, BadRow) else take(row)
        if isinstance(found, BadRow):
            raise UserError(f"{reader.header.name}:{line}: {found.reason}")
        lines.append(line)
        values.append(found)
    return ScoreTable(reader.header.name, lines, np.array(values, np.float64).reshape(len(lines), len(outputs)))


def _taker(header: Header, outputs: Sequence[str]) -> tuple[Sequence[str], Callable[[Any], list[float] | BadRow]]:
    """Which columns are wanted, and how a row becomes numbers."""
    missing = [name for name in outputs if name not in header.names]
    if not missing:
        return outputs, lambda row: _numbers(outputs, [row.get(name) for name in outputs])
    if SCORES in header.names:
        return (SCORES,), lambda row: _of_cell(row.get(SCORES), outputs)
    raise UserError(
        f"{header.where}: no column for {listed(missing)}; there are: {listed(header.names)}; name a column after each "
        f"of {listed(outputs)}, or give lists or objects in a column '{SCORES}'"
    )


def _of_cell(cell: Any, outputs: Sequence[str]) -> list[float] | BadRow:
    if hasattr(cell, "tolist"):
        cell = cell.tolist()
    if isinstance(cell, dict):
        if strange := [name for name in cell if name not in outputs]:
            return BadRow(f"scores of {listed(strange)}, but the classes are {listed(outputs)}; rename them", cell)
        return _numbers(outputs, [cell.get(name) for name in outputs])
    if isinstance(cell, list | tuple) and len(cell) == len(outputs):
        return _numbers(outputs, cell)
    return BadRow(f"'{SCORES}' is {shown(cell)}; {len(outputs)} numbers are wanted, of {listed(outputs)}", cell)


def _numbers(outputs: Sequence[str], cells: Sequence[Any]) -> list[float] | BadRow:
    found = []
    for name, cell in zip(outputs, cells, strict=True):
        try:
            found.append(float(cell))
        except (TypeError, ValueError):
            return BadRow(f"the score of {name} is {shown(cell)}, not a number", cells)
        if not math.isfinite(found[-1]):
            return BadRow(f"the score of {name} is {shown(cell)}, not a finite number", cells)
    return found


def logits_of_classes(table: ScoreTable, scale: Scale) -> Scores:
    """Logits of which softmax makes a teacher's distribution over classes of which one holds.

    Raises:
        UserError: If probabilities do not sum to 1.

    Example:
        >>> logits_of_classes(ScoreTable("f", [1], np.array([[0.5, 0.5]])), "probabilities").round(3).tolist()
        [[-0.693, -0.693]]
    """
    if scale == "logits":
        return table.values
    shares = _probabilities(table, scale)
    sums = shares.sum(axis=1)
    for row in np.flatnonzero(np.abs(sums - 1) > _SUM)[:1]:
        raise UserError(f"{table.where(int(row))}: the {_called(scale)} sum to {sums[row]:.4g}, not to 1; {_ADVICE}")
    return np.asarray(np.log(np.maximum(shares, _LEAST)))


def logits_of_labels(table: ScoreTable, scale: Scale) -> Scores:
    """Logits of which the sigmoid makes a teacher's probability of each label, of which several may hold.

    Raises:
        UserError: If one is no probability.
    """
    if scale == "logits":
        return table.values
    shares = np.clip(_probabilities(table, scale), _LEAST, 1 - _LEAST)
    return np.asarray(np.log(shares) - np.log1p(-shares))


_ADVICE = "normalise them, or say what they are by data.scores=probabilities, log_probabilities or logits"


def _called(scale: Scale) -> str:
    return scale.replace("_", " ")


def _probabilities(table: ScoreTable, scale: Scale) -> Scores:
    with np.errstate(over="ignore"):  # logits that are called logarithms
        shares = table.values if scale == "probabilities" else np.exp(table.values)
    for row, column in np.argwhere((shares < 0) | (shares > 1 + _SUM))[:1]:
        raise UserError(
            f"{table.where(int(row))}: {table.values[row, column]:g} is out of the range of {_called(scale)}; {_ADVICE}"
        )
    return shares
