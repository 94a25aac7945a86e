"""What cannot be augmented as asked is said before anything is made."""

from dataclasses import replace

import pytest

from augment.worlds import groups
from recipes.workshop import _silence as silence
from tinybert.augment import validation
from tinybert.augment.method import MaskedLMSettings
from tinybert.augment.validation import check_possible, doubts, unsuitable
from tinybert.data.examples import Examples
from tinybert.errors import UserError
from tinybert.tasks.classification import Classification
from tinybert.tasks.question_answering import QuestionAnswering
from tinybert.tasks.regression import Regression
from tinybert.types import Example

TASK = Classification(("neg", "pos"))
SCORES = Regression()


@pytest.mark.parametrize(
    ("method", "given", "settings", "said"),
    [
        ("eda", {"mlm": "m"}, {}, ["--mlm: the method eda does not use it; leave it out"]),
        ("none", {"vectors": "v"}, {}, ["--vectors: the method none does not use it; leave it out"]),
        ("cbert", {"vectors": "v", "mlm": "m"}, {}, ["--vectors: the method cbert does not use it; leave it out"]),
        ("bert_glove", {"unlabeled": "u", "mlm": "m"}, {}, ["--unlabeled: its texts are only read with augment.adapt"]),
        ("bert_glove", {}, {}, ["--mlm is missing: the method bert_glove needs a masked language model"]),
    ],
)
def test__what_would_not_be_looked_at_is_refused(monkeypatch, method, given, settings, said):
    monkeypatch.setattr(validation, "is_available", lambda: False)
    problems = unsuitable(groups(method, **settings), given)
    assert len(problems) == len(said)
    assert all(line.startswith(start) for line, start in zip(problems, said, strict=True))


def test__the_embedded_masked_lm_is_the_default_where_it_is_installed(monkeypatch, mlm_folder):
    monkeypatch.setattr(validation, "is_available", lambda: True)
    assert unsuitable(groups("bert_glove"), {}) == []


@pytest.mark.parametrize(
    ("method", "task", "settings", "said"),
    [
        ("cbert", QuestionAnswering(), {}, "augment.method=cbert: needs one class or score"),
        ("stationary", QuestionAnswering(), {}, "augment.method=stationary: is for texts with one class or score"),
        ("eda", SCORES, {"keep_flipped": False}, "augment.keep_flipped=false: only a class can flip"),
    ],
)
def test__what_cannot_be_made_or_classified_is_refused(mlm_folder, method, task, settings, said):
    with pytest.raises(UserError) as refused:
        check_possible(groups(method, **settings), task, mlm_folder, None)
    assert refused.value.problems[0].startswith(said)


def test__all_that_is_wrong_with_models_and_vectors_is_said_at_once(tmp_path, mlm_folder):
    long = replace(groups("cbert", adapt=True), cbert=MaskedLMSettings(max_length=900))
    with pytest.raises(UserError) as refused:
        check_possible(long, TASK, mlm_folder, str(tmp_path / "none.txt"))
    assert refused.value.problems == (
        f"--vectors {tmp_path / 'none.txt'}: no such file",
        f"cbert.max_length: 900 pieces, but {mlm_folder} reads at most 67",
    )
    with pytest.raises(UserError, match="no such folder"):
        check_possible(long, TASK, str(tmp_path / "nowhere"), None)


def test__a_masked_lm_without_its_head_is_refused_unless_it_is_to_learn_one(tmp_path, tiny_model, tiny_tokenizer):
    with silence():
        tiny_model("bert", head="none").save(tmp_path / "headless")
        tiny_tokenizer.save_pretrained(tmp_path / "headless")
    headless = str(tmp_path / "headless")
    with pytest.raises(UserError, match="has no masked-LM head"):
        check_possible(groups("bert_glove"), TASK, headless, None)
    check_possible(groups("bert_glove", adapt=True), TASK, headless, None)


ENGLISH = Example("A sturdy kettle with a lid that shuts tight.", row=1)
FRENCH = Example("Une bouilloire solide avec un couvercle", "qui ferme très bien.", row=2)


@pytest.mark.parametrize(
    ("method", "tagger", "originals", "said"),
    [
        ("eda", "wordnet", [FRENCH], ["augment: eda is for English, and only 10 % of the words of the first rows"]),
        ("tang", "wordnet", [FRENCH], ["augment: tang is for English, and only 10 %"]),
        ("tang", "fr_core_news_sm", [FRENCH], []),
        ("bert_glove", "wordnet", [FRENCH], []),
        ("eda", "wordnet", [ENGLISH], []),
        ("eda", "wordnet", [Example("1984 !", row=1)], []),
    ],
)
def test_doubts__texts_of_another_language_by_a_method_for_english(method, tagger, originals, said):
    asked = groups(method, **({"tagger": tagger} if method == "tang" else {}))
    found = doubts(asked, Examples.of(originals))
    assert len(found) == len(said)
    assert all(line.startswith(start) for line, start in zip(found, said, strict=True))


def test__nothing_is_asked_of_no_method():
    check_possible(groups("none"), TASK, None, None)
    assert unsuitable(groups("none"), {}) == []
