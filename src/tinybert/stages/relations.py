"""What users say about learning relations: MiniLM (Wang et al. 2020, arXiv:2002.10957) and v2 (arXiv:2012.15828)."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import gcd
from typing import Literal

from tinybert.families.network import Shape


@dataclass(frozen=True)
class RelationSettings:
    """Settings of the group `objective`.

    Attributes:
        relation_heads: Parts into which queries, keys and values are split, each related to itself (v2); None = the
            attention and the values of the heads that both networks have as many of.
        assistant: Let a network as deep as the teacher and as wide as the student learn first, and teach the student.
        targets: What the task is learnt from: gold labels, or what the teacher says of the texts.
    """

    relation_heads: int | None = None
    assistant: bool = False
    targets: Literal["gold", "soft"] = "gold"

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if self.relation_heads is not None and self.relation_heads < 1:
            raise ValueError(f"relation_heads must be at least 1, got {self.relation_heads}")

    def unfit(self, student: Shape, teacher: Shape) -> Iterator[str]:
        """Why a student of one size cannot learn these relations from a teacher of another, a line per problem."""
        heads, common = self.relation_heads, gcd(student.width, teacher.width)
        if heads is None and student.heads != teacher.heads:
            yield (
                f"student.heads: {student.heads} heads cannot learn from the teacher's {teacher.heads}; "
                "objective.relation_heads splits both anew (MiniLM v2)"
            )
        if heads is not None and common % heads:
            fitting = ", ".join(str(number) for number in range(1, common + 1) if not common % number)
            both = f"widths {student.width} and {teacher.width}"
            yield f"objective.relation_heads: {heads} do not divide {both}; these do: {fitting}"
        if self.assistant and (2 * student.layers > teacher.layers or 2 * student.width > teacher.width):
            most = f"{teacher.layers // 2} layers and width {teacher.width // 2}"
            yield f"objective.assistant: helps students of at most {most}, half the teacher's; leave it out"
