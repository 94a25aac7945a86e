"""Do teacher and student fit each other? Asked before anything is trained: a teacher may take an hour to fine-tune."""

from typing import Any

from tinybert.errors import UserError
from tinybert.models.hf import Shape, shape_of
from tinybert.models.loading import load_config
from tinybert.models.student import is_shape, parse_shape, refuse_deeper


def shapes(settings: Any, *, needs_teacher: bool) -> tuple[Shape | None, Shape]:
    """Sizes of teacher and student.

    Args:
        settings: Of the recipe, flags included.
        needs_teacher: Whether the student learns from the teacher, and not only from gold labels.

    Raises:
        UserError: If there is no such student, or it cannot learn from this teacher.
    """
    path = settings.student.path
    teacher = shape_of(load_config(settings.teacher.path)) if settings.teacher.path else None
    if is_shape(path) and teacher is not None:
        student = parse_shape(path, settings.student.heads, settings.student.inner, teacher)
    else:
        student = shape_of(load_config(path))
    if teacher is not None and needs_teacher:
        refuse_deeper(student, teacher)
        if student.heads != teacher.heads:
            raise UserError(f"student.heads: {student.heads} heads cannot learn from the teacher's {teacher.heads}")
    return teacher, student
