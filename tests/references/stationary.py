"""L2A's stationary distribution of one sample, factor by factor, in plain loops: Eq. 10 to 12."""

import math
from collections.abc import Callable, Mapping, Sequence

Scores = Callable[[list[int]], list[list[float]]]


def log_probability(
    original: Sequence[int],
    sample: Sequence[int],
    allowed: Mapping[int, Sequence[int]],
    mask: int,
    scores_of: Scores,
    *,
    alpha: float,
    word_temperature: float,
    min_edits: int,
    fill: str,
    word: str,
) -> float:
    """log P(d|x) + log P(o|d,x) + log P(w|o,d,x); d weighs exp(-d / alpha). `allowed`: by position that may change."""
    chosen = [position for position in sorted(allowed) if original[position] != sample[position]]
    distances = range(min(min_edits, len(allowed)), len(allowed) + 1)
    weights = {distance: math.comb(len(allowed), distance) * math.exp(-distance / alpha) for distance in distances}
    total = math.log(weights[len(chosen)] / sum(weights.values())) - math.log(math.comb(len(allowed), len(chosen)))
    so_far = list(original)
    for position in chosen:
        hidden = chosen if fill == "joint" else [position]
        shown = [mask if number in hidden else piece for number, piece in enumerate(so_far)]
        scores = scores_of(shown)[position]
        if word == "probabilities":
            whole = sum(math.exp(score) for score in scores)
            scores = [math.exp(score) / whole for score in scores]
        others = [piece for piece in allowed[position] if piece != original[position]]
        total += scores[sample[position]] / word_temperature
        total -= math.log(sum(math.exp(scores[piece] / word_temperature) for piece in others))
        if fill == "sequential":
            so_far[position] = sample[position]
    return total
