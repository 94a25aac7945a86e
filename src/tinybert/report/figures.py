"""Single figures of a run by system: what every part of the report asks of `metrics.json`."""

from tinybert.report import words
from tinybert.report.read import RunFiles
from tinybert.report.values import mapping, number

STUDENTS = ("student_int8", "student")  # the smallest first


def systems(run: RunFiles) -> list[str]:
    """The systems that the run says anything about, the teacher first."""
    return [system for system in words.SYSTEM_NAMES if run.entry(system)]


def quality(run: RunFiles, system: str, data: str) -> dict[str, float]:
    """A system's metrics on `dev`, `test` or `held_out`."""
    figures = mapping(run.entry(system).get(data))
    return {str(metric): value for metric in figures if (value := number(figures[metric])) is not None}


def main_metric(run: RunFiles) -> str | None:
    """The metric that heads the report; None where no system was evaluated."""
    known = {metric for system in systems(run) for metric in quality(run, system, run.evaluated_on)}
    return next((metric for metric in words.MAIN_METRICS if metric in known), None)


def main_value(run: RunFiles, system: str) -> float | None:
    """A system's main metric on the data that the report is about."""
    return quality(run, system, run.evaluated_on).get(main_metric(run) or "")


def cost(run: RunFiles, system: str, name: str) -> float | None:
    """A number that stands directly under a system: `parameters`, `bytes`, `threads`."""
    return number(run.entry(system).get(name))


def latency(run: RunFiles, system: str, length: str, quantile: str = "p50") -> float | None:
    """Milliseconds of one text of so many pieces."""
    return number(mapping(mapping(run.entry(system).get("latency_ms")).get(length)).get(quantile))


def flops(run: RunFiles, system: str, length: str) -> float | None:
    """Floating-point operations of one text of so many pieces."""
    return number(mapping(run.part("flops").get(system)).get(length))


def lengths(run: RunFiles) -> list[str]:
    """The lengths at which anything was timed or counted, ascending."""
    found = {str(length) for system in systems(run) for length in mapping(run.entry(system).get("latency_ms"))}
    found |= {str(length) for system in systems(run) for length in mapping(run.part("flops").get(system))}
    return sorted(found, key=lambda length: (len(length), length))


def quoted_length(run: RunFiles) -> str | None:
    """The longest length at which a student, or else anything, was timed: the one whose latency is quoted."""
    for candidates in (STUDENTS, ("teacher",)):
        timed = [length for length in lengths(run) if any(latency(run, system, length) for system in candidates)]
        if timed:
            return timed[-1]
    return None


def rows(run: RunFiles, data: str) -> int | None:
    """How many rows train, dev or test had."""
    return _count(run, "rows", data)


def blocks(run: RunFiles, data: str) -> int | None:
    """How many blocks of plain text train or held_out had."""
    return _count(run, "blocks", data)


def _count(run: RunFiles, what: str, data: str) -> int | None:
    count = number(mapping(run.part("data").get(what)).get(data))
    return None if count is None else int(count)
