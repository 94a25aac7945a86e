from decimal import Decimal
from typing import Any

import numpy as np
import pandas
import pytest

from tinybert.data.columns import Columns
from tinybert.data.problems import BadRow
from tinybert.data.rows import NO_LABEL, Row, checked

SINGLE = Columns("text", None, "label")
PAIR = Columns("premise", "hypothesis", "label")


@pytest.mark.parametrize(
    ("value", "spelling"),
    [
        (" pos ", "pos"),
        (1, "1"),
        (-1, "-1"),
        (1.0, "1.0"),
        (3.8, "3.8"),
        (True, "true"),
        (Decimal("2.50"), "2.50"),
        (np.int64(3), "3"),
        (np.float32(0.5), "0.5"),
        (np.str_("neg"), "neg"),
        ("ne\u0301g\u200b", "n\u00e9g"),
        ("01", "01"),
        (["pos"], "pos"),
        (("pos",), "pos"),
        ([1], "1"),
        (np.array(["pos"]), "pos"),
    ],
)
def test_checked__spells_labels_of_every_type(value: Any, spelling: str) -> None:
    assert checked(["good", value], SINGLE, label_needed=True) == Row("good", None, spelling)


@pytest.mark.parametrize(
    "value", [None, "", "  ", "\u200b", [], "nan", "NaN", float("nan"), np.float32("nan"), pandas.NA, pandas.NaT]
)
def test_checked__knows_a_missing_label_in_every_form(value: Any) -> None:
    assert checked(["good", value], SINGLE, label_needed=False) == Row("good", None, None)
    bad = checked(["good", value], SINGLE, label_needed=True)
    assert isinstance(bad, BadRow)
    assert bad.reason == NO_LABEL


@pytest.mark.parametrize("value", [{"a": 1}, b"pos", float("inf"), object(), "a\0b", "\ud800"])
def test_checked__refuses_what_cannot_be_a_label(value: Any) -> None:
    bad = checked(["good", value], SINGLE, label_needed=True)
    assert isinstance(bad, BadRow)
    assert "is neither text nor a finite number" in bad.reason
    assert "\n" not in bad.reason


@pytest.mark.parametrize("value", [["pos", "neg"], np.array([1, 2])])
def test_checked__refuses_several_labels(value: Any) -> None:
    bad = checked(["good", value], SINGLE, label_needed=True)
    assert isinstance(bad, BadRow)
    assert bad.reason.endswith("is several: keep one, remove the row, or say --kind multi-label")


def test_checked__refuses_a_number_too_long_to_print() -> None:
    assert isinstance(checked(["good", 10**5000], SINGLE, label_needed=True), BadRow)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "'text' is empty"),
        (" \t\u00a0", "'text' is empty"),
        (None, "'text' is missing"),
        (float("nan"), "'text' is missing"),
        (pandas.NA, "'text' is missing"),
        (5, "'text' is not text but 5"),
        (["a"], "'text' is not text but ['a']"),
        ("a\0b", "'text' contains a NUL character"),
        ("a\ud800", "'text' contains half of a surrogate pair"),
        (np.str_(""), "'text' is empty"),
    ],
)
def test_checked__says_what_is_wrong_with_a_text(text: Any, reason: str) -> None:
    bad = checked([text, "pos"], SINGLE, label_needed=True)
    assert isinstance(bad, BadRow)
    assert bad.reason == f"{reason}; correct or remove the row"


def test_checked__takes_the_word_nan_as_a_text() -> None:
    assert checked(["nan", "pos"], SINGLE, label_needed=True) == Row("nan", None, "pos")


def test_checked__looks_at_both_sides_of_a_pair() -> None:
    assert checked(["a", "b", "1"], PAIR, label_needed=True) == Row("a", "b", "1")
    bad = checked(["a", " ", "1"], PAIR, label_needed=True)
    assert isinstance(bad, BadRow)
    assert bad.reason.startswith("'hypothesis' is empty")


def test_checked__does_without_a_label_column() -> None:
    assert checked(["a"], Columns("text", None, None), label_needed=False) == Row("a", None, None)
