"""Which rows of train become dev, and which few are kept: stratified draws from named random streams."""

import numpy as np
from jaxtyping import Bool, Int, Shaped

_SHARE = 10  # one row in so many becomes dev


def dev_rows(labels: Shaped[np.ndarray, " rows"], classes: int, rng: np.random.Generator) -> Bool[np.ndarray, " rows"]:
    """Draw a tenth of the rows as dev, at least one of each class.

    Args:
        labels: Classes, or scores where `classes` is 0.
        classes: How many there are; 0 = scores, drawn without strata.
        rng: The stream of this draw.

    Returns:
        True where a row becomes dev. A class with a single row keeps it in train, where alone it can be learnt from.
    """
    dev = np.zeros(len(labels), np.bool_)
    strata = [np.flatnonzero(labels == index) for index in range(classes)] if classes else [np.arange(len(labels))]
    for stratum in strata:
        if len(stratum) > 1:
            count = max(1, round(len(stratum) / _SHARE))
            dev[rng.permutation(stratum)[:count]] = True
    return dev


def few_rows(
    labels: Int[np.ndarray, " rows"], classes: int, per_class: int, rng: np.random.Generator
) -> Int[np.ndarray, " drawn"]:
    """Draw so many rows of each class, all of a class that has fewer; in the order of the data."""
    strata = [rng.permutation(np.flatnonzero(labels == index))[:per_class] for index in range(classes)]
    return np.sort(np.concatenate(strata))
