"""Logits in the form people read."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinybert.data.encode import encode
from tinybert.data.encoded import EncodedRows
from tinybert.data.examples import Examples
from tinybert.tasks.classification import Classification
from tinybert.tasks.regression import Regression
from tinybert.types import Example

CLASSES = Classification(("neg", "neutral", "pos"))
SCORES = Regression()
LOGITS = np.array([[0.0, 1.0, 0.0], [3.0, 1.0, 0.0]], dtype=np.float32)
MakeRows = Callable[..., EncodedRows]


@pytest.fixture
def rows(tmp_path: Path, tiny_tokenizer: Any) -> MakeRows:
    """`rows(label, ...)`: encoded rows with these labels, numbered 1, 4, 7, ..."""

    def make(*labels: float | None) -> EncodedRows:
        examples = [Example("good", label=label, row=3 * n + 1) for n, label in enumerate(labels)]
        return encode(Examples.of(examples), tiny_tokenizer, 8, tmp_path / "rows.arrow")

    return make


def test__classes_have_a_label_and_scores_that_add_up(rows: MakeRows) -> None:
    first, second = CLASSES.predictions(LOGITS, rows(None, None))
    assert (first["row"], first["label"], second["row"], second["label"]) == (1, "neutral", 4, "neg")
    e = np.e
    assert first["scores"] == pytest.approx({"neg": 1 / (2 + e), "neutral": e / (2 + e), "pos": 1 / (2 + e)})
    assert json.loads(json.dumps([first, second])) == [first, second]


def test__huge_logits_do_not_overflow(rows: MakeRows) -> None:
    (found,) = CLASSES.predictions(np.array([[1e4, -1e4, 0.0]], dtype=np.float32), rows(None))
    assert found["scores"] == {"neg": 1.0, "neutral": 0.0, "pos": 0.0}


def test__a_regression_has_the_score_itself(rows: MakeRows) -> None:
    logits, scored = np.array([[2.5], [-1.0]], dtype=np.float32), rows(2.0, 0.5)
    assert list(SCORES.predictions(logits, scored)) == [{"row": 1, "score": 2.5}, {"row": 4, "score": -1.0}]
    assert SCORES.answers(logits, scored) == [2.5, -1.0]
    assert SCORES.gold_answers(scored) == [2.0, 0.5]
    assert set(SCORES.metrics(logits, scored)) == {"pearson", "spearman"}
    assert SCORES.details(logits, scored) == {}
    assert SCORES.agreement(logits, logits, scored) is None


def test__bare_answers_and_gold_name_classes(rows: MakeRows) -> None:
    labelled = rows(2, 0)
    assert CLASSES.answers(LOGITS, labelled) == ["neutral", "neg"]
    assert CLASSES.gold_answers(labelled) == ["pos", "neg"]
    figures = CLASSES.metrics(LOGITS, labelled)
    assert set(figures) == {"accuracy", "f1", "macro_f1", "mcc"}
    assert figures["accuracy"] == 0.5
    assert CLASSES.details(LOGITS, labelled) == {"confusion": [[1, 0, 0], [0, 0, 0], [0, 1, 0]]}
    assert CLASSES.agreement(LOGITS, LOGITS - [[0, 2, 0]], labelled) == 0.5
