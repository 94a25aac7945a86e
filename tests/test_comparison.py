"""Two models on the same rows: which answers differ, is one of them better, and a gate for a pipeline."""

import json

import numpy as np
import pytest
from scipy import stats

import tinybert
from recipes.workshop import CLASSES, ratings, reviews
from tinybert.cli import main
from tinybert.errors import UserError
from tinybert.tasks.regression import Regression


@pytest.fixture
def two(workshop):
    """A model that sees something and one that always says `pos`; the second has its classes in another order."""
    return workshop.model("one", classes=CLASSES, seed=3), workshop.model(
        "other", classes=CLASSES[::-1], bias=[2.0, 0.0]
    )


def test__rows_whose_answer_differs_are_listed_with_both(two):
    rows = reviews(20)
    found = tinybert.compare(*two, data=rows)
    said = [[answer["label"] for answer in tinybert.predict(model, data=rows)] for model in two]
    assert set(said[1]) == {"pos"}
    differ = [n for n, (one, other) in enumerate(zip(*said, strict=True)) if one != other]
    assert 0 < len(differ) < 20
    assert (found["rows"], found["flips"], found["agreement"]) == (20, len(differ), 1 - len(differ) / 20)
    expected = [
        {"row": n + 1, "text": rows[n]["text"], "first": said[0][n], "second": "pos", "gold": rows[n]["label"]}
        for n in differ
    ]
    assert found["flipped"] == expected
    figures = tinybert.evaluate(two[0], data=rows)
    assert found["first"]["accuracy"] == figures["accuracy"]


def test__whether_one_is_better_is_mcnemars_test_of_labelled_rows(two):
    rows = reviews(20)
    found = tinybert.compare(*two, data=rows)
    right = [
        [answer["label"] == row["label"] for answer, row in zip(tinybert.predict(model, data=rows), rows, strict=True)]
        for model in two
    ]
    only = [sum(one and not other for one, other in zip(*sides, strict=True)) for sides in (right, right[::-1])]
    assert found["second_minus_first"]["p_value"] == pytest.approx(stats.binomtest(only[1], sum(only)).pvalue)
    assert found["second_minus_first"]["estimate"] == pytest.approx(np.mean(right[1]) - np.mean(right[0]))
    assert found["differ"] == (found["second_minus_first"]["p_value"] < 0.05)


def test__without_labels_only_answers_are_compared(two):
    found = tinybert.compare(*two, data=[{"text": row["text"]} for row in reviews(8)])
    assert set(found) == {"rows", "flips", "agreement", "first", "second", "flipped"}
    assert set(found["first"]) == {"model"}
    assert all("gold" not in flip for flip in found["flipped"])


def test__scores_have_a_largest_difference_and_no_flips(workshop):
    one, other = (workshop.model(name, classes=(), seed=seed) for name, seed in (("one", 1), ("other", 2)))
    rows = ratings(9)
    said = [[answer["score"] for answer in tinybert.predict(model, data=rows)] for model in (one, other)]
    found = tinybert.compare(one, other, data=rows)
    assert found["largest_difference"] == pytest.approx(np.abs(np.subtract(*said)).max())
    assert "flips" not in found
    assert found["flipped"] == []
    with pytest.raises(UserError, match="--max-flips 0: answers of regression are scores"):
        tinybert.compare(one, other, data=rows, max_flips=0)


def test__last_bits_of_scores_make_no_difference():
    task, gold = Regression(paired=False), [1.0, 2.0, 3.0, 4.0, 2.5]
    said = [1.1, 2.2, 2.7, 4.5, 2.1]
    rounded = [score + 1e-7 * number for number, score in enumerate(said)]
    assert task.compared(gold, said, rounded, np.random.default_rng(0)).p_value == 1
    assert task.compared(gold, said, said[::-1], np.random.default_rng(0)).difference.estimate != 0


@pytest.mark.parametrize(("allowed", "code"), [(0, 3), (20, 0)])
def test__more_flips_than_allowed_end_with_exit_code_3(two, workshop, capsys, allowed, code):
    data = workshop.data("rows.tsv", reviews(20))
    words = ["compare", *map(str, two), "--data", str(data), "--max-flips", str(allowed)]
    assert main(words) == code
    assert f"passed: {code == 0}" in capsys.readouterr().out
    assert main([*words, "--json"]) == code
    assert json.loads(capsys.readouterr().out)["passed"] is (code == 0)


def test__models_of_different_kinds_are_refused(two, workshop):
    scores = workshop.model("scores", classes=())
    with pytest.raises(UserError, match=r"is a model for classification, .* for regression; compare two of one kind"):
        tinybert.compare(two[0], scores, data=reviews(4))
    with pytest.raises(UserError, match="is read once for each model"):
        tinybert.compare(*two, data="-")
