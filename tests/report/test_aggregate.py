"""The metrics.json of several seeds."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from tinybert.errors import UserError
from tinybert.report.aggregate import aggregate


def _seed(folder: Path, seed: int, **entries: object) -> Path:
    folder.mkdir()
    base = {"recipe": "tinybert", "preset": "small", "seed": seed, "classes": ["a", "b"]}
    (folder / "metrics.json").write_text(json.dumps({**base, **entries}))
    return folder


def test__every_number_gets_mean_deviation_interval_and_values(tmp_path: Path) -> None:
    values = [0.8, 0.7, 0.75]
    folders = [
        _seed(tmp_path / f"seed-{i}", i, student={"test": {"accuracy": value}, "latency_ms": {"32": {"p50": i}}})
        for i, value in enumerate(values, start=1)
    ]
    got = aggregate(folders)
    accuracy = got["student"]["test"]["accuracy"]
    low, high = stats.t.interval(0.95, 2, loc=0.75, scale=stats.sem(values))
    assert accuracy["mean"] == pytest.approx(0.75)
    assert accuracy["std"] == pytest.approx(np.std(values, ddof=1))
    assert accuracy["interval"] == pytest.approx([low, high])
    assert accuracy["values"] == values
    assert got["student"]["latency_ms"]["32"]["p50"]["mean"] == 2
    assert (got["recipe"], got["seeds"], got["classes"]) == ("tinybert", [1, 2, 3], ["a", "b"])
    assert "teacher" not in got
    assert math.isfinite(json.loads(json.dumps(got, allow_nan=False))["student"]["test"]["accuracy"]["mean"])


def test__a_held_out_loss_is_a_figure_as_any(tmp_path: Path) -> None:
    folders = [
        _seed(tmp_path / f"seed-{i}", i, student={"held_out": {"loss": loss}}) for i, loss in enumerate((2.0, 3.0))
    ]
    got = aggregate(folders)["student"]["held_out"]["loss"]
    assert (got["mean"], got["values"]) == (2.5, [2.0, 3.0])
    assert got["interval"][0] < 2.5 < got["interval"][1]


def test__one_seed_has_no_interval(tmp_path: Path) -> None:
    got = aggregate([_seed(tmp_path / "seed-1", 1, teacher={"dev": {"accuracy": 0.5}})])
    assert got["teacher"]["dev"]["accuracy"] == {"mean": 0.5, "std": None, "interval": None, "values": [0.5]}


def test__a_figure_that_one_seed_lacks_keeps_its_place(tmp_path: Path) -> None:
    folders = [
        _seed(tmp_path / "seed-1", 1, student={"test": {"f1": 0.5}, "note": "text"}),
        _seed(tmp_path / "seed-2", 2, student={"dev": {"f1": 0.4}}),
        _seed(tmp_path / "seed-3", 3, student={"test": {"f1": 0.7}}),
    ]
    got = aggregate(folders)["student"]
    assert got["test"]["f1"]["values"] == [0.5, None, 0.7]
    assert got["test"]["f1"]["mean"] == pytest.approx(0.6)
    assert got["dev"]["f1"]["interval"] is None
    assert "note" not in got


def test__an_unfinished_seed_is_named(tmp_path: Path) -> None:
    (tmp_path / "seed-1").mkdir()
    with pytest.raises(UserError, match=r"seed-1.metrics\.json: this run left no metrics"):
        aggregate([tmp_path / "seed-1"])
