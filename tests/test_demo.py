"""The demonstration: its data, and slowly the whole job."""

import importlib
from importlib.resources import files

import pytest

from recipes.workshop import read
from tinybert.models.embedded import PACKAGE

demo = importlib.import_module("tinybert.demo")  # `tinybert.demo` itself is the command


def test__its_data_are_shipped_and_read_without_a_complaint():
    from tinybert.data.settings import DataSettings
    from tinybert.tasks.load import load

    data = files("tinybert") / demo.DATA
    paths = [str(data / f"kitchen_{name}.tsv") for name in ("train", "dev", "test")]
    splits = load(
        *paths, DataSettings(), kind=None, head_classes=None, rng=lambda _: pytest.fail("drew"), rejected_to=None
    )
    assert len(splits.task.classes) == 2
    assert len(splits.train) > 300
    assert splits.test is not None
    assert len(splits.test) == 200


@pytest.mark.slow
def test__the_whole_job_makes_a_student_close_to_its_teacher(tmp_path):
    pytest.importorskip(PACKAGE, reason="the extra demo is not installed", exc_type=ImportError)
    metrics = demo.demonstrate(tmp_path / "demo")
    teacher, student, small = (metrics[name]["test"]["accuracy"] for name in ("teacher", "student", "student_int8"))
    assert teacher > 0.8
    assert student > teacher - 0.1
    assert abs(small - student) < 0.05
    assert metrics["student"]["parameters"] * 2 < metrics["teacher"]["parameters"]
    assert read(tmp_path / "demo" / "metrics.json") == metrics
