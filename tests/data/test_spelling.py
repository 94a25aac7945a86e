import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinybert.data.spelling import clean, meant, parse_score, renamed, whole


@pytest.mark.parametrize(
    ("text", "label"),
    [
        (" pos ", "pos"),
        ("ne\u0301gatif", "n\u00e9gatif"),
        ("pos\u200bitive", "positive"),
        ("\ufeffnegative", "negative"),
        ("\u200epos\u200f", "pos"),
        ("no\u00adne", "none"),
        ("not\u00a0spam", "not spam"),
        ("not \t spam", "not spam"),
        ("pos\u200d", "pos"),
        ("\u200b \ufeff", ""),
        ("e\u034f\u0301t", "\u00e9t"),
        ("\U0001f469\u200d\U0001f52c", "\U0001f469\u200d\U0001f52c"),
        ("\u2764\ufe0f", "\u2764\ufe0f"),
        ("001", "001"),
    ],
)
def test_clean__keeps_what_can_be_seen(text: str, label: str) -> None:
    assert clean(text) == label


@given(st.text(max_size=8))
def test_clean__changes_nothing_the_second_time(text: str) -> None:
    assert clean(clean(text)) == clean(text)


@pytest.mark.parametrize(
    ("spelling", "value"),
    [
        ("1", 1.0),
        ("-1.50", -1.5),
        ("+.5", 0.5),
        ("3.", 3.0),
        ("0.5", 0.5),
        ("0", 0.0),
        ("1e-3", 0.001),
        ("1.5E+02", 150.0),
        ("1.5e2", 150.0),
        ("1.0e999", None),
        ("inf", None),
    ],
)
def test_parse_score__is_a_finite_number(spelling: str, value: float | None) -> None:
    assert parse_score(spelling) == value


@pytest.mark.parametrize("spelling", ["", "x", "1_000", "1,5", "0x1", "٣", "1 2", "--1", "1e", "nan", "."])
def test_parse_score__is_not_whatever_python_would_take(spelling: str) -> None:
    assert parse_score(spelling) is None


@pytest.mark.parametrize("spelling", ["01", "00", "-07", "007.1", "00.5", "1e3", "2E5"])
def test_parse_score__is_no_code(spelling: str) -> None:
    assert parse_score(spelling) is None
    assert whole(spelling) is None
    assert meant(spelling) == spelling


@pytest.mark.parametrize(
    ("spelling", "value"),
    [
        ("1", 1),
        ("-7", -7),
        ("-0", 0),
        ("+1", 1),
        ("2.0", 2),
        ("2.", 2),
        ("1.5", None),
        ("1e-3", None),
        ("x", None),
        ("12345678901234567891.0", 12345678901234567891),
    ],
)
def test_whole__keeps_every_digit(spelling: str, value: int | None) -> None:
    assert whole(spelling) == value


@given(st.text(max_size=8))
def test_whole__never_fails(spelling: str) -> None:
    assert whole(spelling) is None or parse_score(spelling) is not None


def test_renamed__goes_by_the_spelling_first_and_then_by_what_it_means() -> None:
    label_map = {"1": "pos", "1.0": "one", "true": None}
    found = [renamed(label, label_map) for label in ("1", "1.0", "+1", "01", "TRUE", "x")]
    assert found == ["pos", "one", "pos", "01", None, "x"]
