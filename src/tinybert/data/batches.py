"""Which rows go together: the order of global batches as a pure function of a random stream.

Rows of about the same length share a batch, since a batch is padded to its longest row; they are sorted only within
windows of `WINDOW` batches, so that what a batch holds and when it comes stays random.
"""

import numpy as np
from jaxtyping import Int

WINDOW = 50  # batches


def batches(
    lengths: Int[np.ndarray, " rows"], batch_size: int, rng: np.random.Generator
) -> list[Int[np.ndarray, " _"]]:
    """One epoch of global batches.

    All rows are permuted, cut into windows, each sorted by length and cut into batches; then the batches are shuffled.

    Args:
        lengths: Pieces per row.
        batch_size: Rows per batch over all ranks; one batch may be shorter.
        rng: Stream of this epoch.

    Returns:
        Indices of rows; every row occurs exactly once.

    Raises:
        ValueError: If the batch size is not positive.
    """
    _check(batch_size)
    order = rng.permutation(len(lengths))
    window = WINDOW * batch_size
    parts: list[Int[np.ndarray, " _"]] = []
    for start in range(0, len(order), window):
        rows = order[start : start + window]
        parts += _cut(rows[np.argsort(lengths[rows], kind="stable")], batch_size)
    return [parts[position] for position in rng.permutation(len(parts))]


def by_length(lengths: Int[np.ndarray, " rows"], batch_size: int) -> list[Int[np.ndarray, " _"]]:
    """Batches in a fixed order, for evaluation and for the teacher's cache.

    Args:
        lengths: Pieces per row.
        batch_size: Rows per batch; the last may be shorter.

    Returns:
        Indices of rows, the longest first, so that what does not fit into memory fails at once; rows of the same length
        keep their order.

    Raises:
        ValueError: If the batch size is not positive.
    """
    _check(batch_size)
    return _cut(np.argsort(-lengths.astype(np.int64), kind="stable"), batch_size)


def _cut(rows: Int[np.ndarray, " rows"], batch_size: int) -> list[Int[np.ndarray, " _"]]:
    return [rows[start : start + batch_size] for start in range(0, len(rows), batch_size)]


def _check(batch_size: int) -> None:
    if batch_size < 1:
        raise ValueError(f"a batch needs at least one row, got a batch size of {batch_size}")
