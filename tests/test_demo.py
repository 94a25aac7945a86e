"""The demonstration's teacher: found without being imported, and only the one that is expected."""

import hashlib
import importlib
import sys
from importlib.resources import files

import pytest

from recipes.workshop import read
from tinybert.errors import UserError

demo = importlib.import_module("tinybert.demo")  # `tinybert.demo` itself is the command


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A package like the extra's, with other weights; importing it fails the test."""
    package = tmp_path / demo.TEACHER_PACKAGE
    (package / "model").mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('imported')\n")
    (package / "model" / "model.safetensors").write_bytes(b"weights")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    return package


def test__the_package_is_found_without_being_imported(installed, monkeypatch):
    monkeypatch.setattr(demo, "TEACHER_SHA256", hashlib.sha256(b"weights").hexdigest())
    assert demo.demo_teacher() == installed / "model"
    assert demo.TEACHER_PACKAGE not in sys.modules


def test__other_weights_are_refused(installed):
    with pytest.raises(UserError, match=r"model.safetensors is not the file expected .*reinstall the extra"):
        demo.demo_teacher()
    (installed / "model" / "model.safetensors").unlink()
    with pytest.raises(UserError, match=r"is not the file expected"):
        demo.demo_teacher()


def test__without_the_extra_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setattr(demo, "TEACHER_PACKAGE", "no_such_package_at_all")
    with pytest.raises(UserError, match=r"pip install 'tinybert\[demo\]'"):
        demo.demo_teacher()


def test__its_data_are_shipped_and_read_without_a_complaint():
    from tinybert.data.settings import DataSettings
    from tinybert.data.task import load

    data = files("tinybert") / demo.DATA
    paths = [str(data / f"kitchen_{name}.tsv") for name in ("train", "dev", "test")]
    splits = load(
        *paths, DataSettings(), kind=None, head_classes=None, rng=lambda _: pytest.fail("drew"), rejected_to=None
    )
    assert len(splits.task.classes) == 2
    assert len(splits.train) > 300
    assert splits.test is not None
    assert len(splits.test) == 200
    assert not splits.dev_is_split


@pytest.mark.slow
def test__the_whole_job_makes_a_student_close_to_its_teacher(tmp_path):
    pytest.importorskip(demo.TEACHER_PACKAGE, reason="the extra demo is not installed", exc_type=ImportError)
    metrics = demo.demonstrate(tmp_path / "demo")
    teacher, student, small = (metrics[name]["test"]["accuracy"] for name in ("teacher", "student", "student_int8"))
    assert teacher > 0.8
    assert student > teacher - 0.1
    assert abs(small - student) < 0.05
    assert metrics["student"]["parameters"] * 2 < metrics["teacher"]["parameters"]
    assert read(tmp_path / "demo" / "metrics.json") == metrics
