"""Twins of MiniLM's relations (arXiv:2002.10957, Eq. 4 to 8, and 2012.15828), one piece after the other.

KL divergences of the student's distributions from the teacher's over the real pieces of an example, averaged over heads
and pieces.
"""

from math import inf, log, sqrt

from references.prediction import softmax


def attention_relation(student, teacher, real):
    values = []
    for example in range(len(student)):
        positions = [position for position in range(len(real[example])) if real[example][position]]
        total = sum(_head(*pair, positions) for pair in zip(student[example], teacher[example], strict=True))
        values.append(total / (len(student[example]) * len(positions)))
    return values


def self_relation(student, teacher, real, heads):
    return attention_relation(_alikeness(student, heads), _alikeness(teacher, heads), real)


def _head(student, teacher, positions):
    total = 0.0
    for row in positions:
        near = [column for column in positions if -inf not in (student[row][column], teacher[row][column])]
        ours = softmax([student[row][column] for column in near])
        theirs = softmax([teacher[row][column] for column in near])
        total += sum(p * log(p / q) for p, q in zip(theirs, ours, strict=True))
    return total


def _alikeness(values, heads):
    size = len(values[0][0]) // heads
    parts = [slice(head * size, (head + 1) * size) for head in range(heads)]
    return [
        [[[_dot(a[part], b[part]) / sqrt(size) for b in pieces] for a in pieces] for part in parts] for pieces in values
    ]


def _dot(first, second):
    return sum(float(a) * float(b) for a, b in zip(first, second, strict=True))
