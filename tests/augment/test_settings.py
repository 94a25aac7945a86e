"""What users may say about augmentation."""

from typing import get_args, get_type_hints

import pytest

from tinybert.augment.methods import METHODS
from tinybert.augment.settings import AugmentGroups, AugmentSettings, CbertSettings
from tinybert.config import parse, resolve
from tinybert.errors import UserError
from tinybert.recipes import RECIPES


def test__every_method_can_be_named_and_no_other():
    assert set(get_args(get_type_hints(AugmentSettings)["method"])) == {"none", *METHODS}


def test__the_defaults_are_those_of_the_contract():
    found = AugmentSettings()
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


def test__cbert_trains_the_same_however_it_rewrites():
    one, other = CbertSettings(), CbertSettings(one_in=3, temperature=0.5)
    assert one.training() == other.training()
    assert (other.generation().one_in, other.generation().temperature, other.generation().max_length) == (3, 0.5, 64)
    assert (one.epochs, one.batch_size, one.lr, one.max_length) == (10, 32, 5e-5, 64)
    with pytest.raises(ValueError, match="one_in must be at least 1"):
        CbertSettings(one_in=0)
