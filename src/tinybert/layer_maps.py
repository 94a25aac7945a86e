"""Which teacher layer teaches which student layer: g(m), section 3.1 of TinyBERT (arXiv:1909.10351).

Layers count from 1; 0 is the embedding output and always maps to 0.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

NAMES = ("uniform", "top", "bottom", "last")


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


def layer_map(name: str, student_layers: int, teacher_layers: int) -> LayerMap:
    """Build a map by name for M student and N teacher layers.

    `uniform` g(m) = ceil(m N / M), `top` g(m) = N - M + m, `bottom` g(m) = m, `last` only M to N.

    Raises:
        ValueError: If the name is unknown or the student has more layers than the teacher.

    Example:
        >>> layer_map("uniform", 4, 12).pairs
        ((1, 3), (2, 6), (3, 9), (4, 12))
    """
    if not 1 <= student_layers <= teacher_layers:
        raise ValueError(f"a student of {student_layers} layers cannot learn layer by layer from {teacher_layers}")
    formulas: dict[str, Callable[[int], int]] = {
        "uniform": lambda m: ceil(m * teacher_layers / student_layers),
        "top": lambda m: teacher_layers - student_layers + m,
        "bottom": lambda m: m,
        "last": lambda _: teacher_layers,
    }
    if name not in formulas:
        raise ValueError(f"unknown layer map {name!r}; there are {', '.join(NAMES)}")
    first = student_layers if name == "last" else 1
    return LayerMap(tuple((m, formulas[name](m)) for m in range(first, student_layers + 1)))
