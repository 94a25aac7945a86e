"""The sizes of a student, as `--student` gives them."""

import re
from pathlib import Path

from tinybert.errors import UserError
from tinybert.families import FAMILIES
from tinybert.families.network import Shape

_SHAPE = re.compile(r"(?:(\w[\w-]*):)?(\d+)\s*x\s*(\d+)", re.IGNORECASE)
# The released General_TinyBERT 4L is 4/312/1200/12 (Jiao et al. 2020); every other width has BERT's own 4 x width.
_INNER_OF_312 = 1200


def is_shape(text: str) -> bool:
    """Whether `--student` names a shape rather than a checkpoint; a folder of that name wins.

    Example:
        >>> is_shape("4x312"), is_shape("my/student")
        (True, False)
    """
    return _SHAPE.fullmatch(text.strip()) is not None and not Path(text).exists()


def parse_shape(text: str, heads: int | None, inner: int | None, teacher: Shape) -> Shape:
    """The sizes that `--student 4x312` (layers x width) asks for, or `--student bert:4x312`.

    Args:
        text: Layers, an x, width; before them `bert:` for a student of that family, whatever the teacher's is.
        heads: Attention heads; None = the teacher's number, which head-to-head objectives need.
        inner: Neurons between the two matrices of a feed-forward block; None = the teacher's at its width; 1200 for
            width 312, else 4 x width; where they are gated, as many for each of the width as the teacher has.
        teacher: The teacher's sizes.

    Raises:
        UserError: If the text is no shape, the family cannot be had of this teacher, or the heads do not divide the
            width.

    Example:
        >>> parse_shape("4x312", None, None, Shape(layers=12, width=768, heads=12, inner=3072))
        Shape(layers=4, width=312, heads=12, inner=1200, family='')
    """
    family, layers, width = _parts(text)
    if family not in (None, "bert", teacher.family):
        raise UserError(f"student: {family} students need a teacher of that family; take bert:{layers}x{width}")
    family = family or teacher.family
    heads = teacher.heads if heads is None else heads
    if inner is None:
        inner = _inner(width, family, teacher)
    check_positive(layers=layers, width=width, heads=heads, inner=inner)
    even = family in FAMILIES and FAMILIES[family].even_heads
    if width % (heads * (1 + even)):
        raise UserError(_indivisible(width, heads, even=even))
    return Shape(layers=layers, width=width, heads=heads, inner=inner, family=family)


def layers_and_width(text: str) -> tuple[int, int]:
    """The two numbers of a shape.

    Raises:
        UserError: If the text is none, or names a family.
    """
    family, layers, width = _parts(text)
    if family is not None:
        raise UserError(f"student: {text!r} is not a shape of this recipe's students; write {layers}x{width}")
    return layers, width


def _parts(text: str) -> tuple[str | None, int, int]:
    """Family, layers and width."""
    found = _SHAPE.fullmatch(text.strip())
    if not found:
        raise UserError(f"student: {text!r} is not a shape; write layers x width, such as 4x312 or bert:4x312")
    return found[1] and found[1].lower(), int(found[2]), int(found[3])


def _inner(width: int, family: str, teacher: Shape) -> int:
    if family == teacher.family and width == teacher.width:
        return teacher.inner
    if family == teacher.family and family in FAMILIES and FAMILIES[family].gated:
        return round(width * teacher.inner / teacher.width)
    return _INNER_OF_312 if width == 312 else 4 * width


def check_positive(**sizes: int) -> None:
    """Refuse a network without something.

    Raises:
        UserError: One line for each size below 1.
    """
    if empty := [name for name, size in sizes.items() if size < 1]:
        raise UserError(*(f"student: {name} must be at least 1" for name in empty))


def check_depth(student: Shape, teacher: Shape) -> None:
    """Refuse a student with more layers than the teacher, for everything that pairs their layers.

    Raises:
        UserError: If the student is deeper.
    """
    if student.layers > teacher.layers:
        raise UserError(
            f"student: {student.layers} layers cannot learn layer by layer from a teacher of {teacher.layers}; "
            f"take at most {teacher.layers}"
        )


def _indivisible(width: int, heads: int, *, even: bool) -> str:
    step = heads * (1 + even)
    below = width // step
    works = ", ".join(str(n * step) for n in range(max(1, below - 1), below + 3))
    wrong = (
        f"width {width} is not {heads} heads of an even width" if even else f"{heads} heads do not divide width {width}"
    )
    return f"student: {wrong}; widths that work: {works}"
