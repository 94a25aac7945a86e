"""Twins of the objectives of pieces: those of `prediction`, averaged over an example's labelled pieces."""

from references.prediction import cross_entropy, soft_cross_entropy


def piece_soft_cross_entropy(student_logits, teacher_logits, labels, temperature):
    values = []
    for student, teacher, tags in zip(student_logits, teacher_logits, labels, strict=True):
        counted = [place for place, tag in enumerate(tags) if tag >= 0]
        losses = [soft_cross_entropy([student[n]], [teacher[n]], temperature)[0] for n in counted]
        values.append(sum(losses) / len(losses))
    return values


def piece_cross_entropy(logits, labels):
    values = []
    for scores, tags in zip(logits, labels, strict=True):
        losses = [cross_entropy([scores[n]], [tag])[0] for n, tag in enumerate(tags) if tag >= 0]
        values.append(sum(losses) / len(losses))
    return values
