"""A teacher's scores in a file: which forms are read, and what each scale means."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, log_softmax, softmax

from tinybert.data.scores import logits_of_classes, logits_of_labels, read_scores
from tinybert.errors import UserError

NAMES = ("neg", "pos")
LOGITS = np.array([[0.5, -1.0], [-3.0, 2.0], [0.0, 0.0]])


def written(folder, rows, name="scores.jsonl"):
    path = folder / name
    if path.suffix == ".jsonl":
        path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    else:
        frame = pd.DataFrame(rows)
        frame.to_parquet(path) if path.suffix == ".parquet" else frame.to_csv(path, sep="\t", index=False)
    return str(path)


def by_column(values):
    return [dict(zip(NAMES, row, strict=True)) for row in values.tolist()]


@pytest.mark.parametrize("name", ["a.tsv", "a.jsonl", "a.parquet"])
@pytest.mark.parametrize(
    "form",
    [
        by_column,
        lambda values: [{"pos": row[1], "row": 1, "neg": row[0]} for row in values.tolist()],
        lambda values: [{"row": 1, "label": "neg", "scores": row} for row in by_column(values)],
        lambda values: [{"scores": row} for row in values.tolist()],
    ],
)
def test_read_scores__takes_columns_objects_and_lists(tmp_path, name, form):
    rows = form(LOGITS)
    if name.endswith("tsv") and "scores" in rows[0]:
        return  # a cell of text holds no list
    for source in (written(tmp_path, rows, name), rows, pd.DataFrame(rows)):
        np.testing.assert_allclose(read_scores(source, NAMES).values, LOGITS)


@pytest.mark.parametrize(
    ("scale", "of"),
    [
        ("probabilities", lambda logits: softmax(logits, axis=1)),
        ("log_probabilities", lambda logits: log_softmax(logits, axis=1)),
        ("logits", lambda logits: logits),
    ],
)
def test_logits_of_classes__give_the_teachers_distribution_at_any_temperature(scale, of):
    found = logits_of_classes(read_scores(by_column(of(LOGITS)), NAMES), scale)
    for temperature in (1.0, 4.0):
        np.testing.assert_allclose(softmax(found / temperature, axis=1), softmax(LOGITS / temperature, axis=1))


@pytest.mark.parametrize(
    ("scale", "of"),
    [("probabilities", expit), ("log_probabilities", lambda logits: np.log(expit(logits))), ("logits", np.array)],
)
def test_logits_of_labels__are_those_of_each_label(scale, of):
    found = logits_of_labels(read_scores(by_column(of(LOGITS)), NAMES), scale)
    np.testing.assert_allclose(found, LOGITS, atol=1e-9)


def test_logits_of_classes__a_probability_of_zero_has_a_finite_logit():
    found = logits_of_classes(read_scores([{"neg": 0, "pos": 1}], NAMES), "probabilities")
    assert np.isfinite(found).all()
    np.testing.assert_allclose(softmax(found, axis=1), [[0, 1]], atol=1e-11)


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([{"neg": 0.5, "pos": "much"}], r"scores\.jsonl:1: the score of pos is 'much', not a number"),
        ([{"neg": 0.5, "pos": 0.5}, {"neg": None, "pos": 1}], r"scores\.jsonl:2: the score of neg is None, not a nu"),
        ([{"neg": 0.5, "pos": float("nan")}], r"scores\.jsonl:1: the score of pos is nan, not a finite number"),
        ([{"neg": 0.5, "positive": 0.5}], r"no column for pos; there are: neg, positive; name a column after each of"),
        ([{"scores": {"neg": 0.5, "bad": 0.5}}], r"scores\.jsonl:1: scores of bad, but the classes are neg, pos"),
        ([{"scores": {"neg": 0.5}}], r"scores\.jsonl:1: the score of pos is None, not a number"),
        ([{"scores": [0.1, 0.2, 0.7]}], r"scores\.jsonl:1: 'scores' is \[0\.1, 0\.2, 0\.7\]; 2 numbers are wanted"),
        ([{"neg": 0.5, "pos": 0.4}], r"scores\.jsonl:1: the probabilities sum to 0\.9, not to 1; normalise them, or s"),
        (
            [{"neg": 0.5, "pos": 0.5}, {"neg": -2, "pos": 3}],
            r"scores\.jsonl:2: -2 is out of the range of probabilities; nor",
        ),
    ],
)
def test_read_scores__names_file_and_row_of_what_is_no_score(tmp_path, rows, why):
    with pytest.raises(UserError, match=why) as refused:
        logits_of_classes(read_scores(written(tmp_path, rows), NAMES), "probabilities")
    assert len(refused.value.problems) == 1
