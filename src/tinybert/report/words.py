"""Numbers as a reader wants them: three digits that matter, a unit, a real minus sign."""

import math
from collections.abc import Mapping

SYSTEM_NAMES: Mapping[str, str] = {"teacher": "Teacher", "student": "Student", "student_int8": "Student int8"}
BRIEF_NAMES: Mapping[str, str] = {"teacher": "teacher", "student": "student", "student_int8": "int8 student"}
METRIC_NAMES: Mapping[str, str] = {
    "accuracy": "Accuracy",
    "f1": "F1",
    "macro_f1": "Macro-F1",
    "micro_f1": "Micro-F1",
    "sample_f1": "F1 by text",
    "map": "Mean average precision",
    "mcc": "MCC",
    "pearson": "Pearson",
    "spearman": "Spearman",
    "precision": "Precision",
    "recall": "Recall",
    "exact_match": "Exact match",
    "loss": "Held-out loss",
}
_CORRELATIONS = {"mcc", "pearson", "spearman"}
_MINUS, _TIMES = "\N{MINUS SIGN}", "\N{MULTIPLICATION SIGN}"


def digits(value: float, significant: int = 3) -> str:
    """A number with so many significant digits, never in scientific notation unless it is tiny.

    Example:
        >>> digits(438.02), digits(1.2894), digits(0.000012), digits(71234.0)
        ('438', '1.29', '1.2e-05', '71,234')
    """
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    if abs(value) < 1e-4:
        return f"{value:.2g}".replace("-", _MINUS, 1) if value < 0 else f"{value:.2g}"
    decimals = max(0, significant - 1 - math.floor(math.log10(abs(value))))
    return f"{value:,.{decimals}f}".replace("-", _MINUS)


def value(found: str | float) -> str:
    """A score with three digits, a class name as it is."""
    return digits(found) if isinstance(found, float) else found


def size(count: float) -> str:
    """Bytes as megabytes of a million bytes, as file managers and model hubs count."""
    return f"{digits(count / 1e6)} MB"


def millions(count: float) -> str:
    """A number of parameters."""
    return f"{digits(count / 1e6)} M" if count >= 1e5 else f"{count:,.0f}"


def operations(count: float) -> str:
    """A number of floating-point operations."""
    return f"{digits(count / 1e9)} G" if count >= 1e8 else f"{digits(count / 1e6)} M"


def milliseconds(value: float) -> str:
    """A latency."""
    return f"{digits(value)} ms"


def times(ratio: float) -> str:
    """A ratio such as 51×; one decimal below ten."""
    return f"{ratio:,.0f}{_TIMES}" if ratio >= 9.95 else f"{ratio:.1f}{_TIMES}"


def ratio(value: float, more: str, less: str, same: str) -> str:
    """A ratio of costs: 51× faster, 1.3× slower, as fast; within five per cent nothing is claimed."""
    if 1 / 1.05 < value < 1.05:
        return same
    return f"{times(value)} {more}" if value > 1 else f"{times(1 / value)} {less}"


def score(metric: str, value: float) -> str:
    """A metric's value: correlations and losses as they are, the rest in per cent."""
    if metric == "loss":
        return digits(value, 4)
    text = f"{value:.3f}" if metric in _CORRELATIONS else f"{100 * value:.1f} %"
    return text.replace("-", _MINUS)


def gap(metric: str, value: float, signed: bool = True) -> str:
    """A difference of two values of a metric, in points or as it is."""
    sign = "+" if signed else ""
    if metric == "loss":
        return f"{sign if value > 0 else ''}{digits(value)}"
    text = f"{value:{sign}.3f}" if metric in _CORRELATIONS else f"{100 * value:{sign}.1f}"
    return text.lstrip("+-") if float(text) == 0 else text.replace("-", _MINUS)


def metric_name(metric: str) -> str:
    """A metric as a heading."""
    return METRIC_NAMES.get(metric, readable(metric))


def signed(value: float) -> str:
    """A difference with three digits."""
    return f"{'+' if value > 0 else ''}{digits(value)}"


def within(metric: str) -> str:
    """A metric's name inside a sentence."""
    name = metric_name(metric)
    if metric in {"pearson", "spearman"}:
        return f"{name} correlation"
    return name if metric in {"f1", "mcc"} else name[0].lower() + name[1:]


def data(name: str) -> str:
    """The name of a data set inside a sentence."""
    return "held-out text" if name == "held_out" else name


def span(metric: str, low: float, high: float) -> str:
    """An interval in small print: 79.7–84.4."""
    ends = [gap(metric, end, signed=False) for end in (low, high)]
    return ("–" if low >= 0 else " to ").join(ends)


def points(metric: str) -> str:
    """The unit of `gap`, with the space before it."""
    return "" if metric in {*_CORRELATIONS, "loss"} else " points"


def probability(value: float) -> str:
    """A p-value in a sentence, with its relation sign."""
    text = "p < 0.001" if value < 0.001 else f"p = {value:.3f}" if value < 0.1 else f"p = {value:.2f}"
    return text.replace(" ", "\N{NO-BREAK SPACE}")


def duration(seconds: float) -> str:
    """A time as a person says it."""
    if seconds < 60:
        return f"{digits(seconds, 2)} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def percent(share: float) -> str:
    """A share of a whole."""
    return f"{100 * share:.1f} %"


def plural(count: int, one: str) -> str:
    """A count with its noun."""
    return f"{count:,} {one if count == 1 else one + 's'}"


def readable(key: str) -> str:
    """A key of a file as words."""
    return key.replace("_", " ")
