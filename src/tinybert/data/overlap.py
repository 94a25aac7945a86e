"""Leakage: rows of train or source that dev or test shows as well, and rows whose text has another label elsewhere.

Texts are compared by their letters and digits in lower case, without what stands between them, so that neither
punctuation nor another tokeniser's spaces hide a copy ("Don't." is "do n't ."). A text without any letter or digit is
compared as it is.

`exact`: the same text; of pairs, both sides, in either order.
`contained`: also a text of `FEW` or more words inside the other, either way round, beginning and ending at the boundary
of a word; of pairs, both sides, in either order, each the same or contained. A word is a run of letters and digits.
Questions about a context that a held-out one is about as well are counted by themselves, and go with what is contained.

Looking for one text inside many goes by an index of the `LONG` characters that follow every beginning of a word, and
a comparison of what the index finds.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from itertools import accumulate
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Bool

from tinybert.data.examples import Examples
from tinybert.data.problems import listed
from tinybert.data.readers import BLOCK
from tinybert.errors import UserError

FEW = 5  # words a text needs before being contained means anything
LONG = 12  # characters of an index entry; fewer find too much, more miss short texts
_WORD = re.compile(r"[^\W_]+")

Drop = Literal["none", "exact", "contained"]
_Rule = Callable[[Examples, Examples], Bool[np.ndarray, " rows"]]
_Position = tuple[int, int]  # which text, and at which character a word of it begins


class _Text(NamedTuple):
    """A text without what stands between its words, and at which characters words begin."""

    letters: str
    begins: list[int]

    def holds(self, other: "_Text", begin: int) -> bool:
        """Whether another text stands here from the beginning of a word to the end of one."""
        end = begin + len(other.letters)
        return self.letters.startswith(other.letters, begin) and (end == len(self.letters) or end in self.begins)


def without_overlap(
    learnt: Examples, held_out: Mapping[str, Examples], drop: Drop, name: str = "train"
) -> tuple[Examples, dict[str, Any], tuple[str, ...]]:
    """Compare what is learnt from with what is held out.

    Equality is counted always; containment, which costs more, only where it decides.

    Args:
        learnt: Train, or the texts of another domain.
        held_out: Dev and test, by name.
        drop: Which rows to drop.
        name: What messages call `learnt`.

    Returns:
        What is left; for the report the counts before dropping, as in
        `{"rows": 100, "drop": "exact", "dropped": 3, "dev": {"exact": 2}, "test": {"exact": 1}}`; what to log.

    Raises:
        UserError: If nothing is left.
    """
    rules: dict[str, _Rule] = {"exact": exact} | ({"context": same_context} if learnt.asked else {})
    if drop == "contained":
        rules["contained"] = contained
    counts: dict[str, Any] = {}
    unwanted = np.zeros(len(learnt), np.bool_)
    for part, examples in held_out.items():
        found = {rule: compare(learnt, examples) for rule, compare in rules.items()}
        counts[part] = {rule: int(rows.sum()) for rule, rows in found.items()}
        if drop != "none":
            unwanted |= found[drop]
        if drop == "contained" and learnt.asked:
            unwanted |= found["context"]
    dropped = int(unwanted.sum())
    if dropped == len(learnt):
        raise UserError(f"data.drop_overlap={drop}: every row of {name} is in dev or test as well; nothing is left")
    left = learnt.select(np.flatnonzero(~unwanted)) if dropped else learnt
    report = {"rows": len(learnt), "drop": drop, "dropped": dropped, **counts}
    return left, report, _notes(name, report, counts)


def contradictions(parts: Mapping[str, Examples]) -> tuple[dict[str, int], tuple[str, ...]]:
    """Count the rows whose text has another class in another row.

    Args:
        parts: Train, dev and test, by name.

    Returns:
        The counts by name, without what has no classes; what to log.
    """
    counts, notes = {}, []
    for name, examples in parts.items():
        if examples.labels is None or examples.labels.dtype != np.int64:
            continue
        found = np.flatnonzero(contradicted(examples))
        counts[name] = len(found)
        if len(found):
            lines = listed(map(str, examples.lines[found]), 4)
            notes.append(
                f"{name}: {len(found):,} of {len(examples):,} rows have a text that others of them give another label: "
                f"lines {lines}; correct them where only one can be right"
            )
    return counts, tuple(notes)


def _notes(name: str, report: Mapping[str, Any], counts: Mapping[str, Mapping[str, int]]) -> tuple[str, ...]:
    notes = [
        f"{name}: {number:,} of {report['rows']:,} "
        + (f"rows have a context that {part} has too" if rule == "context" else f"rows are in {part} as well ({rule})")
        for part, rules in counts.items()
        for rule, number in rules.items()
        if number
    ]
    if report["drop"] != "none":
        notes.append(f"{name}: {report['dropped']:,} rows dropped (data.drop_overlap={report['drop']})")
    elif notes:
        exactly = "exact or " if any(rules["exact"] for rules in counts.values()) else ""
        notes.append(f"{name}: nothing dropped; data.drop_overlap={exactly}contained does")
    return tuple(notes)


def normalised(text: str) -> str:
    """Letters and digits in lower case; the stripped text itself where it has none."""
    return "".join(_WORD.findall(text.lower())) or text.strip()


def exact(examples: Examples, held_out: Examples) -> Bool[np.ndarray, " rows"]:
    """Which examples are the same as one that was held out."""
    known = set(_keys(held_out))
    return np.fromiter((key in known for key in _keys(examples)), np.bool_, len(examples))


def same_context(examples: Examples, held_out: Examples) -> Bool[np.ndarray, " rows"]:
    """Which questions are about a context that one which was held out is about as well."""
    keys = lru_cache(normalised)  # questions about one context follow each other
    known = {keys(context or "") for _, context in _sides(held_out)}
    return np.fromiter((keys(context or "") in known for _, context in _sides(examples)), np.bool_, len(examples))


def contained(examples: Examples, held_out: Examples) -> Bool[np.ndarray, " rows"]:
    """Which examples are the same as, inside of, or around one that was held out."""
    index = _Index(held_out)
    return np.fromiter((index.meets(*sides) for sides in _sides(examples)), np.bool_, len(examples))


def contradicted(examples: Examples) -> Bool[np.ndarray, " rows"]:
    """Which examples have a text that another one gives another class, capitals and spaces aside; pairs in order."""
    labels = examples.labels
    if labels is None:
        raise ValueError("the examples have no labels")
    keys = (hash(tuple(text and " ".join(text.lower().split()) for text in sides)) for sides in _sides(examples))
    _, first, text = np.unique(np.fromiter(keys, np.int64), return_index=True, return_inverse=True)
    several = np.zeros(len(first), np.bool_)
    several[text[labels != labels[first][text]]] = True
    return several[text]


def _sides(examples: Examples) -> Iterator[tuple[str, str | None]]:
    for start in range(0, len(examples), BLOCK):
        texts, pairs, _ = examples.columns(start, start + BLOCK)
        yield from zip(texts, pairs, strict=True)


def _keys(examples: Examples) -> Iterator[tuple[str, ...]]:
    for text, pair in _sides(examples):
        first = normalised(text)
        if pair is None:
            yield (first,)
        else:
            second = normalised(pair)
            yield (first, second) if first <= second else (second, first)


def _words(text: str) -> _Text:
    words = _WORD.findall(text.lower())
    return _Text("".join(words) or text.strip(), [0, *accumulate(map(len, words[:-1]))])


class _Index:
    """Texts that were held out, by what they are and what they hold. Side s of row r is text 2 r + s."""

    def __init__(self, held_out: Examples) -> None:
        self._texts: dict[int, _Text] = {}
        self._same: defaultdict[str, list[int]] = defaultdict(list)
        self._inside: dict[int, defaultdict[str, list[_Position]]] = {n: defaultdict(list) for n in (FEW, LONG)}
        self._openings: dict[int, defaultdict[str, list[int]]] = {n: defaultdict(list) for n in (FEW, LONG)}
        for row, sides in enumerate(_sides(held_out)):
            for side, text in enumerate(sides):
                if text is not None:
                    self._add(2 * row + side, _words(text))

    def _add(self, number: int, text: _Text) -> None:
        self._texts[number] = text
        self._same[text.letters].append(number)
        for size, positions in self._inside.items():
            for begin in text.begins:
                positions[text.letters[begin : begin + size]].append((number, begin))
        if len(text.begins) >= FEW:
            size = _size(text)
            self._openings[size][text.letters[:size]].append(number)

    def meets(self, first: str, second: str | None) -> bool:
        """Whether a text, or both sides of a pair in either order, meet the same row."""
        found = self._related(_words(first))
        if second is None:
            return next(found, None) is not None
        left = set(found)
        return bool(left) and any(number ^ 1 in left for number in self._related(_words(second)))

    def _related(self, text: _Text) -> Iterator[int]:
        yield from self._same.get(text.letters, ())
        if len(text.begins) >= FEW:
            yield from self._around(text)
        for size, openings in self._openings.items():
            if openings:
                yield from self._within(text, size)

    def _around(self, text: _Text) -> Iterator[int]:
        size = _size(text)
        for number, begin in self._inside[size].get(text.letters[:size], ()):
            if self._texts[number].holds(text, begin):
                yield number

    def _within(self, text: _Text, size: int) -> Iterator[int]:
        openings = self._openings[size]
        for begin in text.begins:
            for number in openings.get(text.letters[begin : begin + size], ()):
                if text.holds(self._texts[number], begin):
                    yield number


def _size(text: _Text) -> int:
    """How many characters of a text its index entry has: every text of `FEW` words has as many."""
    return LONG if len(text.letters) >= LONG else FEW
