"""The `metrics.json` of several seeds: mean, standard deviation and 95 % interval of every figure."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tinybert.errors import UserError
from tinybert.files import read_json
from tinybert.report.predictions import SYSTEMS
from tinybert.report.values import mapping, number
from tinybert.statistics import over_seeds

_SHARED = ("recipe", "preset", "classes", "evaluated_on", "main_metric")


def aggregate(run_folders: Sequence[Path]) -> dict[str, Any]:
    """Join the `metrics.json` of runs that differ only in their seed.

    Args:
        run_folders: Finished runs, in the order of their seeds.

    Returns:
        `recipe`, `preset`, `classes` as in each run; `seeds`; and under `teacher`, `student` and `student_int8` the
        tree of a run's metrics with every number replaced by `{"mean", "std", "interval": [low, high], "values"}`.
        `values` has one entry a seed, null where that run lacks the figure; `std` and `interval` are null for one.

    Raises:
        UserError: If a run has no metrics.
        ValueError: If there is no run.
    """
    if not run_folders:
        raise ValueError("nothing to aggregate: no run folders")
    runs = [_metrics(folder) for folder in run_folders]
    joined: dict[str, Any] = {key: runs[0][key] for key in _SHARED if key in runs[0]}
    joined["seeds"] = [run.get("seed") for run in runs]
    for system in SYSTEMS:
        trees = [mapping(run.get(system)) for run in runs]
        if any(trees):
            joined[system] = _join(trees)
    return joined


def figure(values: Sequence[float | None]) -> dict[str, Any]:
    """One number over seeds, as it stands in an aggregated `metrics.json`."""
    known = [float(value) for value in values if value is not None]
    several = len(known) > 1
    return {
        "mean": float(np.mean(known)),
        "std": float(np.std(known, ddof=1)) if several else None,
        "interval": list(over_seeds(known)[1:]) if several else None,
        "values": list(values),
    }


def _metrics(folder: Path) -> dict[str, Any]:
    path = folder / "metrics.json"
    if not path.exists():
        raise UserError(f"{path}: this run left no metrics; finish it with the command that began it")
    metrics: dict[str, Any] = read_json(path)
    return metrics


def _join(trees: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    joined: dict[str, Any] = {}
    for key in _keys(trees):
        values = [tree.get(key) for tree in trees]
        if any(isinstance(value, dict) for value in values):
            joined[key] = _join([mapping(value) for value in values])
        elif any(number(value) is not None for value in values):
            joined[key] = figure([number(value) for value in values])
    return joined


def _keys(trees: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Keys of all trees, each once, in the order in which they first occur."""
    yield from dict.fromkeys(key for tree in trees for key in tree)
