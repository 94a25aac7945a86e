"""Twins of the prediction objectives; TinyBERT (arXiv:1909.10351), Eq. 10.

Official code (huawei-noah/Pretrained-Language-Model at 008b180, TinyBERT/task_distill.py) takes the mean over examples
*and* classes of the products below: its value is ours divided by the number of classes.
"""

from math import exp, log


def softmax(scores, temperature=1.0):
    powers = [exp(float(score) / temperature) for score in scores]
    return [power / sum(powers) for power in powers]


def soft_cross_entropy(student_logits, teacher_logits, temperature, weights=None):
    values = []
    for student, teacher in zip(student_logits, teacher_logits, strict=True):
        counts = weights or [1.0] * len(student)
        parts = zip(softmax(student, temperature), softmax(teacher, temperature), counts, strict=True)
        values.append(-sum(weight * p_teacher * log(p_student) for p_student, p_teacher, weight in parts))
    return values


def logits_squared_error(student_logits, teacher_logits):
    return [sum(squared_error(*pair)) for pair in zip(student_logits, teacher_logits, strict=True)]


def entropy(logits, temperature):
    return [-sum(p * log(p) for p in softmax(scores, temperature)) for scores in logits]


def cross_entropy(logits, labels):
    return [-log(softmax(scores)[int(label)]) for scores, label in zip(logits, labels, strict=True)]


def squared_error(scores, targets):
    return [(float(score) - float(target)) ** 2 for score, target in zip(scores, targets, strict=True)]
