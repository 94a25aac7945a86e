"""CBERT's generation, one piece at a time: the exact law of what stands at each position of a text."""

import math
from collections.abc import Callable, Sequence
from itertools import product


def law_of_hidden_positions(usable: Sequence[int], draws: int) -> dict[tuple[int, ...], float]:
    """Positions drawn with replacement; a position drawn twice is hidden once."""
    law: dict[tuple[int, ...], float] = {}
    for drawn in product(usable, repeat=draws):
        positions = tuple(sorted(set(drawn)))
        law[positions] = law.get(positions, 0.0) + len(usable) ** -draws
    return law


def law_at(
    position: int,
    pieces: Sequence[int],
    usable: Sequence[int],
    draws: int,
    mask: int,
    scores_of: Callable[[list[int]], list[list[float]]],
    allowed: Sequence[int],
    temperature: float,
) -> dict[int, float]:
    """Which piece ends up at a position: its own where the place was not hidden, else a draw from the softmax."""
    law: dict[int, float] = {}
    for positions, probability in law_of_hidden_positions(usable, draws).items():
        if position not in positions:
            law[pieces[position]] = law.get(pieces[position], 0.0) + probability
            continue
        shown = [mask if position in positions else piece for position, piece in enumerate(pieces)]
        scores = scores_of(shown)[position]
        weights = {piece: math.exp(scores[piece] / temperature) for piece in allowed}
        total = sum(weights.values())
        for piece, weight in weights.items():
            law[piece] = law.get(piece, 0.0) + probability * weight / total
    return law
