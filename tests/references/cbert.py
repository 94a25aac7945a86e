"""CBERT's generation, one piece at a time: the exact law of what stands at each place of a text."""

import math
from collections.abc import Callable, Sequence
from itertools import product


def law_of_hidden_places(usable: Sequence[int], draws: int) -> dict[tuple[int, ...], float]:
    """Places drawn with replacement; a place drawn twice is hidden once."""
    law: dict[tuple[int, ...], float] = {}
    for drawn in product(usable, repeat=draws):
        places = tuple(sorted(set(drawn)))
        law[places] = law.get(places, 0.0) + len(usable) ** -draws
    return law


def law_at(
    place: int,
    pieces: Sequence[int],
    usable: Sequence[int],
    draws: int,
    mask: int,
    scores_of: Callable[[list[int]], list[list[float]]],
    allowed: Sequence[int],
    temperature: float,
) -> dict[int, float]:
    """Which piece ends up at a place: its own where the place was not hidden, else a draw from the softmax."""
    law: dict[int, float] = {}
    for places, probability in law_of_hidden_places(usable, draws).items():
        if place not in places:
            law[pieces[place]] = law.get(pieces[place], 0.0) + probability
            continue
        shown = [mask if position in places else piece for position, piece in enumerate(pieces)]
        scores = scores_of(shown)[place]
        weights = {piece: math.exp(scores[piece] / temperature) for piece in allowed}
        total = sum(weights.values())
        for piece, weight in weights.items():
            law[piece] = law.get(piece, 0.0) + probability * weight / total
    return law
