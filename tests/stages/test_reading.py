"""The data of a run, as it is read and told of."""

from recipes.workshop import FP32, reviews


def test__texts_of_unknown_pieces_are_told_of(workshop):
    workshop.model(classes=("neg", "pos"))
    smileys = [{**row, "text": "\U0001f600 " * n} for n, row in enumerate(reviews(24), start=1)]
    train = workshop.data("smileys.tsv", smileys)
    warning = "train: 100% of the pieces are unknown to the vocabulary"
    plan = workshop.distill(train=train, dry_run=True)
    assert plan["unknown_pieces"] == {"train": 1.0, "dev": 0.0, "test": 0.0}
    assert any(note.startswith(warning) for note in plan["notes"])
    metrics = workshop.distill(train=train, also=FP32)
    assert metrics["data"]["unknown_pieces"] == plan["unknown_pieces"]
    assert any(note.startswith(warning) for note in metrics["notes"])
