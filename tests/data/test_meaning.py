from typing import Any

import pytest

from tinybert.data.labels import Meaning
from tinybert.data.meaning import meaning_of
from tinybert.data.read import read
from tinybert.data.resolve import spellings
from tinybert.data.settings import DataSettings
from tinybert.errors import UserError


def meaning(*labels: Any, kind: Any = None, head: tuple[str, ...] | None = None, **settings: Any) -> Meaning:
    source = [{"text": f"text {n}", "label": label} for n, label in enumerate(labels)]
    chosen = DataSettings(**settings)
    rows = read(source, chosen, labels="needed", name="train")
    return meaning_of(rows, spellings(rows), chosen, kind, head)


def test_meaning_of__decides_between_classes_and_scores() -> None:
    assert meaning(2, 0, 1).classes == ("0", "1", "2")
    assert meaning(2, 0.5).classes == ()
    assert meaning("b", "a").classes == ("a", "b")
    assert meaning(2, 0.5, kind="classification").classes == ("0.5", "2")
    assert meaning(2, 1, kind="regression").classes == ()


def test_meaning_of__looks_at_labels_after_renaming() -> None:
    assert meaning("low", 1, label_map={"low": "0"}).classes == ("0", "1")
    assert meaning("low", 1, label_map={"low": "0.5"}).classes == ()


def test_meaning_of__leaves_out_labels_that_are_renamed_to_nothing() -> None:
    assert meaning("pos", "hm", "neg", label_map={"hm": None}).classes == ("neg", "pos")
    assert meaning(1, 0, "n/a", label_map={"n/a": None}).classes == ("0", "1")
    assert meaning(1, 0.5, "n/a", label_map={"n/a": None}).classes == ()
    assert meaning("entailment", "-", "neutral").classes == ("entailment", "neutral")
    assert meaning("entailment", "-", "neutral", label_map={"-": "open"}).classes == ("entailment", "neutral", "open")


def test_meaning_of__leaves_out_labels_beside_a_head() -> None:
    head = ("NEUTRAL", "ENTAILMENT", "CONTRADICTION")
    assert meaning("entailment", "-", "neutral", head=head).classes == head
    assert meaning("pos", "hm", head=("neg", "pos"), label_map={"hm": None}).classes == ("neg", "pos")


def test_meaning_of__keeps_codes_apart_from_the_numbers_of_a_head() -> None:
    assert meaning("01", "02", "10", head=("01", "02", "10")).classes == ("01", "02", "10")
    with pytest.raises(UserError, match=r"^train:2: the labels do not match the teacher's classes; labels: 1, 02"):
        meaning(1, "02", head=("0", "1", "2"))


def test_meaning_of__looks_for_swapped_columns_unless_the_kind_is_said() -> None:
    source = [{"text": ("pos", "neg")[n % 2], "label": f"a long text of {n} words"} for n in range(20)]
    rows = read(source, DataSettings(), labels="needed", name="train")
    with pytest.raises(UserError, match=r"^train:1: .* the columns seem swapped"):
        meaning_of(rows, spellings(rows), DataSettings(), None, ("neg", "pos"))
    assert len(meaning_of(rows, spellings(rows), DataSettings(), "classification", None).classes) == 20


def test_meaning_of__follows_the_head() -> None:
    assert meaning("pos", "neg", head=("Pos", "Neg")).classes == ("Pos", "Neg")
    assert meaning(0.5, head=("LABEL_0",)).classes == ()
    assert meaning(0.5, head=("neg", "pos"), kind="regression").classes == ()


@pytest.mark.parametrize(
    ("labels", "head", "message"),
    [
        (("pos", "bad"), ("pos", "neg"), r"^train:2: the labels do not match .* labels: pos, bad; classes: pos, neg;"),
        ((0, 1), ("neg", "pos"), r"^train:1: the labels do not match"),
        ((0.5, 1), ("neg", "pos"), r"^train: the labels are scores, but the teacher's head has classes: neg, pos"),
        (tuple(f"id {n}" for n in range(200)), None, r"^train: 200 different labels in 200 rows .* the right column\?"),
    ],
)
def test_meaning_of__refuses_what_does_not_fit(labels: tuple[Any, ...], head: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        meaning(*labels, head=head)
