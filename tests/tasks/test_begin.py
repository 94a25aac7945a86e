from typing import Any

import pytest

from tinybert.data.settings import DataSettings
from tinybert.errors import UserError
from tinybert.tasks.base import Task
from tinybert.tasks.read import load_labelled


def task_of(*labels: Any, kind: Any = None, head: tuple[str, ...] | None = None, **settings: Any) -> Task:
    source = [{"text": f"text {n}", "label": label} for n, label in enumerate(labels)]
    return load_labelled(source, DataSettings(**settings), kind=kind, head_classes=head)[0]


def test_begin__decides_between_classes_and_scores() -> None:
    assert task_of(2, 0, 1).classes == ("0", "1", "2")
    assert task_of(2, 0.5).classes == ()
    assert task_of("b", "a").classes == ("a", "b")
    assert task_of(2, 0.5, kind="classification").classes == ("0.5", "2")
    assert task_of(2, 1, kind="regression").classes == ()


def test_begin__looks_at_labels_after_renaming() -> None:
    assert task_of("low", 1, label_map={"low": "0"}).classes == ("0", "1")
    assert task_of("low", 1, label_map={"low": "0.5"}).classes == ()


def test_begin__leaves_out_labels_that_are_renamed_to_nothing() -> None:
    assert task_of("pos", "hm", "neg", label_map={"hm": None}).classes == ("neg", "pos")
    assert task_of(1, 0, "n/a", label_map={"n/a": None}).classes == ("0", "1")
    assert task_of(1, 0.5, "n/a", label_map={"n/a": None}).classes == ()
    assert task_of("entailment", "-", "neutral").classes == ("entailment", "neutral")
    assert task_of("entailment", "-", "neutral", label_map={"-": "open"}).classes == ("entailment", "neutral", "open")


def test_begin__leaves_out_labels_beside_a_head() -> None:
    head = ("NEUTRAL", "ENTAILMENT", "CONTRADICTION")
    assert task_of("entailment", "-", "neutral", head=head).classes == head
    assert task_of("pos", "hm", head=("neg", "pos"), label_map={"hm": None}).classes == ("neg", "pos")


def test_begin__keeps_codes_apart_from_the_numbers_of_a_head() -> None:
    assert task_of("01", "02", "10", head=("01", "02", "10")).classes == ("01", "02", "10")
    with pytest.raises(UserError, match=r"^train:2: the labels do not match the teacher's classes; labels: 1, 02"):
        task_of(1, "02", head=("0", "1", "2"))


def test_begin__looks_for_swapped_columns_unless_the_kind_is_said() -> None:
    source = [{"text": ("pos", "neg")[n % 2], "label": f"a long text of {n} words"} for n in range(20)]
    with pytest.raises(UserError, match=r"^train:1: .* the columns seem swapped"):
        load_labelled(source, DataSettings(), kind=None, head_classes=("neg", "pos"))
    assert len(load_labelled(source, DataSettings(), kind="classification")[0].classes) == 20


def test_begin__follows_the_head() -> None:
    assert task_of("pos", "neg", head=("Pos", "Neg")).classes == ("Pos", "Neg")
    assert task_of(0.5, head=("LABEL_0",)).classes == ()
    assert task_of(0.5, head=("neg", "pos"), kind="regression").classes == ()


@pytest.mark.parametrize(
    ("labels", "head", "message"),
    [
        (("pos", "bad"), ("pos", "neg"), r"^train:2: the labels do not match .* labels: pos, bad; classes: pos, neg;"),
        ((0, 1), ("neg", "pos"), r"^train:1: the labels do not match"),
        ((0.5, 1), ("neg", "pos"), r"^train: the labels are scores, but the teacher's head has classes: neg, pos"),
        (tuple(f"id {n}" for n in range(200)), None, r"^train: 200 different labels in 200 rows .* the right column\?"),
    ],
)
def test_begin__refuses_what_does_not_fit(labels: tuple[Any, ...], head: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        task_of(*labels, head=head)
