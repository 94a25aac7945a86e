"""Twin of the search for near words: every cosine by itself, in float64, the largest first."""

import math


def cosine(one, other):
    dot = math.fsum(a * b for a, b in zip(one, other, strict=True))
    return dot / math.sqrt(math.fsum(a * a for a in one) * math.fsum(b * b for b in other))


def nearest(vectors, word, count):
    """`vectors` maps words to lists of numbers; vectors of zeros have no direction."""
    if not any(vectors.get(word, ())):
        return []
    others = [other for other, vector in vectors.items() if other != word and any(vector)]
    return sorted(others, key=lambda other: -cosine(vectors[word], vectors[other]))[:count]
