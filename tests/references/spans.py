"""Twins of the objectives of spans: distributions over the positions of a text, one for where an answer begins, one
for where it ends; written example by example."""

from references.prediction import cross_entropy, soft_cross_entropy


def columns(scores, labels):
    """The scores of beginnings and of ends, at the positions only."""
    positions = [piece for piece, label in enumerate(labels) if label >= 0]
    return positions, [[scores[piece][side] for piece in positions] for side in (0, 1)]


def span_soft_cross_entropy(student_logits, teacher_logits, labels, temperature):
    values = []
    for student, teacher, marks in zip(student_logits, teacher_logits, labels, strict=True):
        sides = zip(columns(student, marks)[1], columns(teacher, marks)[1], strict=True)
        values.append(sum(soft_cross_entropy([ours], [theirs], temperature)[0] for ours, theirs in sides) / 2)
    return values


def span_cross_entropy(logits, labels):
    values = []
    for scores, marks in zip(logits, labels, strict=True):
        positions, (begins, ends) = columns(scores, marks)
        begin = next(place for place, piece in enumerate(positions) if marks[piece] in (1, 3))
        end = next(place for place, piece in enumerate(positions) if marks[piece] in (2, 3))
        values.append((cross_entropy([begins], [begin])[0] + cross_entropy([ends], [end])[0]) / 2)
    return values
