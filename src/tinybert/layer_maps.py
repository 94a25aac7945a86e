"""Which teacher layer teaches which student layer: g(m), section 3.1 of TinyBERT (arXiv:1909.10351), and other papers'.

Layers count from 1; 0 is the embedding output and always maps to 0.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Literal

NAMES = ("uniform", "spread", "top", "bottom", "last")


@dataclass(frozen=True)
class LayerMap:
    """Pairs (student layer, teacher layer), in the student's order."""

    pairs: tuple[tuple[int, int], ...]

    def __getitem__(self, student_layer: int) -> int:
        """The teacher layer g(m) of student layer m; `KeyError` where m learns from none."""
        return dict(self.pairs)[student_layer]

    @property
    def student_layers(self) -> tuple[int, ...]:
        """The student layers that learn, ascending."""
        return tuple(m for m, _ in self.pairs)


def layer_map(wanted: str | Sequence[int], student_layers: int, teacher_layers: int) -> LayerMap:
    """Build a map for M student and N teacher layers, by name or from the teacher layers g(1) to g(M) themselves.

    `uniform` g(m) = ceil(m N / M), `top` g(m) = N - M + m, `bottom` g(m) = m, `last` only M to N. `spread` runs evenly
    from the first to the last, g(m) = 1 + round((m - 1)(N - 1) / (M - 1)), as DistilBERT (arXiv:1910.01108) starts.

    Raises:
        ValueError: If the name is unknown, the student has more layers than the teacher, or the layers do not ascend,
            do not exist, or are not one for each student layer.

    Example:
        >>> layer_map("uniform", 4, 12).pairs
        ((1, 3), (2, 6), (3, 9), (4, 12))
        >>> layer_map("spread", 6, 12) == layer_map((1, 3, 5, 8, 10, 12), 6, 12)
        True
    """
    if not isinstance(wanted, str):
        return _explicit(tuple(wanted), student_layers, teacher_layers)
    if not 1 <= student_layers <= teacher_layers:
        raise ValueError(f"a student of {student_layers} layers cannot learn layer by layer from {teacher_layers}")
    formulas: dict[str, Callable[[int], int]] = {
        "uniform": lambda m: ceil(m * teacher_layers / student_layers),
        "spread": lambda m: 1 + round((m - 1) * (teacher_layers - 1) / max(student_layers - 1, 1)),
        "top": lambda m: teacher_layers - student_layers + m,
        "bottom": lambda m: m,
        "last": lambda _: teacher_layers,
    }
    if wanted not in formulas:
        raise ValueError(f"unknown layer map {wanted!r}; there are {', '.join(NAMES)}, or a list of teacher layers")
    first = student_layers if wanted == "last" else 1
    return LayerMap(tuple((m, formulas[wanted](m)) for m in range(first, student_layers + 1)))


def patience_map(name: Literal["skip", "last"], student_layers: int, teacher_layers: int) -> LayerMap:
    """PKD's map of the layers below the student's last (Sun et al. 2019, arXiv:1908.09355, section 3.2).

    `skip` g(m) = ceil(m N / M), `last` g(m) = N - M + m, both for m from 1 to M - 1: the soft targets teach layer M.

    Raises:
        ValueError: If the student has fewer than two layers, or more than the teacher.

    Example:
        >>> patience_map("skip", 6, 12).pairs
        ((1, 2), (2, 4), (3, 6), (4, 8), (5, 10))
    """
    if student_layers < 2:
        raise ValueError(f"a student of {student_layers} layers has none below its last that could learn patiently")
    return LayerMap(layer_map({"skip": "uniform", "last": "top"}[name], student_layers, teacher_layers).pairs[:-1])


def require_ascending(layers: Sequence[int]) -> None:
    """Refuse a list of teacher layers that no student can learn from.

    Raises:
        ValueError: If it is empty, does not ascend, or begins below 1.
    """
    if not layers or layers[0] < 1 or list(layers) != sorted(set(layers)):
        raise ValueError(f"layer_map must be teacher layers in ascending order, from 1, got {list(layers)}")


def _explicit(layers: tuple[int, ...], student_layers: int, teacher_layers: int) -> LayerMap:
    require_ascending(layers)
    if len(layers) != student_layers:
        raise ValueError(
            f"layer_map needs a teacher layer for each of {student_layers} student layers, got {list(layers)}"
        )
    if layers[-1] > teacher_layers:
        raise ValueError(f"layer_map names layer {layers[-1]} of a teacher that has {teacher_layers}")
    return LayerMap(tuple(enumerate(layers, 1)))
