"""What augmentation did to the texts: figures, how much copies differ, samples beside their originals."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from tinybert.report import words
from tinybert.report.facts import Fact
from tinybert.report.read import RunFiles
from tinybert.report.values import mapping, number


class Distance(NamedTuple):
    """Copies in which so many words are others: their number, and its share of the commonest number."""

    words: str
    copies: int
    share: float


class Sample(NamedTuple):
    """A text and what became of it."""

    row: str
    original: str
    copy: str


class Augmentation(NamedTuple):
    """The section of a report."""

    facts: Sequence[Fact]
    distances: Sequence[Distance]
    samples: Sequence[Sample]


def augmentation(run: RunFiles) -> Augmentation | None:
    """The section; None of a run that augmented nothing."""
    found = run.part("augmentation")
    if not found:
        return None
    return Augmentation(list(_facts(found)), _distances(found), _samples(found))


def _facts(found: Mapping[str, Any]) -> Iterator[Fact]:
    rows = mapping(found.get("rows"))
    names = {"originals": "Originals", "made": "Copies made", "duplicates": "Duplicates dropped"}
    for key, name in {**names, "flipped": "Flipped copies dropped", "copies": "Copies learnt from"}.items():
        if (count := number(rows.get(key))) is not None:
            yield Fact(name, f"{count:,.0f}")
    if (changed := number(found.get("words_changed"))) is not None:
        yield Fact("Words that are others, where a text was rewritten", words.percent(changed))
    flips = mapping(found.get("flips"))
    if (share := number(flips.get("share"))) is not None:
        asked = number(flips.get("asked")) or 0.0
        yield Fact("Copies of another class to the teacher", f"{words.percent(share)} of {asked:,.0f} asked about")
    distinct = {name: mapping(part) for name, part in mapping(found.get("distinct")).items()}
    for n, name in {"1": "words", "2": "pairs of words"}.items():
        shares = {key: known for key, part in distinct.items() if (known := number(part.get(n))) is not None}
        if shares:
            value = ", ".join(f"{words.percent(share)} in {key}" for key, share in shares.items())
            yield Fact(f"Different {name} (distinct-{n})", value)


def _distances(found: Mapping[str, Any]) -> list[Distance]:
    counts = {key: int(known) for key, n in mapping(found.get("distance")).items() if (known := number(n)) is not None}
    most = max(counts.values(), default=0)
    return [Distance(str(key), count, count / most) for key, count in counts.items()] if most else []


def _samples(found: Mapping[str, Any]) -> list[Sample]:
    listed = found.get("samples")
    entries = [mapping(entry) for entry in listed] if isinstance(listed, list) else []
    return [Sample(*(str(entry.get(key, "")) for key in Sample._fields)) for entry in entries if entry]
