"""The first stage: a network with a head that is good enough to learn from."""

import pytest
from safetensors.torch import load_file

from recipes.workshop import on_one_processor, read, reviews, stage, trained
from tinybert.errors import UserError
from tinybert.models.loading import load_classifier

pytestmark = [pytest.mark.usefixtures("processor"), on_one_processor]


@pytest.fixture
def stubborn(workshop):
    """A teacher that says pos whatever it reads, and 100 dev rows to see it."""
    workshop.model(classes=("neg", "pos"), bias=[0.0, 5.0])
    workshop.data("many.tsv", reviews(100, seed=4))
    return workshop


def test__a_teacher_that_knows_nothing_stops_the_run_on_100_rows(stubborn):
    with pytest.raises(UserError, match=r"teacher: 0\.500 on 100 dev rows is not better .* teacher\.accept_weak=true"):
        stubborn.distill(dev=stubborn.path("many.tsv"))
    assert not (stubborn.path("run") / "student").exists()
    with pytest.raises(UserError, match="is not better"):  # nor does a second try slip through
        stubborn.distill(dev=stubborn.path("many.tsv"))


def test__who_accepts_a_weak_teacher_goes_on_where_the_run_stopped(stubborn, capsys):
    with pytest.raises(UserError):
        stubborn.distill(dev=stubborn.path("many.tsv"))
    metrics = stubborn.distill(dev=stubborn.path("many.tsv"), also=("teacher.accept_weak=true",))
    assert metrics["teacher"]["dev"]["accuracy"] == 0.5
    assert "is not better than" in capsys.readouterr().err


def test__fewer_than_100_rows_only_warn(stubborn, capsys):
    stubborn.distill(dev=stubborn.data("fewer.tsv", reviews(98, seed=4)))
    assert "0.500 on 98 dev rows is not better" in capsys.readouterr().err
    (examined,) = (read(path) for path in stubborn.path("run").glob("stages/examined-*/result/examined.json"))
    assert (examined["strength"], examined["baseline"]) == ("doubtful", 0.5)


def test__a_regression_teacher_that_knows_nothing_stops_the_run_too(workshop):
    rows = [{"text": row["text"], "label": n + 0.5} for n, row in enumerate(reviews(100, seed=4))]
    workshop.model(classes=(), bias=[3.0])
    with pytest.raises(UserError, match=r"teacher: 0\.000 on 100 dev rows"):
        workshop.distill(train=workshop.data("t.tsv", rows[:24]), dev=workshop.data("d.tsv", rows), test=None)


def test__a_teacher_without_a_head_is_fine_tuned_and_kept(workshop):
    body = workshop.model()
    workshop.distill()
    run = workshop.path("run")
    kept = load_classifier(run / "teacher")
    assert kept.has_head
    assert kept.model.config.id2label == {0: "neg", 1: "pos"}
    learnt = trained(run, "teacher")
    assert all((kept.model.weights()[name] == value).all() for name, value in learnt.items())
    before = load_file(body / "model.safetensors")
    changed = [name for name, value in before.items() if not (learnt[f"bert.{name}"] == value).all()]
    assert any("layer.3.output" in name for name in changed)


def test__a_fine_tuned_teacher_of_a_run_teaches_the_next_one(workshop):
    workshop.model()
    workshop.distill()
    metrics = workshop.distill(teacher=workshop.path("run") / "teacher", output=workshop.path("next"))
    assert metrics["teacher"]["dev"] == read(workshop.path("run") / "metrics.json")["teacher"]["dev"]
    assert not (workshop.path("next") / "teacher").exists()
    assert not stage(workshop.path("next"), "teacher").exists()
