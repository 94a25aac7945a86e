import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinybert.data.labels import (
    Meaning,
    classes_of,
    kind_of,
    meaning_by_head,
    positive_class,
    score,
    suspicious,
    whole,
)
from tinybert.errors import UserError


@pytest.mark.parametrize(
    ("spelling", "value"),
    [("1", 1.0), ("-1.50", -1.5), ("+.5", 0.5), ("3.", 3.0), ("1e-3", 0.001), ("1e999", None), ("inf", None)],
)
def test_score__is_a_finite_number(spelling: str, value: float | None) -> None:
    assert score(spelling) == value


@pytest.mark.parametrize("spelling", ["", "x", "1_000", "1,5", "0x1", "٣", "1 2", "--1", "1e", "nan", "."])
def test_score__is_not_whatever_python_would_take(spelling: str) -> None:
    assert score(spelling) is None


@pytest.mark.parametrize(
    ("spelling", "value"),
    [
        ("1", 1),
        ("-07", -7),
        ("2.0", 2),
        ("1e2", 100),
        ("1.5", None),
        ("x", None),
        ("12345678901234567891", 12345678901234567891),
    ],
)
def test_whole__keeps_every_digit(spelling: str, value: int | None) -> None:
    assert whole(spelling) == value


@given(st.text(max_size=8))
def test_whole__never_fails(spelling: str) -> None:
    assert whole(spelling) is None or score(spelling) is not None


@pytest.mark.parametrize(
    ("spellings", "kind"),
    [
        (["0", "1"], "classification"),
        (["0.0", "1.0"], "classification"),
        (["0", "0.5"], "regression"),
        (["5.000", "3.8"], "regression"),
        (["0", "0.5", "x"], "classification"),
        (["neg", "pos"], "classification"),
    ],
)
def test_kind_of__calls_numbers_that_are_not_all_whole_scores(spellings: list[str], kind: str) -> None:
    assert kind_of(spellings) == kind


@pytest.mark.parametrize(
    ("spellings", "classes"),
    [
        (["10", "9", "-1"], ("-1", "9", "10")),
        (["1.0", "0.0", "1"], ("0", "1")),
        (["pos", "neg", "10"], ("10", "neg", "pos")),
        (["b", "B", "a"], ("B", "a", "b")),
    ],
)
def test_classes_of__ascend_as_numbers_or_sort_as_text(spellings: list[str], classes: tuple[str, ...]) -> None:
    assert classes_of(spellings) == classes


def test_suspicious__finds_the_score_with_a_slip() -> None:
    spellings = [f"{n}.5" for n in range(200)]
    assert "'4.5x' is not one" in (suspicious([*spellings, "4.5x"], 300) or "")


def test_suspicious__asks_whether_the_column_is_right() -> None:
    assert "is data.label the right column?" in (suspicious([f"id{n}" for n in range(200)], 200) or "")


@pytest.mark.parametrize(("labels", "rows"), [(2, 2), (99, 99), (150, 500)])
def test_suspicious__lets_classes_pass(labels: int, rows: int) -> None:
    assert suspicious([f"class {n}" for n in range(labels)], rows) is None


@pytest.mark.parametrize(
    ("classes", "wanted", "index"),
    [
        (("0", "1"), None, 1),
        (("1", "2"), None, 0),
        (("entailment", "not_entailment"), None, 0),
        (("Positive", "Negative"), None, 0),
        (("fake", "real"), None, 1),
        (("yes", "duplicate"), None, 1),
        (("neg", "pos"), "neg", 0),
        (("Neg", "Pos"), "neg", 0),
        (("a", "b", "c"), "b", None),
        (("a", "b", "c"), None, None),
        ((), None, None),
    ],
)
def test_positive_class__by_the_rule(classes: tuple[str, ...], wanted: str | None, index: int | None) -> None:
    assert positive_class(classes, wanted) == index


@pytest.mark.parametrize(("classes", "listed"), [(("neg", "pos"), "neg, pos"), ((), "none")])
def test_positive_class__must_be_one_of_the_classes(classes: tuple[str, ...], listed: str) -> None:
    with pytest.raises(UserError, match=rf"^data.positive=good: no such class; the classes are: {listed}$"):
        positive_class(classes, "good")


def test_meaning__is_the_index_of_a_class() -> None:
    meaning = Meaning(("neg", "pos"), {"bad": "neg"})
    assert [meaning.value(name) for name in ("neg", "pos", "bad", "POS", "x")] == [0, 1, 0, None, None]
    assert meaning.why_not("x").startswith("unknown label 'x'; known are: neg, pos")


def test_meaning__takes_whole_numbers_however_written() -> None:
    assert [Meaning(("0", "1"), {}).value(name) for name in ("1", "1.0", "01", "1.5", "2")] == [1, 1, 1, None, None]


def test_meaning__of_scores_is_a_number() -> None:
    meaning = Meaning((), {"none": "0"})
    assert [meaning.value(name) for name in ("3.8", "none", "x")] == [3.8, 0.0, None]
    assert "'x' is not a finite number" in meaning.why_not("x")


def test_meaning__overlooks_capitals_only_where_that_is_clear() -> None:
    meaning = Meaning(("Yes", "yes", "No"), {}, any_capitals=True)
    assert [meaning.value(name) for name in ("Yes", "yes", "YES", "NO")] == [0, 1, None, 2]


@pytest.mark.parametrize(
    ("head", "renamed", "spellings", "classes", "values"),
    [
        (("NEGATIVE", "POSITIVE"), {}, ["positive", "negative"], ("NEGATIVE", "POSITIVE"), [1, 0]),
        (("negative", "positive"), {"1": "positive", "0": "negative"}, ["0", "1"], ("negative", "positive"), [0, 1]),
        (("LABEL_0", "LABEL_1"), {}, ["1", "0"], ("0", "1"), [1, 0]),
        (("LABEL_0", "LABEL_1"), {}, ["1.0", "0.0"], ("0", "1"), [1, 0]),
        (("LABEL_0", "LABEL_1"), {}, ["LABEL_1", "LABEL_0"], ("LABEL_0", "LABEL_1"), [1, 0]),
        (("LABEL_0", "LABEL_1"), {"neg": "0", "pos": "1"}, ["pos", "neg"], ("0", "1"), [1, 0]),
        (("LABEL_0", "LABEL_1"), {"pos": "LABEL_1"}, ["pos", "0"], ("LABEL_0", "LABEL_1"), [1, 0]),
        (("LABEL_0", "LABEL_1"), {}, ["2", "0"], ("LABEL_0", "LABEL_1"), [None, 0]),
        (("negative", "positive"), {}, ["0", "1"], ("negative", "positive"), [None, None]),
    ],
)
def test_meaning_by_head__matches_names_and_the_numbers_of_placeholders(
    head: tuple[str, ...],
    renamed: dict[str, str],
    spellings: list[str],
    classes: tuple[str, ...],
    values: list[int | None],
) -> None:
    meaning = meaning_by_head(spellings, head, renamed)
    assert meaning.classes == classes
    assert [meaning.value(name) for name in spellings] == values
