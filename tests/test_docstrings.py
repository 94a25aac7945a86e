"""The examples in docstrings are run: each module's own names, and `torch` and `np`, which every reader knows."""

import doctest
import importlib
from pathlib import Path

import numpy as np
import pytest
import torch

SOURCE = Path(__file__).parents[1] / "src" / "tinybert"
PATHS = [path for path in sorted(SOURCE.rglob("*.py")) if ">>>" in path.read_text(encoding="utf-8")]
MODULES = [".".join(path.relative_to(SOURCE.parent).with_suffix("").parts).removesuffix(".__init__") for path in PATHS]


@pytest.mark.parametrize("name", MODULES)
def test__examples_in_docstrings_give_what_they_say(name):
    module = importlib.import_module(name)
    known = {"torch": torch, "np": np, **vars(module)}
    report: list[str] = []

    runner = doctest.DocTestRunner(verbose=False)
    for example in doctest.DocTestFinder(exclude_empty=True).find(module, globs=known):
        runner.run(example, out=report.append)

    assert report == []
    assert runner.tries > 0


def test__there_are_examples_to_run():
    assert len(MODULES) >= 10
