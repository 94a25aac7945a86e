"""The methods made on a tiny masked LM."""

from dataclasses import replace

import pytest

from augment.worlds import groups, run_in
from recipes.workshop import on_one_processor
from tinybert.augment import cbert
from tinybert.augment.making import make_copies
from tinybert.augment.methods import METHODS
from tinybert.data.examples import Examples
from tinybert.stages.augment import factory_of, inputs_of
from tinybert.tasks.classification import Classification
from tinybert.tasks.regression import Regression
from tinybert.types import Example

pytestmark = pytest.mark.usefixtures("processor")
TASK = Classification(("neg", "pos"))
SCORES = Regression()


def texts(labels=None):
    words = ["good", "bad", "great", "dull"]
    found = [f"the {words[n % 4]} film was very {words[(n + 1) % 4]} and it is a movie" for n in range(6)]
    return Examples.of(
        Example(text, None, n % 2 if labels is None else labels[n], n + 1) for n, text in enumerate(found)
    )


def context_of(of_groups, mlm_folder, **changes):
    return replace(of_groups.context(TASK, texts(), None, mlm_folder, None, "[MASK]", 32), **changes)


def copies_by(context, folder, count=3):
    run = run_in(folder)
    factory = factory_of(context, run)
    return make_copies(context.originals, factory, count, run.begin("augment"), run)


@pytest.mark.parametrize("method", METHODS)
def test__every_method_makes_other_texts_of_the_same_class(tmp_path, mlm_folder, method):
    context = context_of(groups(method), mlm_folder)
    augmented = copies_by(context, tmp_path / "run")
    originals = {example.row: example for example in context.originals}
    copies = list(augmented.copies_only())
    assert len(copies) > 6
    assert all(copy.text != originals[copy.row].text for copy in copies)
    assert all(copy.label == originals[copy.row].label for copy in copies)
    assert list(copies_by(context, tmp_path / "again")) == list(augmented)


@on_one_processor
@pytest.mark.parametrize("method", METHODS)
def test__what_copies_depend_on_is_named_as_users_name_it(mlm_folder, method):
    inputs = inputs_of(context_of(groups(method), mlm_folder), 3, seed=1)
    assert inputs == inputs_of(context_of(groups(method), mlm_folder), 3, seed=1)
    known = {"augment", "cbert", "mlm", "vectors", "mask", "data", "train", "rows", "seed"}
    assert {key.split(".")[0] for key in inputs} <= known
    assert not any("/" in str(value) for value in inputs.values())
    if "mlm" in METHODS[method].uses:
        assert len(inputs["mlm"]) == 64


def test__word_vectors_are_converted_once_and_serve_words_of_several_pieces(tmp_path, mlm_folder):
    vectors = tmp_path / "vectors.txt"
    vectors.write_text("zebra 1 0\nhorse 1 0.1\nspoon 0 1\n")
    originals = Examples.of([Example("zebra zebra zebra", None, 0, 1)])
    context = context_of(
        groups("bert_glove", probability=1.0, candidates=1), mlm_folder, vectors=str(vectors), originals=originals
    )
    augmented = copies_by(context, tmp_path / "run", 2)
    assert [copy.text for copy in augmented.copies_only()] == ["horse horse horse"]
    assert len(list((tmp_path / "run" / "stages").glob("vectors-*"))) == 1
    assert inputs_of(context, 3, seed=1)["vectors"] is not None


@pytest.mark.parametrize("unlabeled", [None, Examples.of([Example("the plot is dull"), Example("a movie")])])
def test__adaptation_trains_the_masked_lm_first(tmp_path, mlm_folder, unlabeled):
    context = context_of(groups("bert_glove", adapt=True), mlm_folder, unlabeled=unlabeled)
    plain, inputs = (inputs_of(one, 3, seed=1) for one in (context_of(groups("bert_glove"), mlm_folder), context))
    assert inputs["mlm"] == plain["mlm"]
    assert {"masked_lm.lr", "unlabeled"} <= inputs.keys() - plain.keys()
    augmented = copies_by(context, tmp_path / "run")
    (trained,) = (tmp_path / "run" / "stages").glob("masked_lm_network-*/result/model.safetensors")
    assert trained.exists()
    assert augmented.copies > 6


def test__cbert_takes_quantiles_of_scores_for_classes(tmp_path, mlm_folder):
    scores = [0.0, 0.1, 0.5, 0.9, 2.0, 2.0]
    context = context_of(groups("cbert"), mlm_folder, task=SCORES, originals=texts(scores))
    assert copies_by(context, tmp_path / "run").copies > 3
    edges = cbert._edges_of(context)
    assert [cbert._class_of(edges, example) for example in context.originals] == [0, 1, 2, 3, 4, 4]


@on_one_processor
@pytest.mark.parametrize(
    ("method", "rows", "settings", "expected"),
    [
        ("bert_glove", 80, {"copies": 3}, 3),
        ("bert_glove", 8000, {"at_most": 16_000}, 2),
        ("bert_glove", 100_000, {"at_most": 16_000}, 1),
        ("bert_glove", 80, {"at_most": 16_000}, 20),
        ("bert_glove", 8000, {"at_most": 16_000, "copies": 5}, 5),
        *((method, 80, {}, 20) for method in METHODS),
        ("eda", 2001, {"at_most": 4000}, 2),
    ],
)
def test__copies_are_as_many_by_every_method_within_a_limit(method, rows, settings, expected):
    assert groups(method, **settings).augment.copies_of(rows) == expected


@on_one_processor
def test__the_embedded_masked_lm_stands_for_none():
    assert context_of(groups("bert_glove"), None).needed_mlm == "minilm-mlm"


@on_one_processor
@pytest.mark.parametrize(("rows", "alpha"), [(6, 0.05), (2001, 0.1)])
def test__an_open_share_of_words_goes_by_the_rows(rows, alpha):
    many = Examples.of(Example("the film was good", None, n % 2, n + 1) for n in range(rows))
    context = context_of(groups("eda"), None, originals=many)
    assert inputs_of(context, 3, seed=1)["augment.alpha"] == alpha
    assert inputs_of(context_of(groups("eda", alpha=0.3), None, originals=many), 3, seed=1)["augment.alpha"] == 0.3
