"""Figures of metrics.json against formulas worked out by hand."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinybert.tasks.classification import classification_metrics, confusion_counts
from tinybert.tasks.regression import regression_metrics

PAIR = ("neg", "pos")


def _slow(gold: Sequence[int], predicted: Sequence[int], classes: int, positive: int) -> dict[str, float]:
    """The same figures by loops and the textbook formulas."""
    f1 = []
    for c in range(classes):
        both = sum(1 for g, p in zip(gold, predicted, strict=True) if g == c and p == c)
        either = sum(1 for g in gold if g == c) + sum(1 for p in predicted if p == c)
        f1.append(2 * both / either if either else 0.0)
    n, right = len(gold), sum(1 for g, p in zip(gold, predicted, strict=True) if g == p)
    true = [sum(1 for g in gold if g == c) for c in range(classes)]
    said = [sum(1 for p in predicted if p == c) for c in range(classes)]
    above = right * n - sum(t * s for t, s in zip(true, said, strict=True))
    below = math.sqrt((n * n - sum(s * s for s in said)) * (n * n - sum(t * t for t in true)))
    macro = sum(f1) / classes
    return {
        "accuracy": right / n,
        "f1": f1[positive] if classes == 2 else macro,
        "macro_f1": macro,
        "mcc": above / below if below else 0.0,
    }


@settings(deadline=None, max_examples=60)
@given(st.data(), st.integers(2, 5), st.integers(1, 23))
def test__agrees_with_the_textbook(data: st.DataObject, classes: int, rows: int) -> None:
    column = st.lists(st.integers(0, classes - 1), min_size=rows, max_size=rows)
    gold, predicted = data.draw(column), data.draw(column)
    positive = data.draw(st.integers(0, 1))
    names = tuple(f"class {c}" for c in range(classes))
    got = classification_metrics(np.array(gold), np.array(predicted), names, positive)
    assert got == pytest.approx(_slow(gold, predicted, classes, positive), abs=1e-12)
    assert all(type(value) is float for value in got.values())


def test__always_positive_has_f1_of_two_a_over_one_plus_a() -> None:
    gold = np.array([1] * 4839 + [0] * 5161)
    got = classification_metrics(gold, np.ones(10_000, dtype=np.int64), PAIR, positive=1)
    assert got["accuracy"] == pytest.approx(0.4839)
    assert got["f1"] == pytest.approx(2 * 0.4839 / 1.4839)
    assert round(got["f1"], 4) == 0.6522
    assert got["mcc"] == 0.0


def test__f1_is_of_the_class_called_positive() -> None:
    gold, predicted = np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1])
    assert classification_metrics(gold, predicted, PAIR, positive=1)["f1"] == pytest.approx(2 / 3)
    assert classification_metrics(gold, predicted, PAIR, positive=0)["f1"] == pytest.approx(4 / 5)


def test__a_class_that_never_occurs_counts_as_zero_in_macro_f1() -> None:
    same = np.array([0, 1, 0, 1])
    assert classification_metrics(same, same, ("a", "b", "c"), None)["macro_f1"] == pytest.approx(2 / 3)


def test__two_classes_need_a_positive_one() -> None:
    with pytest.raises(ValueError, match="positive"):
        classification_metrics(np.array([0, 1]), np.array([0, 1]), PAIR, None)


def test__correlations_worked_out_by_hand() -> None:
    got = regression_metrics(np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 3.0, 2.0, 8.0]))
    # deviations -1.5 -.5 .5 1.5 and -2.5 -.5 -1.5 4.5: products 10, squares 5 and 29; ranks 1 3 2 4: 1 - 6*2/60
    assert got == pytest.approx({"pearson": 10 / math.sqrt(5 * 29), "spearman": 0.8})


@pytest.mark.parametrize("constant", [0.0, 0.1, 1e9])
def test__a_constant_prediction_correlates_zero(constant: float) -> None:
    gold, predicted = np.array([1.0, 2.0, 3.0]), np.full(3, constant)
    assert regression_metrics(gold, predicted) == {"pearson": 0.0, "spearman": 0.0}


def test__one_row_is_enough() -> None:
    assert regression_metrics(np.array([1.0]), np.array([2.0]))["pearson"] == 0.0
    assert classification_metrics(np.array([0]), np.array([0]), PAIR, 1) == {
        "accuracy": 1.0,
        "f1": 0.0,
        "macro_f1": 0.5,
        "mcc": 0.0,
    }


def test__no_rows_and_unequal_lengths_are_refused() -> None:
    with pytest.raises((ValueError, TypeError)):  # the latter where shapes are checked before the call
        regression_metrics(np.array([1.0]), np.array([1.0, 2.0]))
    with pytest.raises(ValueError, match="and some"):
        classification_metrics(np.array([], dtype=int), np.array([], dtype=int), PAIR, 1)


def test__confusion_counts_gold_by_predicted() -> None:
    got = confusion_counts(np.array([0, 0, 1, 2, 2]), np.array([0, 1, 1, 2, 0]), 3)
    assert got == [[1, 1, 0], [0, 1, 0], [1, 0, 1]]
