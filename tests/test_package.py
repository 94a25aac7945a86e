"""The package as a whole: every module imports, and none of them can run code that a file brings along."""

import importlib
import re
from pathlib import Path

import jaxtyping
import numpy as np
import pytest

import tinybert
from tinybert.data.encoded import EncodedRows
from tinybert.tasks.thresholds import fitted_threshold

SOURCE = Path(__file__).parents[1] / "src" / "tinybert"
PATHS = sorted(path.relative_to(SOURCE.parent).with_suffix("") for path in SOURCE.rglob("*.py"))
MODULES = [".".join(path.parts).removesuffix(".__init__") for path in PATHS if path.name != "__main__"]
DANGEROUS = re.compile(
    r"\b(import|from) pickle\b|\bpickle\.|\bjoblib\.|\btorch\.(load|save)\b|\byaml\.(unsafe_|full_)?load\b"
    r"|\ballow_pickle\s*=\s*True|trust_remote_code\s*=\s*True|weights_only\s*=\s*False"
    r"|\beval\(|\bexec\(|\bos\.system\b|shell\s*=\s*True"
)


def test__every_module_imports():
    assert [importlib.import_module(name).__name__ for name in MODULES] == MODULES


def test__shapes_are_checked_in_tests_and_nothing_else_is(request):
    if not request.config.getoption("jaxtyping_packages"):
        pytest.skip("without --jaxtyping-packages nothing is")
    with pytest.raises(jaxtyping.TypeCheckError):
        fitted_threshold(np.zeros(3, bool), np.zeros(4))
    assert hasattr(EncodedRows.batch, "__wrapped__")
    assert not hasattr(EncodedRows.open, "__wrapped__")


def test__every_public_name_is_there():
    assert all(getattr(tinybert, name) for name in tinybert.__all__)


def test__the_changelog_tells_of_this_version_first():
    headings = re.findall(r"^## (.+)$", (SOURCE.parents[1] / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert tinybert.__version__ in headings[0]


def test__nothing_loads_or_runs_code_out_of_files():
    offences = [
        f"{path.relative_to(SOURCE)}:{number}: {line.strip()}"
        for path in sorted(SOURCE.rglob("*.py"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if DANGEROUS.search(line.split("#")[0].replace(".eval()", ""))
    ]
    assert offences == []


def test__every_packaged_preset_fits_its_recipe():
    from tinybert.config import preset_names, resolve
    from tinybert.recipes import RECIPES

    for recipe, what in RECIPES.items():
        assert {"paper", "small"} <= set(preset_names(recipe))
        for preset in preset_names(recipe):
            assert resolve(what.config, recipe, config=preset).preset == preset
