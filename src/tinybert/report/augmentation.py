"""What augmentation did to the texts: figures, how much copies differ, samples beside their originals."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from tinybert.report import words
from tinybert.report.facts import Fact
from tinybert.report.read import RunFiles
from tinybert.report.values import mapping, number, numbers

_COUNTS = {
    "originals": "Originals",
    "made": "Copies made",
    "duplicates": "Duplicates dropped",
    "flipped": "Flipped copies dropped",
    "copies": "Copies learnt from",
}


class CopySample(NamedTuple):
    """A text and what became of it."""

    row: str
    original: str
    copy: str


class Augmentation(NamedTuple):
    """The section of a report; `distances` are numbers of copies by how many words were changed."""

    facts: Sequence[Fact]
    distances: Mapping[str, float]
    samples: Sequence[CopySample]


def augmentation(run: RunFiles) -> Augmentation | None:
    """The section; None of a run that augmented nothing."""
    if not (found := run.part("augmentation")):
        return None
    listed = found.get("samples")
    entries = [mapping(entry) for entry in listed] if isinstance(listed, list) else []
    samples = [CopySample(*(str(entry.get(key, "")) for key in CopySample._fields)) for entry in entries if entry]
    return Augmentation(list(_facts(found)), numbers(found.get("distance")), samples)


def _facts(found: Mapping[str, Any]) -> Iterator[Fact]:
    rows = numbers(found.get("rows"))
    yield from (Fact(name, f"{rows[key]:,.0f}") for key, name in _COUNTS.items() if key in rows)
    if (changed := number(found.get("words_changed"))) is not None:
        yield Fact("Words changed, where a text was rewritten", words.percent(changed))
    flips = numbers(found.get("flips"))
    if "share" in flips:
        told = f"{words.percent(flips['share'])} of {flips.get('asked', 0):,.0f} asked about"
        yield Fact("Copies that the teacher gives another class", told)
    distinct = {name: numbers(shares) for name, shares in mapping(found.get("distinct")).items()}
    for n, name in {"1": "words", "2": "pairs of words"}.items():
        told = ", ".join(f"{words.percent(shares[n])} in {key}" for key, shares in distinct.items() if n in shares)
        if told:
            yield Fact(f"Different {name} (distinct-{n})", told)
