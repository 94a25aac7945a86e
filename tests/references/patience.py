"""Twin of patient distillation (arXiv:1908.09355), Eq. 7, for one pair of layers: squared distance of two states."""

from math import hypot


def patience_distance(student, teacher, normalised):
    values = []
    for ours, theirs in zip(student.tolist(), teacher.tolist(), strict=True):
        own, other = (hypot(*ours), hypot(*theirs)) if normalised else (1.0, 1.0)
        values.append(sum((a / own - b / other) ** 2 for a, b in zip(ours, theirs, strict=True)))
    return values
