"""Twin of the attention objective; TinyBERT (arXiv:1909.10351), Eq. 7: mean over heads of MSE(A_student, A_teacher).

Official code (huawei-noah/Pretrained-Language-Model at 008b180, TinyBERT/task_distill.py) sets scores of -100 and below
to 0 on both sides and takes the mean over everything; without padding and for one example that is the same value.
"""

from math import inf


def attention_score_mse(student, teacher, real):
    values = []
    for example in range(len(student)):
        positions = [position for position in range(len(real[example])) if real[example][position]]
        heads = range(len(student[example]))
        values.append(sum(_head(student[example][h], teacher[example][h], positions) for h in heads) / len(heads))
    return values


def mean_score_mse(student, teacher, real):
    return attention_score_mse(_means(student), _means(teacher), real)


def _means(scores):
    return [
        [[[sum(column) / len(column) for column in zip(*rows, strict=True)] for rows in zip(*heads, strict=True)]]
        for heads in scores.tolist()
    ]


def _head(student, teacher, positions):
    pairs = [(float(student[row][column]), float(teacher[row][column])) for row in positions for column in positions]
    gaps = [ours - theirs for ours, theirs in pairs if -inf not in (ours, theirs)]  # local attention
    return sum(gap**2 for gap in gaps) / len(gaps)
