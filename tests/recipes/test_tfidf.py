"""The TF-IDF floor: what scikit-learn's own pipeline says of the same texts, for each form of labels."""

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge

from recipes.workshop import Workshop, on_one_processor, pairs, quick_finish, ratings, read, reviews, stage
from tinybert import predict
from tinybert.errors import UserError
from tinybert.initialise.linear import linear_model
from tinybert.models.loading import load_classifier

pytestmark = [on_one_processor, pytest.mark.usefixtures("processor")]


@pytest.fixture
def workshop(tmp_path, tiny_tokenizer):
    return Workshop(tmp_path, tiny_tokenizer)


def by_scikit_learn(model, rows, test):
    features = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
    model.fit(features.fit_transform([row["text"] for row in rows]), [row["label"] for row in rows])
    return model, features.transform([row["text"] for row in test])


def test__classes_are_scikit_learns_at_the_best_strength(workshop):
    """Compared is what the saved student answers, and it is the best of those that were tried."""
    noisy = [{**row, "label": "neg" if number % 5 == 0 else row["label"]} for number, row in enumerate(reviews(60))]
    test = reviews(20, seed=5)
    with quick_finish():
        metrics = workshop.distill("tfidf", train=noisy, dev=reviews(30, seed=3), test=test, student="2x9999")
    tried = [line for line in read(workshop.path("run") / "metrics.jsonl") if "strength" in line]
    best = max(tried, key=lambda line: line["dev"])
    model, features = by_scikit_learn(LogisticRegression(C=best["strength"], max_iter=1000), noisy, test)
    said = [list(row["scores"].values()) for row in predict(workshop.path("run"), data=test)]
    learnt = softmax(np.log(said) * metrics["calibration"]["temperature"], axis=1)
    np.testing.assert_allclose(learnt, model.predict_proba(features), atol=1e-4)


def test__scores_are_those_of_a_ridge(workshop):
    train, test = ratings(60), ratings(20, seed=5)
    with quick_finish():
        workshop.distill("tfidf", train=train, dev=ratings(30, seed=3), test=test, student="2x9999")
    tried = [line for line in read(workshop.path("run") / "metrics.jsonl") if "strength" in line]
    best = max(tried, key=lambda line: line["dev"])
    model, features = by_scikit_learn(Ridge(alpha=1 / best["strength"]), train, test)
    said = [row["score"] for row in predict(workshop.path("run"), data=test)]
    np.testing.assert_allclose(said, model.predict(features), atol=1e-3)


def test__pairs_are_compared_and_answered_by_the_saved_student(workshop):
    with quick_finish():
        workshop.distill("tfidf", **workshop.splits(pairs))
    network = load_classifier(workshop.path("run") / "student").model
    assert (network.config.separator, network.classifier.in_features) == (3, 4 * network.config.features)
    said = [answer["label"] for answer in read(workshop.path("run") / "predictions.jsonl")]
    assert [one["label"] for one in predict(workshop.path("run"), data=workshop.path("test.tsv"))] == said


def test__several_labels_are_a_regression_each_and_constant_ones_stay_so():
    rng = np.random.default_rng(0)
    features = rng.random((30, 4))
    labels = np.stack([features[:, 0] > 0.5, np.zeros(30), np.ones(30)], axis=1).astype(np.uint8)
    weights, biases = linear_model(features, labels, 3, 1.0, balanced=False)
    alone = LogisticRegression(C=1.0, max_iter=1000).fit(features, labels[:, 0])
    np.testing.assert_allclose(features @ weights[0] + biases[0], alone.decision_function(features))
    assert (np.abs(weights[1:]).max(), biases[1] < -20, biases[2] > 20) == (0, True, True)


@pytest.mark.parametrize("balanced", [True, False])
def test__a_class_that_no_text_has_is_never_said(balanced):
    rng = np.random.default_rng(0)
    features = rng.random((60, 4))
    labels = np.array([0, 2, 3])[(3 * features[:, 0]).astype(int)]
    weights, biases = linear_model(features, labels, 4, 10.0, balanced)
    logits = features @ weights.T + biases
    alone = LogisticRegression(C=10.0, class_weight="balanced" if balanced else None, max_iter=1000)
    alone.fit(features, labels)
    np.testing.assert_allclose(logits[:, [0, 2, 3]], alone.decision_function(features))
    assert 1 not in logits.argmax(axis=1)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"student": "4x10"}, "student: n-grams have 3 words at most, not 4; give a shape such as 2x50000"),
        ({"student": "some/folder"}, "student: tfidf is fitted at once, not further; give a shape such as 2x50000"),
        ({"teacher": "some/folder"}, "--teacher: the recipe tfidf has no teacher"),
        ({"also": ("student.least=0",)}, "student.least=0: must be at least 1"),
    ],
)
def test__what_cannot_be_is_refused_in_one_line(workshop, changes, problem):
    with pytest.raises(UserError, match=rf"(?m)^[^\n]*{problem}[^\n]*$"):
        workshop.distill("tfidf", dry_run=True, **changes)


def test__texts_without_a_common_word_are_refused(workshop):
    rows = [{"text": f"word{number}", "label": number % 2} for number in range(6)]
    with pytest.raises(UserError, match=r"train: no word is in 2 texts; give more texts, or student\.least=1"):
        workshop.distill("tfidf", train=rows, dev=rows, test=None)
    with quick_finish():
        workshop.distill("tfidf", train=rows, dev=rows, test=None, also=("student.least=1",), restart=True)
    assert stage(workshop.path("run"), "fit").exists()
