"""The wheel by itself: built, installed where nothing else of the project is, and at work there."""

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from recipes.workshop import CLASSES, REPOSITORY, Workshop, read, reviews
from tinybert.models.embedded import PACKAGE

pytestmark = pytest.mark.hub  # what builds it comes from PyPI


def run(*words, **how):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(list(map(str, words)), env=environment, capture_output=True, text=True, check=False, **how)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, REPOSITORY)
    (found,) = folder.glob("tinybert-*.whl")
    return found


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory):
    """An environment with the wheel; what it depends on is that of the tests, of which no `.pth` is read there."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder)
    python = folder / "bin" / "python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index", wheel)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder


def test__it_holds_everything_that_the_package_has(wheel):
    source = REPOSITORY / "src"
    there = {path for path in (source / "tinybert").rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {path.relative_to(source).as_posix() for path in there} <= names
    assert not {name for name in names if not name.startswith(("tinybert/", "tinybert-"))}


def test__it_plans_the_demo_and_distils_from_where_it_is_installed(environment, tmp_path, tiny_tokenizer):
    tinybert = environment / "bin" / "tinybert"
    found = run(environment / "bin" / "python", "-c", "import tinybert; print(tinybert.__file__)", cwd=tmp_path)
    assert Path(found.strip()).is_relative_to(environment)
    pytest.importorskip(PACKAGE, reason="the extra demo is not installed", exc_type=ImportError)
    assert "intermediate" in run(tinybert, "demo", "--dry-run", cwd=tmp_path)

    made = Workshop(tmp_path, tiny_tokenizer)
    teacher, train = made.model(classes=CLASSES), made.data("train.tsv", reviews(20))
    quick = ("augment.method=eda", "augment.copies=1", "intermediate.epochs=1", "prediction.epochs=1")
    settings = [word for one in quick for word in ("--set", one)]
    places = ("--teacher", teacher, "--student", "2x12", "--train", train, "--output", "run")
    run(tinybert, "distill", "tinybert", *places, *settings, cwd=tmp_path)
    assert read(tmp_path / "run" / "metrics.json")["data"]["rows"]["train"] == 18
    assert (tmp_path / "run" / "export" / "onnx" / "model_quantized.onnx").exists()
    assert "teacher" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
