"""Documents longer than the network reads: learnt, measured and answered for in windows."""

import numpy as np
import pytest

import tinybert
from recipes.workshop import CLASSES, FP32, ratings, read, reviews
from tinybert.errors import UserError

LONG = (*FP32, "data.max_length=10", "data.windows=mean", "data.stride=2")


def documents(make):
    """Texts of up to 18 words."""
    return lambda count, seed=0: [
        {**row, "text": f"{row['text']} the film was {other['text']}"}
        for row, other in zip(make(count, seed), make(count, seed + 50), strict=True)
    ]


@pytest.mark.parametrize(("make", "classes"), [(reviews, CLASSES), (ratings, ())])
def test__long_texts_are_learnt_and_answered_for_in_windows(workshop, capfd, make, classes):
    workshop.model(classes=classes)
    data = workshop.splits(documents(make))
    copies = ("augment.method=eda", "augment.copies=1") if classes else ()
    metrics = workshop.distill("augmented_kd", also=(*LONG, *copies))
    run, told = workshop.path("run"), metrics["data"]
    assert told["rows"] == {"train": 24, "dev": 12, "test": 12}
    assert told["truncated"] == {"train": 0, "dev": 0, "test": 0}
    assert 0 < told["windowed"]["train"] <= 24
    assert f"{told['windowed']['train']} of 24 texts" in capfd.readouterr().err
    assert "Texts read in windows in train" in (run / "report.html").read_text()
    assert "takes the mean of their logits" in (run / "README.md").read_text()
    assert read(run / "student" / "config.json")["text_windows"] == {"windows": "mean", "stride": 2}
    written = read(run / "predictions.jsonl")
    answers = list(tinybert.predict(run, data=data["test"]))  # windows without being told
    assert [answer["row"] for answer in answers] == list(range(1, 13))
    key = "scores" if classes else "score"
    for answer, row in zip(answers, written, strict=True):
        np.testing.assert_allclose(
            list(answer[key].values()) if classes else answer[key],
            list(row[key].values()) if classes else row[key],
            atol=1e-5,
        )
    found = tinybert.evaluate(run, data=data["test"])
    assert {name: found[name] for name in metrics["student"]["test"]} == pytest.approx(metrics["student"]["test"])
    cut = list(tinybert.predict(run, data=data["test"], set=["data.windows=off"]))
    assert cut != answers
    with pytest.raises(UserError, match="changed since stage"):
        workshop.distill("augmented_kd", also=(*LONG[:-1], "data.stride=3", *copies))


@pytest.mark.usefixtures("untrained")
@pytest.mark.parametrize("dry_run", [True, False])
@pytest.mark.parametrize(
    ("recipe", "also", "why"),
    [
        (
            "tinybert",
            ("data.stride=2",),
            r"data\.stride: is that of windows, and long texts are cut; leave it out, or se",
        ),
        (
            "tinybert",
            ("data.stride=40",),
            r"data\.stride=40: must be at least 0 and at most half of max_length, got 40",
        ),
        ("l2a", ("data.windows=mean",), r"data\.windows=mean: samples are drawn of what is read at once"),
    ],
)
def test__windows_that_nobody_would_read_are_refused(workshop, recipe, also, why, dry_run):
    workshop.model(classes=CLASSES)
    with pytest.raises(UserError, match=why):
        workshop.distill(recipe, also=also, dry_run=dry_run)
