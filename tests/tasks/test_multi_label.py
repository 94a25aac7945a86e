"""Several labels a text: from the labels of train to figures and thresholds."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as sk

from tinybert.data.encode import encode
from tinybert.data.encoded import EncodedRows
from tinybert.data.examples import Examples
from tinybert.data.settings import DataSettings
from tinybert.errors import UserError
from tinybert.models.heads import Head
from tinybert.statistics import ranking_strength
from tinybert.tasks.label_metrics import multi_label_metrics
from tinybert.tasks.load import load
from tinybert.tasks.multi_label import MultiLabel
from tinybert.tasks.read import load_for, load_labelled, task_of
from tinybert.types import Example

TASK = MultiLabel(("a", "b", "c"))
GOLD = ((1, 0, 1), (0, 0, 0), (0, 1, 0), (1, 0, 0))
LOGITS = np.array([[2, -1, -3], [-4, -5, -6], [-1, -2, 1], [3, -2, -1]], np.float32)


@pytest.fixture
def rows(tmp_path: Path, tiny_tokenizer: Any) -> EncodedRows:
    examples = [Example("good", label=label, row=n) for n, label in enumerate(GOLD, start=1)]
    return encode(Examples.of(examples), tiny_tokenizer, 8, tmp_path / "rows.arrow", record_batch=3)


def listed(*labels: Any) -> list[dict[str, Any]]:
    return [{"text": f"text {n}", "label": label} for n, label in enumerate(labels)]


def test__labels_survive_encoding_and_come_in_batches(rows: EncodedRows) -> None:
    assert rows.labels is not None
    assert rows.labels.tolist() == [list(label) for label in GOLD]
    labels = rows.select(np.array([3, 0])).batch(np.array([1])).labels
    assert labels is not None
    assert labels.tolist() == [[1, 0, 1]]


def test__found_by_lists_or_by_columns_and_named_in_order() -> None:
    assert load_labelled(listed(["b"], [], ["a", "b"]), DataSettings(), kind=None)[0] == MultiLabel(("a", "b"))
    assert load_labelled(listed([10], [9]), DataSettings(), kind=None)[0] == MultiLabel(("9", "10"))
    columns = [{"text": "x", "z": 1, "a": 0}, {"text": "y", "z": 0, "a": 1}]
    task, examples = load_labelled(columns, DataSettings(labels=("z", "a")), kind=None)
    assert task == MultiLabel(("z", "a"))
    assert examples.needed_labels().tolist() == [[1, 0], [0, 1]]


def test__a_head_says_the_order_and_unknown_labels_are_named() -> None:
    assert load_labelled(listed(["b"], ["a"]), DataSettings(), kind=None, head_classes=("B", "A"))[0].classes == (
        "B",
        "A",
    )
    with pytest.raises(UserError, match=r"^train:2: the labels do not match the teacher's; labels: b, x; .*: b, a;"):
        load_labelled(listed(["b"], ["b", "x"]), DataSettings(), kind=None, head_classes=("b", "a"))


def test__lists_of_one_label_are_classes_where_the_user_says_so() -> None:
    assert load_labelled(listed(["b"], ["a"]), DataSettings(), kind="classification")[0].kind == "classification"


@pytest.mark.parametrize(
    ("settings", "labels", "said"),
    [
        ({"per_class": 3}, [["a"], ["b"]] * 10, r"^data.per_class=3: a text may have several labels"),
        ({"positive": "a"}, [["a"], ["b"]] * 10, r"^data.positive=a: says nothing about multi-label; leave it out$"),
        ({}, [[], []], r"^train: no row has a label"),
        ({}, [["a"]] * 20, r"^train: every row has the label \['a'\]"),
        ({}, [["a"], "b"], r"^train:2: 'label' is not a list of labels but 'b'"),
        ({"class_weights": "balanced"}, [["a"], ["b"]] * 10, r"^data.class_weights=balanced: .* multi-label"),
    ],
)
def test__what_cannot_be_learnt_is_refused(streams: Any, settings: Any, labels: Any, said: str) -> None:
    options: dict[str, Any] = {"kind": None, "head_classes": None, "rejected_to": None, "rng": streams}
    with pytest.raises(UserError, match=said):
        load(listed(*labels), None, None, DataSettings(**settings), **options)


def test__dev_gets_its_share_of_rare_labels_and_of_texts_without_any(streams: Any) -> None:
    options: dict[str, Any] = {"kind": None, "head_classes": None, "rejected_to": None, "rng": streams}
    splits = load(listed(*[["often", "rare"], [], *[["often"]] * 8] * 10), None, None, DataSettings(), **options)
    assert splits.dev.needed_labels().sum(axis=0).tolist() == [9, 1]
    assert (splits.dev.needed_labels().sum(axis=1) == 0).sum() == 1
    assert "dev: 10 rows; often 9, rare 1; without a label 1" in splits.notes


def test__rows_are_of_the_stratum_of_their_rarest_label_or_of_none() -> None:
    assert TASK.strata(Examples.of([Example("good", label=label) for label in GOLD])).tolist() == [2, 3, 1, 0]


def test__a_label_holds_from_its_threshold_on(rows: EncodedRows) -> None:
    halves = np.zeros((len(GOLD), 3), np.float32)
    assert TASK.values(halves, rows) == [(1, 1, 1)] * len(GOLD)
    assert TASK.values(np.nextafter(halves, -1, dtype=np.float32) - 1e-6, rows) == [(0, 0, 0)] * len(GOLD)


def test__an_unknown_label_in_dev_is_named_with_its_row(streams: Any) -> None:
    options: dict[str, Any] = {"kind": None, "head_classes": None, "rejected_to": None, "rng": streams}
    with pytest.raises(UserError, match=r"^dev:2: unknown label 'x'; known are: a, b"):
        load(listed(["a"], ["b"]), listed(["a"], ["a", "x"]), None, DataSettings(), **options)
    with pytest.raises(UserError, match="only texts with a class or a score each are learnt from a second domain"):
        load(listed(["a"], ["b"]), listed(["a"], []), None, DataSettings(), source=listed(["a"]), **options)


def test__figures_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(3)
    gold = (rng.random((60, 5)) < [0.5, 0.3, 0.1, 0.02, 0]).astype(np.uint8)
    scores = rng.random((60, 5))
    said = scores > 0.6
    found = multi_label_metrics(gold, scores, said)
    for how in ("micro", "macro"):
        assert found[f"{how}_f1"] == pytest.approx(sk.f1_score(gold, said, average=how, zero_division=0.0))
    assert found["sample_f1"] == pytest.approx(sk.f1_score(gold, said, average="samples", zero_division=1.0))
    there = gold.any(axis=0)
    assert found["map"] == pytest.approx(sk.average_precision_score(gold[:, there], scores[:, there], average="macro"))


def test__a_text_that_rightly_gets_no_label_is_right() -> None:
    nothing = np.zeros((2, 3), np.uint8)
    found = multi_label_metrics(nothing, np.zeros((2, 3)), nothing.astype(bool))
    assert found == {"micro_f1": 0.0, "macro_f1": 0.0, "sample_f1": 1.0, "map": 0.0}


def test__fitted_thresholds_decide_and_travel_with_the_configuration(rows: EncodedRows, tiny_bert: Any) -> None:
    fitted = TASK.fitted(LOGITS, rows)
    assert fitted.metrics(LOGITS, rows)["micro_f1"] > TASK.metrics(LOGITS, rows)["micro_f1"]
    config = tiny_bert(outputs=3).config
    Head(TASK.classes, TASK.head.problem_type).describe_in(config)
    fitted.note_in(config)
    assert (TASK.agreement(LOGITS, LOGITS - 0.01, rows), fitted.agreement(LOGITS, LOGITS - 9, rows)) == (1, 0.25)
    assert task_of(config, "m", None, DataSettings()) == fitted
    config.thresholds = {"a": 2}
    with pytest.raises(UserError, match="thresholds must name a probability for each label"):
        task_of(config, "m", None, DataSettings())


def test__predictions_name_labels_and_give_every_probability(rows: EncodedRows) -> None:
    found = list(TASK.predictions(LOGITS, rows))
    assert [one["labels"] for one in found] == [["a"], [], ["c"], ["a"]] == TASK.answers(LOGITS, rows)
    assert found[0]["scores"] == pytest.approx(
        {"a": 1 / (1 + np.exp(-2)), "b": 1 / (1 + np.e), "c": 1 / (1 + np.exp(3))}
    )
    assert TASK.gold_answers(rows) == [["a", "c"], [], ["b"], ["a"]]
    table = TASK.details(LOGITS, rows)["per_label"]
    assert table["a"] == {"rows": 2, "precision": 1, "recall": 1, "f1": 1, "average_precision": 1, "threshold": 0.5}


def test__a_model_reads_lists_whatever_their_capitals() -> None:
    examples = load_for(listed(["A", "c"]), DataSettings(), TASK, labels="needed")
    assert examples.needed_labels().tolist() == [[1, 0, 1]]
    assert not load_for([{"text": "x"}], DataSettings(), TASK, labels="none").labelled


def test__strength_is_the_area_under_the_curve() -> None:
    rng = np.random.default_rng(0)
    gold = (rng.random((200, 3)) < 0.3).astype(np.uint8)
    noise = rng.normal(size=(200, 3))
    weak, good = (ranking_strength(gold, noise + part * gold, np.random.default_rng(1)) for part in (0, 1))
    assert good.figure == pytest.approx(sk.roc_auc_score(gold, noise + gold, average="macro"))
    assert (weak.rating, good.rating) == ("weak", "good")


def test__strength_counts_ties_as_halves_and_knows_nothing_of_constant_labels() -> None:
    gold = np.array([[1, 1], [0, 1], [0, 1]], np.uint8)
    found: Callable[[Any], float] = lambda scores: ranking_strength(gold, scores, np.random.default_rng(1)).figure  # noqa: E731
    assert found(np.zeros((3, 2))) == 0.5
    assert found(np.array([[1.0, 0], [1.0, 0], [0.0, 0]])) == 0.75
