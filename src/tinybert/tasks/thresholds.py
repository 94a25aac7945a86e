"""From which probability on a label is said to hold: fitted on dev, for F1, or for a wanted precision or recall."""

import re
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

USUAL = 0.5  # the threshold of a label for which none was fitted

_WANTED = re.compile(r"(precision|recall):(0?\.\d+|1|1\.0*)")


class Wanted(NamedTuple):
    """The precision or recall that a threshold has to reach."""

    figure: Literal["precision", "recall"]
    least: float


def parse_wanted(text: str) -> Wanted:
    """What `precision:0.95` asks for.

    Raises:
        ValueError: If it is neither a precision nor a recall above 0 and up to 1.

    Example:
        >>> parse_wanted("recall:0.9")
        Wanted(figure='recall', least=0.9)
    """
    found = _WANTED.fullmatch(text)
    if found is None or not float(found[2]):
        raise ValueError(f"{text!r} is no threshold; write precision:0.95 or recall:0.9")
    return Wanted("precision" if found[1] == "precision" else "recall", float(found[2]))


def fitted_threshold(
    holds: Bool[np.ndarray, " row"], scores: Float[np.ndarray, " row"], wanted: Wanted | None = None
) -> float:
    """The threshold of one label that suits some rows best, halfway between two scores.

    Without a wish that with the best F1, of several as good the one nearest one half. For a wanted precision that with
    the most recall among those that reach it, and the other way round; where none does, the nearest. One half where
    the label holds of no row, or of all.

    Args:
        holds: Whether the label does.
        scores: Its probabilities.
        wanted: What has to be reached.

    Example:
        >>> holds, scores = np.array([False, True, False, True]), np.array([0.25, 0.375, 0.5, 0.75])
        >>> fitted_threshold(holds, scores), fitted_threshold(holds, scores, Wanted("precision", 0.9))
        (0.3125, 0.625)
    """
    if not holds.any() or holds.all():
        return USUAL
    order = np.argsort(-scores, kind="stable")
    scores, right = scores[order].astype(np.float64), np.cumsum(holds[order])
    ends = np.flatnonzero(np.append(scores[:-1] > scores[1:], True))  # equal scores are said together
    limits = (scores[ends] + np.append(scores[1:], 0.0)[ends]) / 2
    right, said = right[ends], ends + 1
    if wanted is None:
        f1 = 2 * right / (said + holds.sum())
        best = limits[f1 >= f1.max() - 1e-12]
        return float(best[np.abs(best - USUAL).argmin()])
    return float(limits[_best_place(right, said, int(holds.sum()), wanted)])


def _best_place(right: Int[np.ndarray, " limit"], said: Int[np.ndarray, " limit"], there: int, wanted: Wanted) -> int:
    """The limit that reaches what is wanted and has most of the other figure, then most of the wanted one."""
    precision, recall = right / said, right / there
    first, second = (precision, recall) if wanted.figure == "precision" else (recall, precision)
    reached = np.minimum(first, wanted.least)
    return int(np.lexsort((first, second, reached))[-1])
