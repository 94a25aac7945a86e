"""What stands in the JSON files of a run, as far as it is there and is what one hopes for."""

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tinybert.errors import UserError
from tinybert.files import read_json


def number(value: Any) -> float | None:
    """The value as a float if it is a finite number (a truth value is none), else None."""
    known = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if known else None


def mapping(value: Any) -> Mapping[str, Any]:
    """The value if it is a mapping, else an empty one: what is missing from a file has no entries."""
    return value if isinstance(value, dict) else {}


def numbers(value: Any) -> dict[str, float]:
    """Those entries of a mapping that are finite numbers."""
    return {str(key): known for key, entry in mapping(value).items() if (known := number(entry)) is not None}


def read_mapping(path: Path) -> Mapping[str, Any]:
    """The object in a JSON file; an empty one where there is no file.

    Raises:
        UserError: If it is not JSON.
    """
    try:
        return mapping(read_json(path)) if path.exists() else {}
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not JSON ({error}); it was changed after the run") from error


def read_records(path: Path) -> Iterator[Mapping[str, Any]]:
    """Objects of a JSON-lines file; a line that a kill cut off is passed over."""
    if not path.exists():
        return
    with path.open(encoding="utf-8", errors="replace") as stream:
        for line in stream:
            try:
                value = json.loads(line)
            except json.JSONDecodeError:
                continue
            if isinstance(value, dict):
                yield value
