"""Results as people and programs read them."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, is_dataclass
from os import PathLike, fspath
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from tinybert.report import words
from tinybert.report.predictions import SYSTEMS
from tinybert.report.read import evaluated_on

_A_LINE_EACH: Final = ("stages", "notes", "measured", "estimated")
_SHOWN: Final = 20  # rows that two models answer differently
_PIECES: Final = "32"  # the shorter of the two lengths at which latency is measured


def show(result: Any, console: Console, *, as_json: bool) -> None:
    """Print a result: one JSON object, or a table and lines for people."""
    value = simple(result)
    if as_json:
        value = value if isinstance(value, dict) else {"recipes" if isinstance(value, list) else "output": value}
        _print_json(value, console)
    elif isinstance(value, list):
        console.print(_table(value))
    elif isinstance(value, dict) and any(name in value for name in SYSTEMS) and "stages" not in value:
        console.print(_models(value))  # all the rest stands in metrics.json and in the report
    elif isinstance(value, dict) and "flipped" in value:
        _lines({key: inner for key, inner in value.items() if key != "flipped"}, console)
        console.print(_table(value["flipped"][:_SHOWN]))
        if (more := len(value["flipped"]) - _SHOWN) > 0:
            console.print(f"{more} more; --json lists all")
    elif isinstance(value, dict) and "samples" in value:
        _lines({key: inner for key, inner in value.items() if key != "samples"}, console)
        console.print(_samples(value["samples"]))
    else:
        _lines(value, console)


def rows(result: Iterable[Mapping[str, Any]], console: Console) -> None:
    """Print predictions as they come, one JSON object a line."""
    for row in result:
        _print_json(simple(row), console)


def simple(value: Any) -> Any:
    """Only what JSON has words for; a number that is none becomes null."""
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, Mapping):
        return {str(key): simple(inner) for key, inner in value.items()}
    if isinstance(value, PathLike):
        return fspath(value)
    if isinstance(value, list | tuple):
        return [simple(inner) for inner in value]
    if hasattr(value, "item"):  # a number of numpy or torch
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _print_json(value: Any, console: Console) -> None:
    console.file.write(json.dumps(value, ensure_ascii=False) + "\n")  # past rich, which would wrap it


def _models(result: Mapping[str, Any]) -> Table:
    """One row per model: scores on test, else the loss on held-out text, else scores on dev; then what it costs."""
    models = {name: result[name] for name in SYSTEMS if name in result}
    split = evaluated_on(result)
    scores = {name: model.get(split) or {} for name, model in models.items()}
    columns = list(dict.fromkeys(key for found in scores.values() for key in found if _mean(found[key]) is not None))
    titles = [f"held-out {column}" if split == "held_out" else column for column in columns]
    table = Table(title=f"On {words.data(split)}", title_justify="left")
    for column in ("", *titles, "parameters", "size", f"ms at {_PIECES} pieces"):
        table.add_column(column, justify="right" if column else "left")
    for name, model in models.items():
        latency = (model.get("latency_ms") or {}).get(_PIECES) or {}
        costs = (
            _millions(model.get("parameters"), "M"),
            _millions(model.get("bytes"), "MB"),
            _figure(latency.get("p50")),
        )
        table.add_row(name.replace("_", " "), *(_figure(scores[name].get(column)) for column in columns), *costs)
    return table


def _mean(value: Any) -> float | None:
    """A number, or the mean where a figure was taken over seeds."""
    value = value.get("mean") if isinstance(value, Mapping) else value
    return float(value) if isinstance(value, int | float) else None


def _millions(value: Any, unit: str) -> str:
    number = _mean(value)
    return "-" if number is None else f"{number / 1e6:.1f} {unit}"


def _samples(found: list[dict[str, Any]]) -> Table:
    """Augmented texts beside their originals."""
    table = Table(show_lines=True)
    for name, ratio in (("row", None), ("original", 1), ("copy", 1)):
        table.add_column(name, overflow="fold", ratio=ratio, justify="left" if ratio else "right")
    for entry in found:
        table.add_row(str(entry["row"]), entry["original"], entry["copy"])
    return table


def _table(found: list[dict[str, Any]]) -> Table:
    table = Table()
    for column in found[0] if found else ():
        table.add_column(column, overflow="fold")
    for entry in found:
        table.add_row(*(_figure(value) for value in entry.values()))
    return table


def _lines(value: Any, console: Console, indent: str = "") -> None:
    """Nested `name: value` lines; lists on one line, but those of a plan on one line an entry."""
    if not isinstance(value, Mapping):
        console.print(f"{indent}{_figure(value)}", soft_wrap=True)
        return
    for key, inner in value.items():
        nested = isinstance(inner, Mapping) or (isinstance(inner, list) and key in _A_LINE_EACH)
        console.print(f"{indent}{key}:" if nested else f"{indent}{key}: {_figure(inner)}", soft_wrap=True)
        if nested:
            for entry in [inner] if isinstance(inner, Mapping) else map(_figure, inner):
                _lines(entry, console, f"{indent}  ")


def _figure(value: Any) -> str:
    if isinstance(value, Mapping) and "mean" in value:
        spread = "" if value.get("std") is None else f" ± {value['std']:.2g}"
        return f"{_figure(value['mean'])}{spread}"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_figure(inner)}" for name, inner in value.items())
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return ", ".join(map(_figure, value))
    return "-" if value is None else str(value)
