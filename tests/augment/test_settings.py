"""What users may say about augmentation."""

import pytest

from augment.worlds import groups
from tinybert.augment.bert_glove import BertGloveSettings
from tinybert.augment.settings import SETTINGS, AugmentGroups
from tinybert.config import parse, resolve
from tinybert.errors import UserError
from tinybert.recipes import RECIPES


@pytest.mark.parametrize("method", SETTINGS)
def test__a_method_that_is_named_has_its_own_settings(method):
    found = parse(AugmentGroups, {"augment.method": method}).augment
    assert type(found) is SETTINGS[method]
    assert found == SETTINGS[method]()
    assert found.method == method


def test__the_defaults_are_those_of_the_contract():
    found = BertGloveSettings()
    assert (found.method, found.copies, found.probability, found.candidates) == ("bert_glove", None, 0.4, 15)
    assert (found.context, found.group_positions, found.skip_stopwords) == ("original", 1, False)
    assert (found.keep_original, found.adapt, found.keep_flipped) == (True, False, True)


def test__the_papers_preset_is_the_printed_algorithm():
    paper, small = (
        resolve(RECIPES["tinybert"].config, "tinybert", config=name).settings.augment for name in ("paper", "small")
    )
    assert (paper.method, paper.context, paper.copies) == ("bert_glove", "progressive", 20)
    assert (small.method, small.context, small.copies) == ("bert_glove", "original", None)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("copies", 0, "augment.copies: must be at least 1, got 0"),
        ("at_most", 0, "augment.at_most: must be at least 1, got 0"),
        ("probability", 0.0, "augment.probability: must be above 0"),
        ("method", "back_translation", "augment.method: must be none, bert_glove, eda, cbert, tang or stationary"),
    ],
)
def test__what_would_add_nothing_is_refused(key, value, said):
    with pytest.raises(UserError) as refused:
        parse(AugmentGroups, {f"augment.{key}": value})
    (line,) = refused.value.problems
    assert line.startswith(said)


def test__cbert_is_trained_and_rewrites_as_in_its_code():
    found = groups("cbert", one_in=3)
    assert (found.augment.one_in, found.augment.temperature) == (3, 1.0)
    training = AugmentGroups().cbert
    assert (training.epochs, training.batch_size, training.lr, training.max_length) == (10, 32, 5e-5, 64)
    assert (training.masking.at_most, training.masking.from_the_same_text) == (20, True)
    with pytest.raises(ValueError, match="one_in must be at least 1"):
        groups("cbert", one_in=0)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"augment.method": "eda", "augment.candidates": 99},
            "augment.candidates: method eda does not read it; bert",
        ),
        ({"augment": {"method": "none", "copies": 3}}, "augment.copies: method none does not read it"),
        ({"masked_lm.lr": 1e-3}, "masked_lm.lr: augment.adapt=false does not read it"),
        ({"cbert": {"masking.share": 0.2}}, "cbert.masking.share: method bert_glove does not read it; cbert does"),
        (
            {"augment.method": "tang", "augment.adapt": True},
            "augment.adapt: method tang does not read it; bert_glove",
        ),
        ({"augment.method": "cbert", "cbert.patience": 2}, "cbert.patience: training a masked LM does not read it"),
    ],
)
def test__a_key_that_nobody_reads_is_refused(settings, said):
    with pytest.raises(UserError) as refused:
        parse(AugmentGroups, settings)
    (line,) = refused.value.problems
    assert line.startswith(said)


@pytest.mark.parametrize("method", SETTINGS)
def test__a_presets_values_for_another_method_are_dropped(method):
    found = resolve(RECIPES["tinybert"].config, "tinybert", config="paper", overrides=[f"augment.method={method}"])
    meant = {"context": "progressive", "punctuation": "any"} if method == "bert_glove" else {}
    assert found.settings.augment == SETTINGS[method](copies=20, **meant)
