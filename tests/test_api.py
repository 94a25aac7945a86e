"""The Python face: data in memory, what the calls return, what they refuse."""

import json
import shutil
from dataclasses import fields

import pandas
import pytest

import tinybert
from recipes.workshop import equal, finished_in, on_one_processor, quick_finish, read, reviews, trained
from tinybert.errors import UserError
from tinybert.recipes import RECIPES

pytestmark = [pytest.mark.usefixtures("processor"), on_one_processor]


@pytest.fixture(scope="module")
def workshop(tiny_tokenizer, tmp_path_factory, processor):
    return finished_in(tmp_path_factory.mktemp("api"), tiny_tokenizer)


def in_memory(form):
    rows = {"train": reviews(24, 1), "dev": reviews(12, 2), "test": reviews(12, 3)}
    return {name: pandas.DataFrame(part) if form == "frame" else part for name, part in rows.items()}


@pytest.mark.parametrize("form", ["list", "frame"])
def test__data_in_memory_make_the_same_student_as_files(workshop, form):
    with quick_finish():
        metrics = workshop.distill(output=workshop.path(form), **in_memory(form))
    assert equal(trained(workshop.path(form), "prediction"), trained(workshop.path("run"), "prediction"))
    assert metrics["data"]["digests"] == read(workshop.path("run") / "metrics.json")["data"]["digests"]
    assert "(in memory)" in (workshop.path(form) / "config.yaml").read_text()


def test__distill_returns_what_metrics_json_says(workshop):
    with quick_finish():
        assert workshop.distill() == read(workshop.path("run") / "metrics.json")


@pytest.mark.parametrize("data", [42, {"text": "good"}, b"text"])
def test__data_of_no_known_form_are_refused(workshop, data):
    with pytest.raises(UserError, match=r"train: a path, a list of dictionaries, a pandas.DataFrame .* is wanted"):
        workshop.distill(train=data, output=workshop.path("nowhere"))


def test__in_memory_data_are_named_in_messages(workshop):
    rows = [*reviews(3), {"text": "good", "label": None}]
    with pytest.raises(UserError, match=r"train:4: .*label"):
        workshop.distill(train=rows, output=workshop.path("bad"))


def test__unknown_keywords_are_refused_as_settings(workshop):
    with pytest.raises(UserError, match=r"predicton: unknown key \(did you mean prediction\?\)"):
        workshop.distill(predicton={"lr": 1}, output=workshop.path("nowhere"))


@pytest.mark.parametrize("form", ["text", "list", "mapping"])
def test__settings_are_one_text_several_or_a_mapping(workshop, form):
    forms = {"text": "data.positive=gone", "list": ["data.positive=gone"], "mapping": {"data.positive": "gone"}}
    with pytest.raises(UserError, match=r"data\.positive=gone: no such class"):
        tinybert.evaluate(workshop.path("run"), data=workshop.splits()["test"], set=forms[form])


def test__a_run_in_the_place_of_a_model_is_answered_with_the_model_in_it(workshop):
    with pytest.raises(UserError, match=r"run: is the folder of a run, not of a model; give .*student"):
        workshop.distill(teacher=workshop.path("run"), output=workshop.path("nowhere"))


def test__recipes_are_told_with_citation_and_presets():
    told = tinybert.recipes()
    assert [entry["name"] for entry in told] == list(RECIPES)
    assert all(set(entry) == {"name", "summary", "citation", "presets"} for entry in told)
    assert json.loads(json.dumps(told)) == told


def test__report_compares_runs(workshop):
    page, other = workshop.path("report.html"), shutil.copytree(workshop.path("run"), workshop.path("other"))
    assert tinybert.report([workshop.path("run"), other], output=page) == page
    text = page.read_text()
    assert "run" in text
    assert "other" in text
    assert tinybert.report(str(other), output=page) == page  # in place of the one before
    with pytest.raises(UserError, match="no such folder"):
        tinybert.report([workshop.path("gone")], output=page)
    for target in (workshop.path("train.tsv"), other):
        with pytest.raises(UserError, match=r"^--output .*(no report|one HTML file)"):
            tinybert.report([other], output=target)


def test__export_tells_sizes_and_parity(workshop, monkeypatch):
    from tinybert.export import onnx
    from tinybert.export.onnx import ExportReport

    asked = []

    def noting(model, output, *, int8, cpu):
        asked.append((model, output, int8, cpu))
        return ExportReport(output / "onnx/model.onnx", None, 10, None, 1e-7)

    monkeypatch.setattr(onnx, "export", noting)
    told = tinybert.export(workshop.path("run"), output=str(workshop.path("out")), cpu="avx2")
    assert asked == [(workshop.path("run") / "student", workshop.path("out"), False, "avx2")]
    assert (told["bytes"], told["parity_difference"]) == (10, 1e-7)
    assert set(told) == {field.name for field in fields(ExportReport)}


def test__public_names_carry_their_documentation():
    for name in tinybert.__all__:
        if name != "__version__":
            assert getattr(tinybert, name).__doc__
