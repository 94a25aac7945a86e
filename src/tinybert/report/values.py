"""What a value of a JSON file is, if it is what one hopes for."""

import math
from collections.abc import Mapping
from typing import Any


def number(value: Any) -> float | None:
    """The value as a float if it is a finite number (a truth value is none), else None."""
    known = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if known else None


def mapping(value: Any) -> Mapping[str, Any]:
    """The value if it is a mapping, else an empty one: what is missing from a file has no entries."""
    return value if isinstance(value, dict) else {}
