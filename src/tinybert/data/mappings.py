"""Rows that carry the names of their columns: JSON lines and lists of dictionaries."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Any

from tinybert.data.columns import Known
from tinybert.data.dialect import Cells, plain_lines
from tinybert.data.opened import Opened, Record, WholeRecord, one_line
from tinybert.data.problems import Bad, listed
from tinybert.errors import UserError

BEGUN = re.compile(r"\s*(?:(\[)\s*(?:\{|$)|\{\s*$)")  # a first line of JSON that is not one object a line


def open_json_lines(name: str, lines: Iterable[str]) -> Opened:
    """Open JSON lines.

    Raises:
        UserError: If there is none, or no line is an object.
    """
    rest = iter(lines)
    first = next(rest, "")
    if begun := BEGUN.match(first):
        what, program = ("an array of rows", "'.[]'") if begun[1] else ("an object over several lines", ".")
        raise UserError(f"{name}:1: {what}, not one object a line; convert it: jq -c {program} OLD > NEW.jsonl")
    return _open(name, (_parsed(line, cells) for line, cells in plain_lines(chain([first], rest))))


def open_list(name: str, rows: Iterable[Any]) -> Opened:
    """Open a list of dictionaries, or a stream of them.

    Raises:
        UserError: If it is empty, or no entry is a dictionary.
    """
    wrong = "not a dictionary; a list of dictionaries is wanted"
    return _open(name, ((n, row if isinstance(row, Mapping) else Bad(wrong, row)) for n, row in enumerate(rows, 1)))


def _open(name: str, parts: Iterator[WholeRecord]) -> Opened:
    """The first row that can be read says which columns there are; later ones may have more."""
    before: list[WholeRecord] = []
    bad: tuple[int, Bad] | None = None
    for line, row in parts:
        if isinstance(row, Bad):
            before.append((line, row))
            bad = bad or (line, row)
            continue
        known = Known(name, tuple(str(key) for key in row), line, open_ended=True)
        everything = chain(before, [(line, row)], parts)
        return Opened(known, partial(_picked, everything), mappings=partial(_named, everything))
    raise UserError(f"{name}:{bad[0]}: {bad[1].reason}" if bad else f"{name}: no rows")


def _picked(parts: Iterable[WholeRecord], wanted: Sequence[str]) -> Iterator[Record]:
    for line, row in parts:
        yield line, row if isinstance(row, Bad) else [row.get(name) for name in wanted]


def _named(parts: Iterable[WholeRecord]) -> Iterator[WholeRecord]:
    for line, row in parts:
        yield line, row if isinstance(row, Bad) else {str(key): value for key, value in row.items()}


def _parsed(line: int, cells: Cells | Bad) -> WholeRecord:
    if isinstance(cells, Bad):
        return line, cells
    try:
        value = json.loads(cells[0], object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        return line, Bad(f"not valid JSON ({one_line(error)}); correct or remove the row", cells[0])
    if not isinstance(value, dict):
        return line, Bad('not a JSON object; write one a line, as in {"text": "...", "label": "..."}', cells[0])
    return line, value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key '{listed({n for n in names if names.count(n) > 1})}' occurs twice")
    return row
