"""The rest of a report: where the mistakes are, what the data was like, how and where the run was made."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tinybert.report import words
from tinybert.report.predictions import SYSTEMS
from tinybert.report.read import RunFiles
from tinybert.report.values import mapping, number, numbers

_LARGEST_MATRIX = 12  # classes; a larger one cannot be read
_ORIGIN = ("recipe", "preset", "seed")
_LABELS = 60  # a table of more is no overview
_CONFUSIONS = 10  # pairs of classes listed instead


class Fact(NamedTuple):
    """A line of a two-column list."""

    name: str
    value: str


class Confusion(NamedTuple):
    """Which classes are taken for which.

    Attributes:
        classes: Their names.
        counts: By system, rows by gold class (first index) and predicted class (second).
        pairs: Where the classes are too many for a matrix, the (gold, predicted) that the student confuses most.
    """

    classes: Sequence[str]
    counts: Mapping[str, list[list[int]]]
    pairs: Sequence[tuple[int, int]]


def confusion(run: RunFiles) -> Confusion | None:
    """Confusions of each system; None for scores, or where nothing is known."""
    counts, classes = _counts(run), _classes(run)
    if not counts:
        return None
    pairs = [] if len(classes) <= _LARGEST_MATRIX else _pairs(counts.get("student", next(iter(counts.values()))))
    return Confusion(classes, {system: cells.tolist() for system, cells in counts.items()}, pairs)


class LabelFigures(NamedTuple):
    """How well each label is told, of tasks where several hold of a text.

    Attributes:
        labels: Names of those that are shown, the commonest first.
        left_out: How many are not.
        rows: How many rows have each.
        thresholds: Of the student.
        f1: By system.
    """

    labels: Sequence[str]
    left_out: int
    rows: Mapping[str, float]
    thresholds: Mapping[str, float]
    f1: Mapping[str, Mapping[str, float]]


def per_label(run: RunFiles) -> LabelFigures | None:
    """F1 of each label and system; None where the task has no such labels."""
    found = {system: run.part("per_label", system) for system in SYSTEMS if run.part("per_label", system)}
    if not found:
        return None

    def figures(system: str, name: str) -> dict[str, float]:
        return {
            label: known
            for label in found[system]
            if (known := run.number("per_label", system, label, name)) is not None
        }

    one = "student" if "student" in found else next(iter(found))
    rows = figures(one, "rows")
    labels = sorted(found[one], key=lambda label: -rows.get(label, 0))
    f1 = {system: figures(system, "f1") for system in found}
    left_out = max(0, len(labels) - _LABELS)
    return LabelFigures(labels[:_LABELS], left_out, rows, figures(one, "threshold"), f1)


def figures_by(run: RunFiles, what: str) -> dict[str, dict[str, Mapping[str, float]]]:
    """Figures of each type of entity, or kind of question, by system, where the run has any."""
    found = {system: run.part(what, system) for system in SYSTEMS}
    types = dict.fromkeys(name for known in found.values() for name in known)
    return {name: {s: numbers(known.get(name)) for s, known in found.items() if known} for name in types}


def lists(run: RunFiles) -> dict[str, list[Fact]]:
    """Two-column lists by title; empty ones are left out."""
    environment = [Fact(name[:1].upper() + name[1:], value) for name, value in _flat(run.environment)]
    named = {
        "Run": list(_run_facts(run)),
        "Why this student": list(_budget_facts(run)),
        "Environment": environment,
        "Data": list(_data_facts(run)),
    }
    return {title: listed for title, listed in named.items() if listed}


def _budget_facts(run: RunFiles) -> Iterator[Fact]:
    """The budget that chose the student, and what was measured for it, the largest first."""
    found, wanted = run.part("budget"), numbers(run.part("budget"))
    units = {"max_mb": "MB as int8", "max_ms": f"ms for {wanted.get('at', 0):.0f} pieces on one thread"}
    if found:
        limits = (f"at most {wanted[key]:g} {unit}" for key, unit in units.items() if key in wanted)
        yield Fact("Budget", ", ".join(limits))
    for how in ("measured", "estimated"):
        for one in map(mapping, found.get(how) or ()):
            name, costs = str(one.get("student")), numbers(one)
            told = f"{words.millions(costs['multiply_adds'])} multiply-adds, {costs['mb']:.2f} MB, {costs['ms']:.2f} ms"
            yield Fact(name, f"{told}; {'taken' if name == found['student'] else how}")


def _run_facts(run: RunFiles) -> Iterator[Fact]:
    """Recipe, seed, how much plain text was learnt from, whether the exported model says the same, time of stages."""
    general = run.part("general")
    yield from (Fact(key.capitalize(), _plain(run.metrics[key])) for key in _ORIGIN if key in run.metrics)
    learnt = {"updates": "Updates", "tokens": "Tokens learnt from", "best_update": "Best update"}
    yield from (Fact(name, _plain(general[key])) for key, name in learnt.items() if key in general)
    if (parity := run.number("export", "parity_difference")) is not None:
        yield Fact("Largest difference between ONNX and torch", f"{parity:.1e}")
    if (pieces := run.number("vocabulary", "pieces")) is not None:
        longer = run.number("vocabulary", "longer") or 0.0
        said = f"{pieces:,.0f} of {run.number('vocabulary', 'before') or 0:,.0f}"
        yield Fact("Pieces of the vocabulary that stayed", f"{said}; texts of dev have {words.percent(longer)} more")
    if (agreement := run.number("export", "int8_agreement")) is not None:
        yield Fact("Answers on which int8 agrees", words.percent(agreement))
    if (flips := run.number("export", "int8_batch_flips")) is not None:
        yield Fact("Int8 answers that change with batch or padding", words.percent(flips))
    if (before := run.number("calibration", "before")) is not None:
        after = {name: run.number("calibration", name) or 0.0 for name in ("student", "student_int8")}
        said = f"{words.percent(before)} before calibration, {words.percent(after['student'])} after it"
        yield Fact("How far confidence is from accuracy", f"{said}, as int8 {words.percent(after['student_int8'])}")
        temperature = run.number("calibration", "temperature") or 1.0
        yield Fact("Temperature that logits are divided by", words.digits(temperature))
    if (threshold := run.number("no_answer_threshold", "student")) is not None:
        yield Fact("No answer is given where its score is above the best answer’s by", words.digits(threshold))
    for name, seconds in numbers({**run.part("seconds"), "general": general.get("seconds")}).items():
        yield Fact(f"Time of {words.readable(name)}", words.duration(seconds))


def _data_facts(run: RunFiles) -> Iterator[Fact]:
    """Rows (of plain text: blocks and tokens), classes, cut texts, unknown pieces, leakage."""
    for what in ("rows", "blocks", "tokens"):
        for name, count in run.part("data", what).items():
            yield Fact(f"{what.capitalize()} in {words.data(name)}", _plain(count))
    if classes := _classes(run):
        yield Fact("Classes", f"{len(classes)}: {', '.join(classes[:20])}{' …' if len(classes) > 20 else ''}")
    if (rows := run.predictions) is not None and rows.classes is not None:
        counts = np.bincount(rows.gold)
        told = f"{words.percent(float(counts.max() / len(rows.gold)))} of {run.evaluated_on}"
        yield Fact("Always predicting the commonest class", f"{told} ({rows.classes[int(counts.argmax())]})")
    for key, what in (("truncated", "cut"), ("windowed", "read in windows")):
        for name, count in numbers(run.part("data", key)).items():
            if count or key == "truncated":
                share = count / (run.number("data", "rows", name) or 1)
                yield Fact(f"Texts {what} in {name}", f"{count:,.0f} ({words.percent(share)})")
    for name, share in numbers(run.part("data", "unknown_pieces")).items():
        yield Fact(f"Unknown pieces in {name}", words.percent(share))
    yield from _overlap(run.part("data", "overlap"), "train")
    yield from (Fact(f"SHA-256 of {name}", value[:16]) for name, value in _flat(run.part("data", "digests")))


def _overlap(found: Mapping[str, Any], data: str) -> Iterator[Fact]:
    """Rows of train, or of source, that dev or test hold too, and texts that carry several labels."""
    for name in ("dev", "test"):
        for how, count in numbers(found.get(name)).items():
            yield Fact(f"Rows of {data} that {name} holds too ({how})", f"{count:,.0f}")
    if (dropped := number(found.get("dropped"))) is not None:
        yield Fact(f"Rows of {data} dropped for that", f"{dropped:,.0f}")
    for name, count in numbers(found.get("several_labels")).items():
        yield Fact(f"Texts in {name} with several labels", f"{count:,.0f}")
    for name in ("source", "unlabeled"):
        yield from _overlap(mapping(found[name]), name) if name in found else ()


def _classes(run: RunFiles) -> list[str]:
    rows = run.predictions
    return [str(name) for name in (run.metrics.get("classes") if rows is None else rows.classes) or ()]


def _counts(run: RunFiles) -> dict[str, np.ndarray]:
    """Confusion counts by system: as recorded, else counted from the predictions."""
    size, rows = len(_classes(run)), run.predictions
    recorded = {system: np.array(counts) for system, counts in run.part("confusion").items()}
    if recorded and all(counts.shape == (size, size) for counts in recorded.values()):
        return {system: recorded[system] for system in SYSTEMS if system in recorded}
    if rows is None or rows.classes is None:
        return {}
    cells = {system: rows.gold * size + rows.predicted[system] for system in SYSTEMS if system in rows.predicted}
    return {s: np.bincount(cell, minlength=size * size).reshape(size, size) for s, cell in cells.items()}


def _pairs(counts: np.ndarray) -> list[tuple[int, int]]:
    wrong = counts * (1 - np.eye(len(counts), dtype=int))
    worst = np.argsort(-wrong, axis=None, kind="stable")[:_CONFUSIONS]
    pairs = [divmod(int(cell), len(counts)) for cell in worst]
    return [pair for pair in pairs if wrong[pair]]


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
