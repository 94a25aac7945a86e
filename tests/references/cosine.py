"""Twin of DistilBERT's cosine term (arXiv:1910.01108): 1 - cos of the angle, one piece after the other.

The authors' code averages over the pieces of all examples together; for one example that is the same value.
"""

from math import hypot


def cosine_distance(student, teacher, real):
    values = []
    for example in range(len(student)):
        gaps = [
            1 - _cosine(student[example][position].tolist(), teacher[example][position].tolist())
            for position in range(len(real[example]))
            if real[example][position]
        ]
        values.append(sum(gaps) / len(gaps))
    return values


def _cosine(first, second):
    return sum(a * b for a, b in zip(first, second, strict=True)) / (hypot(*first) * hypot(*second))
