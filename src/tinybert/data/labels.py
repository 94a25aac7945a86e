"""What labels mean: classes or scores, which classes in which order, which class is the positive one."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np

from tinybert.data.problems import listed, shown
from tinybert.data.spelling import clean, meant, parse_score, renamed, whole
from tinybert.errors import UserError

_POSITIVE = ("1", "positive", "pos", "entailment", "entails", "duplicate", "paraphrase", "yes", "true")
_INFERENCE = frozenset(
    {"entailment", "entails", "neutral", "contradiction", "contradicts", "not_entailment", "non-entailment"}
)
NO_GOLD = "-"  # in data of natural language inference: the annotators did not agree
LabelMap = Mapping[str, str | None]


def are_scores(spellings: Sequence[str]) -> bool:
    """Whether labels are all numbers but not all whole ones."""
    numbers = all(parse_score(spelling) is not None for spelling in spellings)
    return numbers and any(whole(spelling) is None for spelling in spellings)


def classes_of(spellings: Sequence[str]) -> tuple[str, ...]:
    """The classes that labels name, in order: ascending if all are whole numbers, otherwise sorted.

    Names stay as they are spelled; only whole numbers throughout, and what is spelled in several ways, take the plain
    form of `meant`.

    Example:
        >>> classes_of(["10", "9", "1.0"])
        ('1', '9', '10')
        >>> classes_of(["02", "1", "1.0"])
        ('02', '1')
    """
    numbers = {whole(spelling) for spelling in spellings}
    if None not in numbers:
        return tuple(str(number) for number in sorted(n for n in numbers if n is not None))
    ways = defaultdict(set)
    for spelling in spellings:
        ways[meant(spelling)].add(spelling)
    return tuple(sorted(name if len(found) > 1 else found.pop() for name, found in ways.items()))


def without_gold(spellings: Sequence[str], label_map: LabelMap) -> LabelMap:
    """`data.label_map` for these labels: where they are those of natural language inference, `-` is left out.

    Not where it is renamed. The labels may be called so before or after renaming.
    """
    names = [name for spelling in spellings if (name := renamed(spelling, label_map)) is not None]
    found = [{name.casefold() for name in called} - {NO_GOLD} for called in (spellings, names)]
    inference = any(len(others) > 1 and others <= _INFERENCE for others in found)
    return {NO_GOLD: None, **label_map} if inference else label_map


def positive_class(classes: Sequence[str], wanted: str | None) -> int | None:
    """Which class F1 and MCC call positive; None unless there are two classes.

    `wanted` if given; else the first of 1, positive, pos, entailment, entails, duplicate, paraphrase, yes, true that
    occurs (in any capitals); else the last.

    Raises:
        UserError: If `wanted` is no class.
    """
    lower = [name.lower() for name in classes]
    if wanted is not None:
        found = classes.index(wanted) if wanted in classes else _only(lower, clean(wanted).lower())
        if found is None:
            raise UserError(f"data.positive={wanted}: no such class; the classes are: {listed(classes) or 'none'}")
    else:
        found = next((lower.index(name) for name in _POSITIVE if name in lower), len(classes) - 1)
    return found if len(classes) == 2 else None


def _only(names: Sequence[str], name: str) -> int | None:
    return names.index(name) if names.count(name) == 1 else None


@runtime_checkable
class Meaning(Protocol):
    """From the spelling of a label to its value.

    Attributes:
        dtype: Of the values.
        without_value: What messages say of several labels that have none.
    """

    dtype: ClassVar[type[np.generic]]
    without_value: ClassVar[str]

    def value(self, spelling: str) -> int | float | None:
        """The value of a label; None where it has none."""

    def leaves_out(self, spelling: str) -> bool:
        """Whether rows with a label are left out, as if they had none."""

    def why_not(self, spelling: str) -> str:
        """What to say of a label without a value."""


class ScoreMeaning:
    """Labels that are finite numbers."""

    dtype: ClassVar[type[np.generic]] = np.float64
    without_value: ClassVar[str] = "are no finite numbers"

    def __init__(self, label_map: LabelMap) -> None:
        """`label_map` is applied first."""
        self._label_map = label_map

    def value(self, spelling: str) -> float | None:
        """The score; None where it is no finite number."""
        name = renamed(spelling, self._label_map)
        return None if name is None else parse_score(name)

    def leaves_out(self, spelling: str) -> bool:
        """Whether rows with a label are left out, as if they had none."""
        return renamed(spelling, self._label_map) is None

    def why_not(self, spelling: str) -> str:
        """What to say of a label that is no score."""
        return f"the label {shown(spelling)} is not a finite number; {_number_advice(spelling)}"


class ClassMeaning:
    """Labels that name classes; a value is the index of one."""

    dtype: ClassVar[type[np.generic]] = np.int64
    without_value: ClassVar[str] = "are no classes of the task"

    def __init__(self, classes: Sequence[str], label_map: LabelMap, any_capitals: bool = False) -> None:
        """Prepare the look-up.

        Args:
            classes: In order.
            label_map: `data.label_map`, applied first.
            any_capitals: Whether capitals may differ, as between a model's names and a file's.
        """
        self.classes = tuple(classes)
        self._label_map = label_map
        ways = (clean, meant, str.casefold)[: 3 if any_capitals else 2]
        self._indices = [(way, _unique([way(clean(name)) for name in classes])) for way in ways]
        if _are_placeholders(classes):
            self._indices[1][1].update({str(index): index for index in range(len(classes))})

    def value(self, spelling: str) -> int | None:
        """The index of the class; None where there is none of that name."""
        name = renamed(spelling, self._label_map)
        if name is None:
            return None
        return next((index[way(name)] for way, index in self._indices if way(name) in index), None)

    def leaves_out(self, spelling: str) -> bool:
        """Whether rows with a label are left out, as if they had none."""
        return renamed(spelling, self._label_map) is None

    def strange(self, spellings: Sequence[str], tolerated: float) -> list[str]:
        """Labels that name no class and stay; none where a share of the rows is `tolerated` and one label is known."""
        found = [name for name in spellings if self.value(name) is None and not self.leaves_out(name)]
        return [] if tolerated and len(found) < len(spellings) else found

    def why_not(self, spelling: str) -> str:
        """What to say of a label that names no class."""
        twin = next((name for name in self.classes if name.casefold() == spelling.casefold()), None)
        advice = "rename it with data.label_map" if twin is None else f"say data.label_map={{{spelling}: {twin}}}"
        return f"unknown label {shown(spelling)}; known are: {listed(self.classes)}; correct it, or {advice}"


def meaning_by_head(spellings: Sequence[str], head: Sequence[str], label_map: LabelMap) -> ClassMeaning:
    """The meaning of labels by the classes of a model's head, matched by name whatever the capitals.

    A head whose classes have only placeholders for names (`LABEL_0`, ...) also takes their numbers; when the labels are
    numbers throughout, these become the names.
    """
    names = [name for spelling in spellings if (name := renamed(spelling, label_map)) is not None]
    if _are_placeholders(head) and {whole(name) for name in names} <= set(range(len(head))):
        return ClassMeaning([str(index) for index in range(len(head))], label_map)
    return ClassMeaning(head, label_map, any_capitals=True)


def _number_advice(spelling: str) -> str:
    if parse_score(spelling.replace(",", ".", 1)) is not None:
        return f"write {spelling.replace(',', '.')}, or say --kind classification"
    if parse_score(spelling.lstrip("+-0")) is not None:
        return "with a leading zero it is a code; remove the zero, or say --kind classification"
    return "correct it, or say --kind classification"


def _unique(names: Sequence[str]) -> dict[str, int]:
    """The index of every name that occurs once."""
    often = Counter(names)
    return {name: index for index, name in enumerate(names) if often[name] == 1}


def _are_placeholders(classes: Sequence[str]) -> bool:
    return len(classes) > 0 and all(name == f"LABEL_{index}" for index, name in enumerate(classes))
