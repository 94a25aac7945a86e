"""Results for people and programs."""

import io
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from tinybert.show import rows, show, simple


def console(stream: io.StringIO) -> Console:
    return Console(file=stream, width=160, markup=False, highlight=False)


def shown(result, *, as_json=False) -> str:
    stream = io.StringIO()
    show(result, console(stream), as_json=as_json)
    return stream.getvalue()


@dataclass
class Outcome:
    folder: Path
    scores: tuple[float, ...]


def test__json_has_words_for_everything_a_command_returns():
    value = {"a": np.float64(0.5), 1: Outcome(Path("x/y"), (1.0, float("inf"))), "n": np.int64(3), "none": None}

    assert simple(value) == {"a": 0.5, "1": {"folder": "x/y", "scores": [1.0, None]}, "n": 3, "none": None}


@pytest.mark.parametrize(
    ("result", "expected"),
    [({"a": 1}, {"a": 1}), ([{"name": "x"}], {"recipes": [{"name": "x"}]}), (Path("d"), {"output": "d"})],
)
def test__json_is_always_one_object(result, expected):
    text = shown(result, as_json=True)

    assert json.loads(text) == expected
    assert text.count("\n") == 1


def test__models_stand_side_by_side_with_scores_and_costs():
    model = {
        "dev": {"accuracy": 0.75},
        "test": {"accuracy": 0.5, "f1": 0.25},
        "parameters": 14_350_000,
        "bytes": 57_700_000,
    }
    text = shown(
        {"recipe": "tinybert", "teacher": {**model, "bytes": None}, "student_int8": model, "classes": ["a", "b"]}
    )

    assert "On test" in text
    assert "0.75" not in text
    for part in ("accuracy", "f1", "0.25", "14.3 M", "57.7 MB", "student int8", "ms at 32 pieces"):
        assert part in text


def test__figures_over_seeds_show_mean_and_spread():
    accuracy = {"mean": 0.81234, "std": 0.0123, "interval": [0.8, 0.82], "values": [0.8, 0.82]}
    dev = {"accuracy": accuracy, "f1": {"mean": 0.5, "std": None}, "confusion": [[1, 2]]}
    text = shown({"student": {"dev": dev, "parameters": {"mean": 1e6}}, "seeds": [1, 2]})

    assert "0.8123 ± 0.012" in text
    assert "1.0 M" in text
    assert "confusion" not in text


def test__models_without_test_are_shown_on_dev():
    text = shown({"student": {"dev": {"pearson": 0.123456}}})

    assert "On dev" in text
    assert "0.1235" in text


@pytest.mark.parametrize(
    ("loss", "expected"), [(2.65562, "2.656"), ({"mean": 2.65562, "std": 0.125, "values": [2.5]}, "2.656 ± 0.12")]
)
def test__a_student_without_a_task_is_shown_by_its_held_out_loss(loss, expected):
    text = shown({"teacher": {"parameters": 22_000_000}, "student": {"held_out": {"loss": loss}}})

    assert "On held-out text" in text
    assert "held-out loss" in text
    assert expected in text


def test__plain_results_are_lines_and_stages_have_one_each():
    text = shown({"accuracy": 0.123456, "dev": {"f1": 1.0}, "stages": ["first [step]", "second"], "none": None})

    assert text.splitlines() == [
        "accuracy: 0.1235",
        "dev:",
        "  f1: 1",
        "stages:",
        "  first [step]",
        "  second",
        "none: -",
    ]


def test__recipes_are_a_table_with_brackets_left_alone():
    text = shown([{"name": "tinybert", "citation": "Jiao et al. [2020]", "presets": ["paper", "small"]}])

    for part in ("citation", "Jiao et al. [2020]", "paper, small"):
        assert part in text


def test__predictions_are_one_object_a_line():
    stream = io.StringIO()
    rows(iter([{"row": 1, "scores": {"a": np.float32(0.5)}}]), console(stream))

    assert stream.getvalue() == '{"row": 1, "scores": {"a": 0.5}}\n'


def test__a_plan_of_models_is_lines_and_no_table_of_figures():
    sizes = {"layers": 2, "width": 12}
    stages = [{"name": "teacher", "updates": 6}, {"name": "prediction", "updates": 8}]
    text = shown({"teacher": None, "student": sizes, "rows": {"train": 24}, "stages": stages})
    assert text.splitlines() == [
        "teacher: -",
        "student:",
        "  layers: 2",
        "  width: 12",
        "rows:",
        "  train: 24",
        "stages:",
        "  name teacher, updates 6",
        "  name prediction, updates 8",
    ]
