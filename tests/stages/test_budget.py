"""A budget chooses the student: by few measurements, once for good, and never another one on resuming."""

import pytest

from recipes.workshop import CLASSES, Workshop, on_one_processor, quick_finish
from tinybert.config import read_yaml
from tinybert.errors import UserError
from tinybert.families.network import Shape
from tinybert.stages import budget
from tinybert.stages.budget import MOST, Candidate, Cost, Limits, search

FITS_TWO = {"student": None, "max_ms": 2.5, "also": ("student.inner=41",)}

pytestmark = [pytest.mark.usefixtures("processor"), on_one_processor]


@pytest.fixture
def workshop(tmp_path, tiny_tokenizer):
    made = Workshop(tmp_path, tiny_tokenizer)
    made.model(classes=CLASSES)
    return made


@pytest.fixture
def measured(monkeypatch):
    """Layers cost a millisecond each; the shapes that were measured."""
    asked = []

    def cost(network, quantisation, pieces):
        asked.append(network.shape.layers)
        return Cost(network.shape.width / 10, network.shape.layers * pieces / 64)

    monkeypatch.setattr(budget, "cost", cost)
    return asked


def candidates(layers, width, heads):
    """As of BERT; what narrow ones compute takes longer."""
    shapes = [
        Shape(depth, narrow, heads, 4 * narrow) for narrow in range(heads, width + 1, heads) if narrow % 8 == 0
        for depth in range(1, layers + 1)
    ]  # fmt: skip
    return [
        Candidate(one, one.layers * 12 * 64 * one.width**2, 31000 * one.width + one.layers * 12 * one.width**2)
        for one in shapes
    ]


def price(one):
    layers, width = one.shape.layers, one.shape.width
    return Cost(
        (one.weights + 17000 * layers + 18000) / 1e6, 0.06 + 0.12 * layers + one.work * (1 + 60 / width) / 2.4e8
    )


@pytest.mark.parametrize("limits", [(5.0, 2.0), (5.0, None), (None, 2.0), (15.0, 5.0), (3.0, 10.0), (1e3, 1e3)])
@pytest.mark.parametrize("teacher", [(6, 384, 12), (24, 1024, 16), (1, 8, 1)])
def test__few_measurements_find_the_shape_that_measuring_all_would(teacher, limits):
    known = candidates(*teacher)
    by_shape = {one.shape: price(one) for one in known}
    fitting = [one for one in known if Limits(*limits).excess(price(one)) <= 1]
    found = search(known, Limits(*limits), by_shape.__getitem__)
    assert len(found) <= MOST * 2 / 3
    best = max((one for one in found if Limits(*limits).excess(found[one]) <= 1), key=lambda one: one.work)
    assert best.work >= 0.9 * max(one.work for one in fitting)


def test__all_seeds_have_one_student_and_a_resume_measures_nothing(workshop, measured):
    with quick_finish():
        workshop.distill("fine_tune", seeds=2, **FITS_TWO)
        assert sorted(measured) == [1, 2], "once for both seeds"
        measured.clear()
        assert "student" in workshop.distill("fine_tune", seeds=2, **FITS_TWO)
        metrics = workshop.distill("fine_tune", output=workshop.path("run") / "seed-2", seed=2, **FITS_TWO)
    assert measured == []
    assert metrics["budget"]["student"] == "2x24"
    assert {row["student"] for row in metrics["budget"]["measured"]} >= {"1x24", "2x24"}
    config, _ = read_yaml(workshop.path("run") / "seed-2" / "config.yaml")
    assert config["student"]["path"] == "2x24"
    assert config["max_ms"] == "null"
    assert "Why this student" in (workshop.path("run") / "seed-1" / "report.html").read_text()


def test__a_finished_run_that_kept_only_its_student_is_found(workshop, measured):
    how = {**FITS_TWO, "also": (*FITS_TWO["also"], "run.keep=student")}
    with quick_finish():
        workshop.distill("fine_tune", **how)
        measured.clear()
        assert workshop.distill("fine_tune", **how)["budget"]["student"] == "2x24"
        assert measured == []
        workshop.distill("fine_tune", **how, restart=True)
    assert measured != []


def test__a_dry_run_shows_what_fits(workshop, measured):
    found = workshop.distill(dry_run=True, **FITS_TWO, max_mb=3.0, at=32)
    assert found["student"] == {"layers": 4, "width": 24, "heads": 3, "inner": 41}
    assert found["budget"]["measured"][0] == {
        "student": "4x24",
        "multiply_adds": found["budget"]["measured"][0]["multiply_adds"],
        "mb": 2.4,
        "ms": 2.0,
    }
    assert measured[-1] == 4


def test__pieces_that_the_student_will_not_keep_cost_nothing(workshop, monkeypatch):
    sizes = []
    monkeypatch.setattr(budget, "cost", lambda network, *_: Cost(network.piece_vectors.numel() / 1e3, 1.0))
    for vocabulary in ("all", "train"):
        also = (*FITS_TWO["also"], f"student.vocabulary={vocabulary}")
        found = workshop.distill("fine_tune", dry_run=True, student=None, max_ms=1.0, also=also)
        sizes.append(found["budget"]["measured"][0]["mb"])
    assert sizes[1] < sizes[0]


@pytest.mark.parametrize(
    ("recipe", "changes", "problem"),
    [
        ("tinybert", {"max_ms": 0.5}, "--max-ms 0.5: no student fits; the nearest is 1x24, with 2.40 MB as int8 and"),
        ("tinybert", {"student": "2x24"}, "--student: --max-mb and --max-ms choose the student"),
        ("tinybert", {"max_ms": -1.0}, "--max-ms: must be above 0"),
        ("tinybert", {"max_ms": None, "at": 8}, "--at: only read with --max-mb or --max-ms"),
        ("tinybert", {"at": 800}, "--at 800: .* reads at most 130 pieces"),
        ("static", {"also": ()}, "--max-mb, --max-ms: a student of this recipe has no layers to choose"),
        ("general", {}, "--max-mb, --max-ms: a student of plain text is not exported; name one with --student"),
    ],
)  # fmt: skip
def test__what_makes_no_sense_is_refused(workshop, measured, recipe, changes, problem):
    with pytest.raises(UserError, match=problem):
        workshop.distill(recipe, **{**FITS_TWO, "dry_run": True, **changes})
