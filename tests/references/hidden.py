"""Twin of the hidden-state objective; TinyBERT (arXiv:1909.10351), Eq. 8 and 9: MSE(H_student W, H_teacher).

`matrix` is W of the formula: student width by teacher width.
"""


def project(state, matrix):
    teacher_width = len(matrix[0])
    return [sum(float(state[i]) * float(matrix[i][j]) for i in range(len(state))) for j in range(teacher_width)]


def hidden_mse(student, teacher, real):
    values = []
    for example in range(len(student)):
        total, count = 0.0, 0
        for position in range(len(student[example])):
            if not real[example][position]:
                continue
            for mine, wanted in zip(student[example][position], teacher[example][position], strict=True):
                total += (float(mine) - float(wanted)) ** 2
                count += 1
        values.append(total / count)
    return values


def projected_hidden_mse(student, teacher, real, matrix):
    projected = [[project(state, matrix) for state in example] for example in student]
    return hidden_mse(projected, teacher, real)
