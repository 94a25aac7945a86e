"""The section of a report on augmented texts."""

from pathlib import Path

from tinybert.files import write_json
from tinybert.report.augmentation import augmentation
from tinybert.report.read import read_run
from tinybert.report.render import render

FIGURES = {
    "rows": {"originals": 10, "made": 200, "duplicates": 20, "flipped": 0, "copies": 180},
    "words_changed": 0.25,
    "distance": {"0": 0, "1": 60, "2": 120},
    "distinct": {"originals": {"1": 0.5, "2": 0.9}, "copies": {"1": 0.6, "2": None}},
    "flips": {"share": 0.05, "asked": 180},
    "samples": [{"row": 3, "number": 1, "original": "<b>good</b>", "copy": "<script>alert(1)</script>"}],
}


def run_with(folder: Path, figures: object) -> Path:
    write_json(folder / "metrics.json", {"recipe": "tinybert", "augmentation": figures})
    return folder


def test__figures_are_told_in_words(tmp_path):
    found = augmentation(read_run(run_with(tmp_path, FIGURES)))
    facts = {fact.name: fact.value for fact in found.facts}
    assert facts["Duplicates dropped"] == "20"
    assert facts["Words changed, where a text was rewritten"] == "25.0 %"
    assert facts["Copies that the teacher gives another class"] == "5.0 % of 180 asked about"
    assert facts["Different pairs of words (distinct-2)"] == "90.0 % in originals"
    assert found.distances == {"0": 0, "1": 60, "2": 120}


def test__texts_are_escaped(tmp_path):
    render([run_with(tmp_path / "run", FIGURES)], tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script" not in page


def test__half_of_it_or_nothing_is_no_error(tmp_path):
    for figures in ({}, {"rows": None}, {"samples": "none", "distance": {"1": "x"}}, {"distance": {"1": 0}}, [1]):
        folder = run_with(tmp_path / "run", figures)
        render([folder], tmp_path / "report.html")
    assert augmentation(read_run(run_with(tmp_path / "run", {}))) is None
