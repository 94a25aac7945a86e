"""Logits in the form people read."""

import json

import numpy as np
import pytest

from tinybert.data.task import Task
from tinybert.stages.answers import answers, gold, verdicts

CLASSES = Task("classification", ("neg", "neutral", "pos"))
SCORES = Task("regression")
LOGITS = np.array([[0.0, 1.0, 0.0], [3.0, 1.0, 0.0]], dtype=np.float32)


def test__classes_have_a_label_and_scores_that_add_up():
    first, second = answers(LOGITS, CLASSES, np.array([1, 4]))
    assert (first["row"], first["label"], second["row"], second["label"]) == (1, "neutral", 4, "neg")
    e = np.e
    assert first["scores"] == pytest.approx({"neg": 1 / (2 + e), "neutral": e / (2 + e), "pos": 1 / (2 + e)})
    assert json.loads(json.dumps([first, second])) == [first, second]


def test__huge_logits_do_not_overflow():
    (found,) = answers(np.array([[1e4, -1e4, 0.0]], dtype=np.float32), CLASSES, np.array([1]))
    assert found["scores"] == {"neg": 1.0, "neutral": 0.0, "pos": 0.0}


def test__a_regression_has_the_score_itself():
    logits = np.array([[2.5], [-1.0]], dtype=np.float32)
    assert list(answers(logits, SCORES, np.array([1, 2]))) == [{"row": 1, "score": 2.5}, {"row": 2, "score": -1.0}]
    assert verdicts(logits, SCORES) == [2.5, -1.0]
    assert gold(np.array([2.0, 0.5]), SCORES) == [2.0, 0.5]


def test__verdicts_and_gold_name_classes():
    assert verdicts(LOGITS, CLASSES) == ["neutral", "neg"]
    assert gold(np.array([2, 0]), CLASSES) == ["pos", "neg"]
