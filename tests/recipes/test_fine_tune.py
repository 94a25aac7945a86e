"""The claims of plain fine-tuning: gold labels only, a teacher that only lends its form."""

import pytest

from recipes.workshop import contents, equal, on_one_processor, read, reviews, stage, steps_of, trained
from tinybert.errors import UserError
from tinybert.export.card import licence_of

pytestmark = [pytest.mark.usefixtures("processor"), on_one_processor]


def test__a_checkpoint_is_fine_tuned_without_any_teacher(workshop):
    checkpoint = workshop.model("general", layers=2, width=12)
    metrics = workshop.distill("fine_tune", teacher=None, student=checkpoint)
    assert "teacher" not in metrics
    assert steps_of(workshop.path("run")) == ["init", "fine_tune"]
    assert "teacher" not in read(workshop.path("run") / "predictions.jsonl")[0]


def test__the_card_names_the_checkpoint_and_its_licence_and_no_teacher(workshop):
    checkpoint = workshop.model("general", layers=2, width=12)
    (checkpoint / "README.md").write_text("---\nlicense: apache-2.0\n---\n")
    workshop.distill("fine_tune", teacher=None, student=checkpoint)
    student = workshop.path("run") / "student"
    card = (student / "README.md").read_text()
    assert "Made out of the checkpoint **general** and fine-tuned on labelled text" in card
    assert "teacher" not in card
    assert str(checkpoint.parent) not in card
    assert "rows;" not in card
    assert "data.quoting" not in card
    assert licence_of(student) == "apache-2.0"


@pytest.mark.parametrize(("init", "licence"), [("project", "mit"), (None, "mit"), ("random", "unknown")])
def test__the_card_of_a_shape_names_what_lent_it_weights(workshop, init, licence):
    teacher = workshop.model()
    (teacher / "README.md").write_text("---\nlicense: mit\n---\n")
    workshop.distill("fine_tune", also=() if init is None else (f"student.init={init}",))
    student = workshop.path("run") / "student"
    card = (student / "README.md").read_text()
    assert ("Made out of the checkpoint **teacher**" in card) == (init != "random")
    assert "Learnt from the teacher" not in card
    assert licence_of(student) == licence


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
    workshop.distill("fine_tune", also=("student.init=random",))
    workshop.distill(
        "fine_tune",
        also=("student.init=random",),
        train=workshop.data("flipped.tsv", flipped),
        output=workshop.path("other"),
    )
    ours, theirs = (workshop.path(name) for name in ("run", "other"))
    assert equal_start(ours, theirs)
    assert not equal(trained(ours, "fine_tune"), trained(theirs, "fine_tune"))


def test__with_a_second_domain_it_learns_source_then_target(workshop):
    source = workshop.data("source.tsv", [*reviews(40, seed=9), {"text": "it is a film", "label": "meh"}])
    metrics = workshop.distill("fine_tune", source=source)
    run = workshop.path("run")
    assert steps_of(run) == ["init", "fine_tune_source", "fine_tune"]
    assert read(stage(run, "fine_tune_source") / "result" / "report.json")["steps"] == 10
    assert metrics["data"]["rows"] == {"train": 24, "dev": 12, "test": 12, "source": 41}
    assert set(metrics["data"]["digests"]) == {"train", "dev", "test", "source"}
    assert metrics["data"]["overlap"]["source"]["rows"] == 41
    assert any(note.endswith("meh 1") for note in metrics["notes"])
    before = contents(run / "stages")
    workshop.distill("fine_tune", source=source.rename(workshop.path("moved.tsv")))
    assert contents(run / "stages") == before


def test__copies_by_any_augmenter_are_learnt_with_the_labels_of_their_originals(workshop):
    metrics = workshop.distill(
        "fine_tune", also=("augment.method=eda", "augment.copies=2"), source=workshop.data("source.tsv", reviews(16))
    )
    run = workshop.path("run")
    assert steps_of(run) == ["init", "augment", "fine_tune_source", "fine_tune"]
    assert metrics["augmentation"]["rows"]["copies"] > 24
    assert metrics["augmentation"]["flips"] is None
    report = read(stage(run, "fine_tune") / "result" / "report.json")
    assert report["examples"] == 2 * (24 + metrics["augmentation"]["rows"]["copies"])
    with pytest.raises(UserError, match=r"augment\.keep_flipped=false: no teacher says which copies flip"):
        workshop.distill("fine_tune", also=("augment.method=eda", "augment.keep_flipped=false"))


def test__a_second_domain_is_no_part_of_a_run_that_began_without(workshop):
    workshop.distill("fine_tune")
    with pytest.raises(UserError, match=r"^source: changed since stage fine_tune .*--restart-from fine_tune"):
        workshop.distill("fine_tune", source=workshop.data("source.tsv", reviews(40, seed=9)))


def test__a_second_domain_without_labels_is_refused_before_the_initialisation(workshop):
    with pytest.raises(UserError, match=r"^--source: no row has a label of this task"):
        workshop.distill("fine_tune", source=workshop.data("source.tsv", [{"text": "a film"}]))
    assert not steps_of(workshop.path("run"))


def test__what_is_kept_of_a_run_depends_on_the_contents_of_source_and_not_on_its_place(workshop):
    source, keep = workshop.data("source.tsv", reviews(16, seed=9)), ("run.keep=student",)
    metrics = workshop.distill("fine_tune", source=source, also=keep)
    moved = source.rename(workshop.path("moved.tsv"))
    assert workshop.distill("fine_tune", source=moved, also=keep) == metrics
    with pytest.raises(UserError, match=r"^source: changed since .* was finished"):
        workshop.distill("fine_tune", source=workshop.data("other.tsv", reviews(12, seed=9)), also=keep)


def equal_start(first, second):
    digests = (
        {name: one for name, (one, _) in contents(stage(run, "init") / "result").items()} for run in (first, second)
    )
    return len({tuple(sorted(found.items())) for found in digests}) == 1
