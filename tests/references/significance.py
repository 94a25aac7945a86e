"""Slow twins of `experiments.significance`: rows are written out, figures are those of the book."""

from itertools import product

import numpy as np
from sklearn.metrics import f1_score, matthews_corrcoef


def figure(kind, gold, said):
    """Of one seed."""
    if kind == "accuracy":
        return sum(one == other for one, other in zip(gold, said, strict=True)) / len(gold)
    if kind == "macro_f1":
        return float(f1_score(gold, said, labels=[0, 1], average="macro", zero_division=0))
    if kind == "mcc":
        return float(matthews_corrcoef(gold, said))
    return 0.0 if len(set(gold)) == 1 or len(set(said)) == 1 else float(np.corrcoef(gold, said)[0, 1])


def mean_figure(kind, gold, said):
    return sum(figure(kind, gold, one) for one in said) / len(said)


def resampled_differences(kind, gold, first, second, rows, seeds):
    """The difference in each resample: rows and seeds as often as they were drawn."""
    found = []
    for of_rows, of_seeds in zip(rows, seeds, strict=True):
        drawn_rows, drawn_seeds = np.repeat(np.arange(len(gold)), of_rows), np.repeat(np.arange(len(first)), of_seeds)
        ours, theirs = (side[drawn_seeds][:, drawn_rows] for side in (first, second))
        found.append(mean_figure(kind, gold[drawn_rows], theirs) - mean_figure(kind, gold[drawn_rows], ours))
    return np.array(found)


def exact_swaps(kind, gold, first, second):
    """The share of all ways to swap the answers to some rows that leaves the systems as far apart."""
    observed, hits, ways = abs(mean_figure(kind, gold, second) - mean_figure(kind, gold, first)), 0, 0
    for swapped in product([False, True], repeat=len(gold)):
        one, other = np.where(swapped, second, first), np.where(swapped, first, second)
        hits += abs(mean_figure(kind, gold, other) - mean_figure(kind, gold, one)) >= observed - 1e-12
        ways += 1
    return hits / ways


def holm(p_values):
    """Step down: the smallest times their number, the next times one less, never below the one before."""
    left, adjusted, floor = dict(enumerate(p_values)), [0.0] * len(p_values), 0.0
    while left:
        smallest = min(left, key=lambda number: (left[number], number))
        floor = max(floor, min(1.0, left.pop(smallest) * (len(left) + 1)))
        adjusted[smallest] = floor
    return adjusted
