"""Twins of the objectives of labels that are decided one by one."""

from math import exp, log


def sigmoid(score):
    return 1 / (1 + exp(-float(score)))


def binary_cross_entropy(logits, targets):
    values = []
    for scores, wanted in zip(logits, targets, strict=True):
        losses = []
        for score, target in zip(scores, wanted, strict=True):
            target = float(target)
            losses.append(-target * log(sigmoid(score)) - (1 - target) * log(1 - sigmoid(score)))
        values.append(sum(losses) / len(losses))
    return values


def soft_binary_cross_entropy(student_logits, teacher_logits, temperature):
    targets = [[sigmoid(float(score) / temperature) for score in scores] for scores in teacher_logits]
    return binary_cross_entropy([[float(s) / temperature for s in scores] for scores in student_logits], targets)
