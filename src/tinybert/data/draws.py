"""Which rows of train become dev, and which few are kept: stratified draws from named random streams."""

import numpy as np
from jaxtyping import Bool, Int

_SHARE = 10  # one row in so many becomes dev


def dev_rows(strata: Int[np.ndarray, " rows"], rng: np.random.Generator) -> Bool[np.ndarray, " rows"]:
    """Draw a tenth of the rows as dev, at least one of each stratum.

    Args:
        strata: The class of each row, or the same number for all.
        rng: The stream of this draw.

    Returns:
        True where a row becomes dev. A class with a single row keeps it in train, where alone it can be learnt from.
    """
    dev = np.zeros(len(strata), np.bool_)
    for stratum in (np.flatnonzero(strata == index) for index in np.unique(strata)):
        if len(stratum) > 1:
            count = max(1, round(len(stratum) / _SHARE))
            dev[rng.permutation(stratum)[:count]] = True
    return dev


def share_of_rows(
    strata: Int[np.ndarray, " rows"], share: float, rng: np.random.Generator
) -> Int[np.ndarray, " drawn"]:
    """Draw a share of the rows of each stratum, at least one; in the order of the data."""
    found = [np.flatnonzero(strata == index) for index in np.unique(strata)]
    return np.sort(np.concatenate([rng.permutation(rows)[: max(1, round(share * len(rows)))] for rows in found]))


def few_rows(classes: Int[np.ndarray, " rows"], per_class: int, rng: np.random.Generator) -> Int[np.ndarray, " drawn"]:
    """Draw so many rows of each class, all of a class that has fewer; in the order of the data."""
    drawn = [rng.permutation(np.flatnonzero(classes == index))[:per_class] for index in np.unique(classes)]
    return np.sort(np.concatenate(drawn))
