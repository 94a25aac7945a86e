"""What metrics have in common: their checks, and silence about what is undefined."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np


def check_rows(gold: np.ndarray, predicted: np.ndarray) -> None:
    """Refuse numbers of rows that make no metric; a `ValueError`."""
    if len(gold) != len(predicted) or len(gold) == 0:
        raise ValueError(f"metrics need as many predictions as labels, and some; got {len(predicted)} and {len(gold)}")


def defined(value: float) -> float:
    """The value; 0 where it is not finite."""
    return float(value) if np.isfinite(value) else 0.0


@contextmanager
def silent_on_undefined() -> Iterator[None]:
    """Silence the libraries on undefined figures: we define them above, and a progress line must not be torn."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield
