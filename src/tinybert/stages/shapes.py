"""Do teacher, student and task fit each other? Asked before any training: a teacher may take an hour to fine-tune."""

from dataclasses import replace
from typing import Any

from tinybert.errors import UserError
from tinybert.families import family_of, shape_of
from tinybert.families.network import Shape
from tinybert.layer_maps import layer_map
from tinybert.models.heads import check_form, check_task, has_task_head, learnt_pairs
from tinybert.models.loading import load_config, share_vocabulary
from tinybert.models.source import folder_of, weight_names
from tinybert.models.student import check_depth, is_shape
from tinybert.tasks.base import Task


def shapes(settings: Any, *, needs_teacher: bool) -> tuple[Shape | None, Shape]:
    """Sizes of teacher and student.

    Args:
        settings: Of the recipe, flags included.
        needs_teacher: Whether the student learns from the teacher, and not only from gold labels.

    Raises:
        UserError: If there is no such student, or it cannot learn from this teacher.
    """
    path, origin = settings.student.path, settings.teacher.path
    teacher = _stored(origin) if origin else None
    if settings.on_budget and teacher is not None:
        return teacher, possible_shapes(settings, teacher, needs_teacher=needs_teacher)[0]
    alone = not settings.student.out_of_teacher
    student = settings.student.shape(teacher) if alone or (is_shape(path) and teacher is not None) else _stored(path)
    if teacher is not None and needs_teacher:
        _check_sizes(settings, student, teacher)
        if not is_shape(path) and not share_vocabulary(path, origin):
            _check_own_vocabulary(settings)
    if teacher is not None and (needs_teacher or is_shape(path)):
        _require_listed_layers(settings.student.layer_map, student, teacher)
    if teacher is not None and not alone and is_shape(path):
        settings.student.kind_of_start(student, teacher)  # a recipe with a network of its own may read no sizes
    return teacher, student


def possible_shapes(settings: Any, teacher: Shape, *, needs_teacher: bool) -> list[Shape]:
    """The shapes that can be cut out of a teacher, and learn from it where they have to; the narrowest first.

    Of the widths that its heads divide, those in whole eights where there are some: the others are no faster.

    Raises:
        UserError: If there is none.
    """
    heads = settings.student.heads or teacher.heads
    divided = range(heads, teacher.width + 1, heads)
    found: list[Shape] = []
    why: UserError | None = None
    for width in [width for width in divided if width % 8 == 0] or divided:
        for layers in range(1, teacher.layers + 1):
            student = replace(settings.student, path=f"{layers}x{width}")
            try:
                found.append(_checked(replace(settings, student=student), teacher, needs_teacher=needs_teacher))
            except UserError as error:
                why = error
    if not found:
        raise why or UserError(f"student.heads: {heads} heads do not fit a width of at most {teacher.width}")
    return found


def _checked(settings: Any, teacher: Shape, *, needs_teacher: bool) -> Shape:
    """A shape cut out of a teacher, which it can learn from; errors as of `shapes`."""
    student: Shape = settings.student.shape(teacher)
    settings.student.start(student, teacher)
    if needs_teacher:
        _check_sizes(settings, student, teacher)
    _require_listed_layers(settings.student.layer_map, student, teacher)
    return student


def _check_sizes(settings: Any, student: Shape, teacher: Shape) -> None:
    """Refuse a student whose sizes cannot learn from the teacher's."""
    check_depth(student, teacher)
    if problems := list(settings.unfit(student, teacher)):
        raise UserError(*problems)


def _require_listed_layers(wanted: str | tuple[int, ...], student: Shape, teacher: Shape) -> None:
    """Refuse a list that is not one existing teacher layer for each student layer; rules always are."""
    if isinstance(wanted, str):
        return
    try:
        layer_map(wanted, student.layers, teacher.layers)
    except ValueError as error:
        raise UserError(f"student.layer_map: {str(error).removeprefix('layer_map ')}") from None


def _stored(path: str) -> Shape:
    """The sizes of a checkpoint whose weights are there."""
    weight_names(folder_of(path))
    return shape_of(load_config(path))


def _check_own_vocabulary(settings: Any) -> None:
    """A student may have pieces of its own where whole texts are compared, of rows that both were given."""
    own, groups = f"the vocabulary of {settings.student.path} is not the teacher's", settings.augmenting()
    if (why := settings.needs_pieces()) is not None:
        raise UserError(f"student: {own}; {why}")
    if groups is not None and groups.augment.method != "none":
        raise UserError(f"student: {own}, in whose pieces text is rewritten; set augment.method=none")
    if settings.unlabeled is not None:
        raise UserError(f"--unlabeled: {own}; such a student learns from the rows of train only")
    if settings.data.windows != "off":
        raise UserError(f"data.windows: {own}, so that their windows differ; set data.windows=off")


def check_heads(settings: Any, task: Task, *, needs_teacher: bool) -> None:
    """Refuse checkpoints with a head that gives something else than the task asks for, or learnt another form of text.

    A student may come from another form, where its family reads both; only what it starts from is taken of it.

    Args:
        settings: Of the recipe, flags included.
        task: Whose texts are read.
        needs_teacher: Whether the teacher's head plays a part.

    Raises:
        UserError: If the teacher's or the student's does.
    """
    teacher = [settings.teacher.path] if needs_teacher else []
    student = [] if is_shape(settings.student.path) else [settings.student.path]
    for path in (*teacher, *student):
        if has_task_head(path):
            config = load_config(path)
            check_task(folder_of(path), config, task.head)
            if path in teacher or family_of(config).siamese:
                check_form(settings.train or settings.unlabeled or "train", task.paired, path, learnt_pairs(config))
