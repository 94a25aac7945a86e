"""What augmentation did to the texts, in figures and in samples."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from tinybert.augment.augmented_set import AugmentedSet
from tinybert.augment.teacher_votes import evenly
from tinybert.data.words import words_of
from tinybert.types import Example

MEASURED = 5000  # copies that words are counted in, evenly spread: enough for three digits, and seconds of work
SAMPLES = 20
_MOST = 10  # words changed; more are counted together


def quality(augmented: AugmentedSet, flips: Mapping[str, Any] | None) -> dict[str, Any]:
    """Duplicates, flips, words changed, variety and samples.

    Words are counted in at most `MEASURED` copies. Of pairs only the side that changed counts. The variety of
    originals and copies is that of equally many of each, because it falls with the number of texts.

    Args:
        augmented: Originals and copies.
        flips: As `filter_flips` counted them; None = nobody was asked.

    Returns:
        `rows` (originals, copies made, duplicates and flipped ones dropped, copies), `words_changed` (share),
        `distance` (copies by number of words changed), `flips`, `distinct` (share of different words, and of different
        pairs of words), `measured_on` (copies) and `samples`.
    """
    dropped = 0 if flips is None else flips["dropped"]
    variety = min(len(augmented.originals), augmented.copies, MEASURED)
    chosen = _Chosen(augmented, variety)
    found = _Counts()
    for position, (original, copy) in enumerate(_pairs(augmented)):
        if position in chosen.measured:
            found.compare(original, copy)
        if position in chosen.copies:
            found.copies.add(copy)
        if position in chosen.samples:
            found.samples.append(_sample(original, copy))
    for position in chosen.originals:
        found.originals.add(augmented.originals[position])
    return {
        "rows": {
            "originals": len(augmented.originals),
            "made": augmented.made,
            "duplicates": augmented.made - augmented.copies - dropped,
            "flipped": dropped,
            "copies": augmented.copies,
        },
        **found.figures(),
        "flips": None if flips is None else {name: flips[name] for name in ("share", "asked")},
        "measured_on": {"copies": len(chosen.measured), "distinct": variety},
        "samples": found.samples,
    }


def quality_lines(figures: Mapping[str, Any]) -> Iterator[str]:
    """The figures in sentences."""
    rows, flips = figures["rows"], figures["flips"]
    yield (
        f"{rows['copies']:,} copies of {rows['originals']:,} rows; {100 * figures['words_changed']:.1f} % of the words "
        f"in rewritten texts changed"
    )
    if flips is not None:
        dropped = f"; {rows['flipped']:,} dropped" if rows["flipped"] else ""
        share = f"{100 * flips['share']:.1f} % of {flips['asked']:,} copies"
        yield f"the teacher gives {share} a different class from their originals{dropped}"


def words_changed(before: Sequence[str], after: Sequence[str]) -> int:
    """How many words were inserted, deleted or replaced (Levenshtein's distance over words).

    Example:
        >>> words_changed("a fine film".split(), "one fine old film".split())
        2
    """
    while before and after and before[-1] == after[-1]:
        before, after = before[:-1], after[:-1]
    while before and after and before[0] == after[0]:
        before, after = before[1:], after[1:]
    known: dict[str, int] = {}
    codes = np.array([known.setdefault(word, len(known)) for word in after], np.int64)
    positions = np.arange(len(after) + 1)
    costs = positions
    for word in before:  # a row of the usual table; along a row, the cheapest of all ways from the left
        changed = costs[:-1] + (codes != known.get(word, -1))
        row = np.concatenate([costs[:1] + 1, np.minimum(changed, costs[1:] + 1)])
        costs = np.minimum.accumulate(row - positions) + positions
    return int(costs[-1])


class _Chosen:
    """Which copies and originals are looked at."""

    def __init__(self, augmented: AugmentedSet, variety: int) -> None:
        def positions(count: int, wanted: int) -> frozenset[int]:
            return frozenset(evenly(count, wanted).tolist())

        self.measured = positions(augmented.copies, MEASURED)
        self.copies = positions(augmented.copies, variety)
        self.samples = positions(augmented.copies, SAMPLES)
        self.originals = sorted(positions(len(augmented.originals), variety))


@dataclass
class _Variety:
    """Words and pairs of words that follow each other."""

    seen: dict[int, set[Any]] = field(default_factory=lambda: {1: set(), 2: set()})
    count: Counter[int] = field(default_factory=Counter)

    def add(self, example: Example) -> None:
        for text in (example.text, example.pair or ""):
            words = [word.lower() for word in _words(text)]
            for n, found in ((1, words), (2, list(pairwise(words)))):
                self.seen[n].update(found)
                self.count[n] += len(found)

    def shares(self) -> dict[str, float | None]:
        return {str(n): len(seen) / self.count[n] if self.count[n] else None for n, seen in self.seen.items()}


@dataclass
class _Counts:
    """What is counted on the way through all copies."""

    words: int = 0
    changed: int = 0
    distance: Counter[int] = field(default_factory=Counter)
    originals: _Variety = field(default_factory=_Variety)
    copies: _Variety = field(default_factory=_Variety)
    samples: list[dict[str, Any]] = field(default_factory=list)

    def compare(self, original: Example, copy: Example) -> None:
        sides = ((original.text, copy.text), (original.pair or "", copy.pair or ""))
        differing = [(_words(before), _words(after)) for before, after in sides if before != after]
        changed = sum(words_changed(before, after) for before, after in differing)
        self.words += sum(len(before) for before, _ in differing)
        self.changed += changed
        self.distance[min(changed, _MOST)] += 1

    def figures(self) -> dict[str, Any]:
        last = max(self.distance, default=0)
        names = {number: f"{number}+" if number == _MOST else str(number) for number in range(last + 1)}
        return {
            "words_changed": self.changed / self.words if self.words else 0.0,
            "distance": {name: self.distance[number] for number, name in names.items()},
            "distinct": {"originals": self.originals.shares(), "copies": self.copies.shares()},
        }


def _pairs(augmented: AugmentedSet) -> Iterator[tuple[Example, Example]]:
    for original, copies in augmented.groups():
        yield from ((original, copy) for copy in copies)


def _words(text: str) -> list[str]:
    return [word.text for word in words_of(text)]


def _sample(original: Example, copy: Example) -> dict[str, Any]:
    """Both texts beside each other; of pairs the side that changed."""
    side = "text" if original.text != copy.text else "pair"
    texts = {"original": getattr(original, side), "copy": getattr(copy, side)}
    return {"row": copy.row, "number": copy.copy, **texts}
