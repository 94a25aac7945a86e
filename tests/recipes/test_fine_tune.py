"""The claims of plain fine-tuning: gold labels only, a teacher that only lends its form."""

import pytest

from recipes.workshop import contents, equal, read, stage, trained
from tinybert.errors import UserError


def test__a_checkpoint_is_fine_tuned_without_any_teacher(workshop):
    checkpoint = workshop.model("general", layers=2, width=12)
    metrics = workshop.distill("fine_tune", teacher=None, student=checkpoint)
    assert "teacher" not in metrics
    assert [path.name for path in sorted((workshop.path("run") / "stages").glob("[0-9]*"))] == [
        "1-birth",
        "2-fine_tune",
    ]
    assert "teacher" not in read(workshop.path("run") / "predictions.jsonl")[0]


def test__a_shape_needs_something_to_be_cut_out_of(workshop):
    with pytest.raises(UserError, match="--student 2x12 is a shape; --teacher says what it is cut out of"):
        workshop.distill("fine_tune", teacher=None)


def test__the_teachers_head_has_no_say(workshop):
    """Of a teacher of other classes only the body is used."""
    workshop.model(classes=("joy", "anger", "fear"))
    metrics = workshop.distill("fine_tune")
    assert metrics["classes"] == ["neg", "pos"]


def test__gold_labels_are_what_is_learnt(workshop):
    workshop.model()
    rows = [line.split("\t") for line in workshop.splits()["train"].read_text().splitlines()[1:]]
    flipped = [{"text": text, "label": {"neg": "pos", "pos": "neg"}[label]} for text, label in rows]
    workshop.distill("fine_tune", also=("student.birth=random",))
    workshop.distill(
        "fine_tune",
        also=("student.birth=random",),
        train=workshop.data("flipped.tsv", flipped),
        output=workshop.path("other"),
    )
    ours, theirs = (workshop.path(name) for name in ("run", "other"))
    assert equal_birth(ours, theirs)
    assert not equal(trained(ours, "fine_tune"), trained(theirs, "fine_tune"))


def equal_birth(first, second):
    digests = (
        {name: one for name, (one, _) in contents(stage(run, "birth") / "result").items()} for run in (first, second)
    )
    return len({tuple(sorted(found.items())) for found in digests}) == 1
