"""Benchmarks run, on networks so small that nothing is measured: what a table rests on must not rot unseen.

Left out are those that only start other processes of the product: augment_memory, corpus, ranks.
"""

import re
import runpy
import sys
from pathlib import Path

import pytest

from recipes.workshop import Workshop, on_one_processor, quick_finish, reviews

FOLDER = Path(__file__).parents[1] / "benchmarks"
ROWS = ("--teacher", "{network}", "--student", "2x12", "--data", "{train}")
TEXT = ("--teacher", "{network}", "--student", "2x12", "--train", "{text}")
INFERENCE = (
    *("--network", "{network}", "--large", "2x12", "--small", "1x12", "--pieces", "8", "--texts", "1", "2"),
    *("--threads", "1", "--seconds", "0.01", "--data", "{train}", "--rows", "8"),
)
REGIMES = (
    *("--teacher", "{network}", "--student", "2x12", "--train", "{train}", "--dev", "{dev}", "--test", "{dev}"),
    *("--source", "{train}", "--per-class", "4", "--seeds", "1", "--regimes", "weak teacher"),
    *("--systems", "fine-tuned on the target", "--set", "fine_tune.max_steps=1"),
    *("--work", "{new}-cells", "--results", "{new}-results.jsonl"),
)

pytestmark = [pytest.mark.usefixtures("processor"), on_one_processor]


@pytest.fixture(scope="module")
def files(tmp_path_factory, tiny_tokenizer, processor):
    """What the benchmarks read."""
    made = Workshop(tmp_path_factory.mktemp("bench"), tiny_tokenizer)
    return {
        "network": made.model("network"),
        "mlm": made.masked_lm(),
        "train": made.data("train.tsv", reviews(64)),
        "dev": made.data("dev.tsv", reviews(16, seed=1)),
        "text": made.corpus(lines=2000),
        "new": made.path("new"),
    }


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        (
            "attention_kernels",
            ("--batch", "1", "--head-width", "4", "--heads", "2", "--pieces", "8", "--repeats", "1"),
            "",
        ),
        (
            "augmentation",
            ("--mlm", "{mlm}", "--data", "{train}", "--rows", "4", "--slow-rows", "1", "--groups", "2"),
            "x",
        ),
        ("initialisation", ("{network}", "{train}", "{dev}", "--student", "2x12"), ""),
        ("distillation_step", (*ROWS, "--rows", "64", "--steps", "1"), "x plain"),
        ("gpu", (*ROWS, "--rows", "64", "--steps", "1", "--batches", "8", "--device", "cpu"), "of training"),
        (
            "general_initialisation",
            (*TEXT, "--init", "project", "--tokens", "8192", "--marks", "1", "--output", "{new}"),
            "loss",
        ),
        ("general_step", (*TEXT, "--steps", "1", "--batch", "2"), "x plain"),
        ("inference", INFERENCE, "x pipeline"),
        ("l2a_regimes", REGIMES, "| 0."),
        ("selection", (*ROWS, "--dev", "{dev}", "--rows", "32", "--rounds", "1"), "median"),
    ],
)
def test__a_benchmark_runs(name, arguments, said, files, monkeypatch, capsys):
    given = [argument.format(**files) for argument in arguments]
    monkeypatch.setattr(sys, "argv", [name, *given])
    monkeypatch.syspath_prepend(FOLDER)
    with quick_finish():
        runpy.run_path(str(FOLDER / f"{name}.py"), run_name="__main__")
    out = capsys.readouterr().out
    assert re.search(r"\d\.\d", out), "prints no figure"
    assert said in out


def test__textbrewer_makes_the_updates_that_it_is_compared_in(files, tmp_path, monkeypatch):
    pytest.importorskip("textbrewer", reason="TextBrewer is not installed")
    monkeypatch.syspath_prepend(FOLDER)
    monkeypatch.setattr(sys, "argv", ["", *(one.format(**files) for one in ROWS), "--rows", "8"])
    bench = runpy.run_path(str(FOLDER / "distillation_step.py"))
    made = bench["Bench"](bench["parse"](), tmp_path)
    for stage in ("intermediate", "prediction"):
        steps = made.textbrewer_steps(stage)
        assert [next(steps), next(steps)] == [8, 8]
