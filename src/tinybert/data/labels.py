"""What labels mean: which kind of task they make, which classes in which order, which class is the positive one."""

import math
import re
from collections.abc import Mapping, Sequence

from tinybert.data.problems import listed, shown
from tinybert.errors import UserError
from tinybert.types import Kind

_WHOLE = re.compile(r"[+-]?[0-9]{1,300}")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_POSITIVE = ("1", "positive", "pos", "entailment", "entails", "duplicate", "paraphrase", "yes", "true")
_MANY = 100  # classes; from here on one class for every second row cannot be meant


def score(spelling: str) -> float | None:
    """A label as a finite number; None where it is none."""
    value = float(spelling) if _NUMBER.fullmatch(spelling) else math.inf
    return value if math.isfinite(value) else None


def whole(spelling: str) -> int | None:
    """A label as a whole number, `1.0` included; None where it is none."""
    if _WHOLE.fullmatch(spelling):
        return int(spelling)
    value = score(spelling)
    return int(value) if value is not None and value.is_integer() else None


def kind_of(spellings: Sequence[str]) -> Kind:
    """Regression where the labels are all numbers but not all whole ones, otherwise classification."""
    numbers = all(score(spelling) is not None for spelling in spellings)
    return "regression" if numbers and any(whole(spelling) is None for spelling in spellings) else "classification"


def suspicious(spellings: Sequence[str], rows: int) -> str | None:
    """Why labels can hardly be classes, with what to do; None where they can.

    One mistyped score among thousands would otherwise make a class of every score.
    """
    if len(spellings) < max(_MANY, rows / 2):
        return None
    odd = [spelling for spelling in spellings if score(spelling) is None]
    many = f"{len(spellings):,} different labels in {rows:,} rows cannot be classes"
    if len(odd) < len(spellings) / 2:
        return f"{many}, nor scores: {shown((odd or spellings)[0])} is not one; correct it, or say --kind"
    return f"{many}; is data.label the right column? (--kind classification insists)"


def classes_of(spellings: Sequence[str]) -> tuple[str, ...]:
    """The classes that labels name, in order: ascending if all are whole numbers, otherwise sorted.

    Example:
        >>> classes_of(["10", "9", "1.0"])
        ('1', '9', '10')
    """
    numbers = [whole(spelling) for spelling in spellings]
    if None not in numbers:
        return tuple(str(number) for number in sorted({n for n in numbers if n is not None}))
    return tuple(sorted(set(spellings)))


def positive_class(classes: Sequence[str], wanted: str | None) -> int | None:
    """Which class F1 and MCC call positive; None unless there are two classes.

    `wanted` if given; else the first of 1, positive, pos, entailment, entails, duplicate, paraphrase, yes, true that
    occurs (in any capitals); else the last.

    Raises:
        UserError: If `wanted` is no class.
    """
    lower = [name.lower() for name in classes]
    if wanted is not None:
        found = classes.index(wanted) if wanted in classes else _only(lower, wanted.lower())
        if found is None:
            raise UserError(f"data.positive={wanted}: no such class; the classes are: {listed(classes) or 'none'}")
    else:
        found = next((lower.index(name) for name in _POSITIVE if name in lower), len(classes) - 1)
    return found if len(classes) == 2 else None


def _only(names: Sequence[str], name: str) -> int | None:
    return names.index(name) if names.count(name) == 1 else None


class Meaning:
    """From the spelling of a label to its value: the index of a class, or a score where there are no classes."""

    def __init__(self, classes: Sequence[str], renamed: Mapping[str, str], any_capitals: bool = False) -> None:
        """Prepare the look-up.

        Args:
            classes: In order; empty = scores.
            renamed: `data.label_map`, applied first.
            any_capitals: Whether capitals may differ, as between a model's names and a file's.
        """
        self.classes = tuple(classes)
        self._renamed = renamed
        self._index = {name: index for index, name in enumerate(classes)}
        folded = [name.casefold() for name in classes]
        self._folded = {n: i for i, n in enumerate(folded) if folded.count(n) == 1} if any_capitals else {}
        if _are_placeholders(classes):
            self._index |= {str(index): index for index in range(len(classes))}

    def value(self, spelling: str) -> int | float | None:
        """The value of a label; None where it has none."""
        name = self._renamed.get(spelling, spelling)
        if not self.classes:
            return score(name)
        found = self._index.get(name, self._folded.get(name.casefold()))
        number = whole(name) if found is None else None
        return self._index.get(str(number)) if number is not None else found

    def why_not(self, spelling: str) -> str:
        """What to say of a label without a value."""
        if not self.classes:
            return f"the label {shown(spelling)} is not a finite number; correct it, or say --kind classification"
        return (
            f"unknown label {shown(spelling)}; known are: {listed(self.classes)}; correct it, or rename it with "
            f"data.label_map"
        )


def meaning_by_head(spellings: Sequence[str], head: Sequence[str], renamed: Mapping[str, str]) -> Meaning:
    """The meaning of labels by the classes of a model's head, matched by name whatever the capitals.

    A head whose classes have only placeholders for names (`LABEL_0`, ...) also takes their numbers; when the labels are
    numbers throughout, these become the names.
    """
    numbers = {whole(renamed.get(spelling, spelling)) for spelling in spellings}
    if _are_placeholders(head) and numbers <= set(range(len(head))):
        return Meaning([str(index) for index in range(len(head))], renamed)
    return Meaning(head, renamed, any_capitals=True)


def _are_placeholders(classes: Sequence[str]) -> bool:
    return len(classes) > 0 and all(name == f"LABEL_{index}" for index, name in enumerate(classes))
