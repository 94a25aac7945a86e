"""The figures of a model card: quality and cost of teacher, student and its int8 twin."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tinybert.export.markdown import plain, table

_TITLES = {"teacher": "Teacher", "student": "Student", "student_int8": "Student, int8 ONNX"}


@dataclass(frozen=True)
class System:
    """One model of a run and what was measured of it, as in `metrics.json`.

    Attributes:
        metrics: By split, then by metric.
        parameters: How many numbers it learnt.
        bytes: Size of its file.
        latency_ms: By pieces per text: `p50` and `p95` of one forward pass.
        threads: With how many threads the latency was measured.
    """

    metrics: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    parameters: int | None = None
    bytes: int | None = None
    latency_ms: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    threads: int | None = None


def results(measured: Mapping[str, System], hardware: str) -> str:
    """The section on results: a table of quality, a table of cost, and how the latency was measured."""
    systems = {name: measured[name] for name in _TITLES if name in measured}
    if not systems:
        return "Nothing was measured."
    threads = sorted({system.threads for system in systems.values() if system.threads})
    clock = f"Latency: one input, threads: {', '.join(map(str, threads))}; {plain(hardware)}." if threads else ""
    return "\n\n".join(part for part in (_quality_table(systems), _cost_table(systems), clock) if part)


def _quality_table(systems: Mapping[str, System]) -> str:
    found = (
        (split, metric) for system in systems.values() for split in system.metrics for metric in system.metrics[split]
    )
    columns = list(dict.fromkeys(found))
    rows = [
        [_TITLES[name], *(_figure(system.metrics.get(split, {}).get(metric)) for split, metric in columns)]
        for name, system in systems.items()
    ]
    titles = [f"{plain(split.replace('_', '-'))} {plain(metric)}" for split, metric in columns]
    return table(["", *titles], rows) if columns else ""


def _cost_table(systems: Mapping[str, System]) -> str:
    lengths = list(dict.fromkeys(length for system in systems.values() for length in system.latency_ms))
    rows = [
        [
            _TITLES[name],
            "" if system.parameters is None else f"{system.parameters / 1e6:.2f} M",
            "" if system.bytes is None else f"{system.bytes / 1e6:.1f} MB",
            *(_milliseconds(system.latency_ms.get(length)) for length in lengths),
        ]
        for name, system in systems.items()
    ]
    return table(["", "parameters", "file", *(f"{length} pieces, p50 / p95" for length in lengths)], rows)


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _milliseconds(latency: Mapping[str, float] | None) -> str:
    return "" if latency is None else f"{latency['p50']:.2f} / {latency['p95']:.2f} ms"
