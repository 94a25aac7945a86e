"""The rest of a report: where the mistakes are, what the data was like, how and where the run was made."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tinybert.report import words
from tinybert.report.read import RunFiles
from tinybert.report.values import mapping, number

_LARGEST_MATRIX = 12  # classes; a larger one cannot be read
_CONFUSIONS = 10  # pairs of classes listed instead


class Fact(NamedTuple):
    """A line of a two-column list."""

    name: str
    value: str


class Matrix(NamedTuple):
    """Confusion of one system: rows are gold classes; each cell is a count and its share of the row."""

    system: str
    rows: Sequence[tuple[str, Sequence[tuple[int, float]]]]


class Confused(NamedTuple):
    """A pair of classes that the student mixes up, with how often each system does."""

    gold: str
    said: str
    counts: Mapping[str, int]


class Confusion(NamedTuple):
    """Matrices where the classes are few, the commonest confusions where they are many."""

    classes: Sequence[str]
    matrices: Sequence[Matrix]
    pairs: Sequence[Confused]
    systems: Sequence[str]


def confusion(run: RunFiles) -> Confusion | None:
    """Which classes are taken for which; None for scores, or where nothing is known."""
    counted = _counts(run)
    if not counted:
        return None
    classes = _classes(run)
    if len(classes) <= _LARGEST_MATRIX:
        return Confusion(
            classes, [_matrix(system, classes, counts) for system, counts in counted.items()], (), [*counted]
        )
    return Confusion(classes, (), _pairs(classes, counted), [*counted])


def data_facts(run: RunFiles) -> list[Fact]:
    """Rows (of plain text: blocks and tokens), classes, cut texts, unknown pieces, leakage."""
    data = run.part("data")
    facts = [
        Fact(f"{what.capitalize()} in {words.data(name)}", _plain(count))
        for what in ("rows", "blocks", "tokens")
        for name, count in mapping(data.get(what)).items()
    ]
    if classes := _classes(run):
        listed = ", ".join(classes[:20]) + (" …" if len(classes) > 20 else "")
        facts.append(Fact("Classes", f"{len(classes)}: {listed}"))
    facts += _majority(run)
    facts += [Fact(f"Texts of {name} cut", _plain(count)) for name, count in mapping(data.get("truncated")).items()]
    unknown = {name: number(share) for name, share in mapping(data.get("unknown_pieces")).items()}
    facts += [Fact(f"Unknown pieces of {n}", words.percent(share)) for n, share in unknown.items() if share is not None]
    facts += [Fact(f"Overlap: {name}", value) for name, value in _flat(mapping(data.get("overlap")))]
    return facts + [Fact(f"SHA-256 of {name}", value[:16]) for name, value in _flat(mapping(data.get("digests")))]


def run_facts(run: RunFiles) -> list[Fact]:
    """Recipe, seed, how much plain text was learnt from, whether the exported model says the same, time of stages."""
    named = [
        Fact(key.capitalize(), _plain(run.metrics[key])) for key in ("recipe", "preset", "seed") if key in run.metrics
    ]
    general = run.part("general")
    learnt = {"updates": "Updates", "tokens": "Tokens learnt from", "best_update": "Best update"}
    named += [Fact(name, _plain(general[key])) for key, name in learnt.items() if key in general]
    export = run.part("export")
    if (parity := number(export.get("parity_difference"))) is not None:
        named.append(Fact("Largest difference of ONNX to torch", f"{parity:.1e}"))
    if (agreement := number(export.get("int8_agreement"))) is not None:
        named.append(Fact("Rows on which int8 says the same", words.percent(agreement)))
    taken = {**run.part("seconds"), "general": general.get("seconds")}
    seconds = {name: known for name, value in taken.items() if (known := number(value)) is not None}
    return named + [Fact(f"Time of {words.readable(name)}", words.duration(known)) for name, known in seconds.items()]


def environment_facts(run: RunFiles) -> list[Fact]:
    """`environment.json`, nested keys joined."""
    return [Fact(name[:1].upper() + name[1:], value) for name, value in _flat(run.environment)]


def notes(run: RunFiles) -> list[str]:
    """What the run wanted its reader to know."""
    told = run.metrics.get("notes")
    return [str(note) for note in told] if isinstance(told, list) else []


def _classes(run: RunFiles) -> list[str]:
    if run.predictions is not None:
        return list(run.predictions.classes)
    return [str(name) for name in run.metrics.get("classes") or ()]


def _counts(run: RunFiles) -> dict[str, np.ndarray]:
    """Confusion counts by system: as recorded, else counted from the predictions."""
    size = len(_classes(run))
    recorded = {s: np.array(run.part("confusion")[s]) for s in words.SYSTEM_NAMES if s in run.part("confusion")}
    if recorded and all(counts.shape == (size, size) for counts in recorded.values()):
        return recorded
    rows = run.predictions
    if rows is None or rows.kind == "regression":
        return {}
    cells = {system: rows.gold * size + said for system, said in rows.answers.items()}
    return {
        system: np.bincount(cells[system], minlength=size * size).reshape(size, size)
        for system in words.SYSTEM_NAMES
        if system in cells
    }


def _matrix(system: str, classes: Sequence[str], counts: np.ndarray) -> Matrix:
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    rows = [
        (name, [(int(count), float(share)) for count, share in zip(row, part, strict=True)])
        for name, row, part in zip(classes, counts, shares, strict=True)
    ]
    return Matrix(system, rows)


def _pairs(classes: Sequence[str], counted: Mapping[str, np.ndarray]) -> list[Confused]:
    wrong = counted.get("student", next(iter(counted.values()))).copy()
    np.fill_diagonal(wrong, 0)
    worst = [divmod(int(cell), len(classes)) for cell in np.argsort(-wrong, axis=None, kind="stable")[:_CONFUSIONS]]
    return [
        Confused(classes[gold], classes[said], {system: int(counts[gold, said]) for system, counts in counted.items()})
        for gold, said in worst
        if wrong[gold, said]
    ]


def _majority(run: RunFiles) -> list[Fact]:
    rows = run.predictions
    if rows is None or rows.kind == "regression":
        return []
    counts = np.bincount(rows.gold, minlength=len(rows.classes))
    share = words.percent(float(counts.max() / len(rows.gold)))
    name = rows.classes[int(counts.argmax())]
    return [Fact("Always saying the commonest class", f"{share} of {run.evaluated_on} ({name})")]


def _flat(tree: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Leaves of nested mappings with their path in words."""
    for key, value in tree.items():
        path = f"{above} {words.readable(str(key))}".strip()
        if isinstance(value, dict):
            yield from _flat(value, path)
        elif value is not None:
            yield path, _plain(value)


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(str(item) for item in value)
    return f"{value:,}" if isinstance(value, int) else str(value)
