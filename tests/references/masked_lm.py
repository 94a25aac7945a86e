"""Masked-LM training, one piece at a time."""

import math
from itertools import permutations

from references.prediction import soft_cross_entropy


def loss(logits: list[list[float]], targets: list[list[int]]) -> list[float]:
    """Mean negative log-likelihood per example; `logits` has an entry for each target that is not -1, in order."""
    remaining = iter(logits)
    losses = []
    for example in targets:
        terms = []
        for target in example:
            if target >= 0:
                scores = next(remaining)
                highest = max(scores)
                total = highest + math.log(sum(math.exp(score - highest) for score in scores))
                terms.append(total - scores[target])
        losses.append(sum(terms) / len(terms) if terms else 0.0)
    return losses


def soft_loss(
    student: list[list[float]], teacher: list[list[float]], targets: list[list[int]], temperature: float
) -> list[float]:
    """Mean cross-entropy under the teacher's distributions; both have an entry for each target that is not -1."""
    remaining = iter(soft_cross_entropy(student, teacher, temperature))
    terms = [[next(remaining) for target in example if target >= 0] for example in targets]
    return [sum(found) / len(found) if found else 0.0 for found in terms]


def law_of_positions(units: list[list[int]], wanted: int) -> dict[frozenset[int], float]:
    """Exact probabilities of the sets of positions: units in every order, each taken until enough positions are."""
    law: dict[frozenset[int], float] = {}
    orders = list(permutations(units))
    for order in orders:
        positions: list[int] = []
        for unit in order:
            if len(positions) >= wanted:
                break
            positions += unit
        law[frozenset(positions)] = law.get(frozenset(positions), 0.0) + 1 / len(orders)
    return law
