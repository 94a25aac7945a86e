import pytest

from tinybert.data.labels import (
    ClassMeaning,
    ScoreMeaning,
    are_scores,
    classes_of,
    meaning_by_head,
    positive_class,
    without_gold,
)
from tinybert.errors import UserError


@pytest.mark.parametrize(
    ("spellings", "kind"),
    [
        (["0", "1"], "classification"),
        (["0.0", "1.0"], "classification"),
        (["0", "0.5"], "regression"),
        (["5.000", "3.8"], "regression"),
        (["0", "0.5", "x"], "classification"),
        (["007.1", "12.5"], "classification"),
        (["1e3", "12.5"], "classification"),
        (["1e-05", "0.5"], "regression"),
        (["neg", "pos"], "classification"),
    ],
)
def test_are_scores__means_numbers_that_are_not_all_whole(spellings: list[str], kind: str) -> None:
    assert are_scores(spellings) is (kind == "regression")


@pytest.mark.parametrize(
    ("spellings", "classes"),
    [
        (["10", "9", "-1"], ("-1", "9", "10")),
        (["1.0", "0.0", "1"], ("0", "1")),
        (["pos", "neg", "10"], ("10", "neg", "pos")),
        (["b", "B", "a"], ("B", "a", "b")),
        (["01", "02", "10"], ("01", "02", "10")),
        (["007", "7", "12"], ("007", "12", "7")),
        (["1e3", "123"], ("123", "1e3")),
        (["+1", "-1", "1"], ("-1", "1")),
        (["12345678901234567.0", "12345678901234568.0"], ("12345678901234567", "12345678901234568")),
        (["1.0", "none", "1"], ("1", "none")),
        (["1.0", "1.50", "1.5"], ("1.0", "1.5", "1.50")),
        (["True", "False"], ("False", "True")),
        (["True", "true", "FALSE"], ("FALSE", "true")),
    ],
)
def test_classes_of__ascend_as_numbers_or_sort_as_text(spellings: list[str], classes: tuple[str, ...]) -> None:
    assert classes_of(spellings) == classes


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
        (("00", "01"), "00", 0),
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
    meaning = ClassMeaning(("neg", "pos"), {"bad": "neg"})
    assert [meaning.value(name) for name in ("neg", "pos", "bad", "POS", "x")] == [0, 1, 0, None, None]
    assert meaning.why_not("x").startswith("unknown label 'x'; known are: neg, pos")


@pytest.mark.parametrize(
    ("classes", "spellings", "values"),
    [
        (("0", "1"), ("1", "1.0", "+1", "01", "1.5", "2"), [1, 1, 1, None, None, None]),
        (("01", "02", "10"), ("01", "1", "10", "10.0"), [0, None, 2, 2]),
        (("False", "True"), ("true", "TRUE", "False", "0"), [1, 1, 0, None]),
        (("n\u00e9g", "pos"), ("n\u00e9g", "Pos"), [0, None]),
        (("ne\u0301g", "pos"), ("n\u00e9g", "pos"), [0, 1]),
    ],
)
def test_meaning__takes_a_label_however_it_is_spelled(
    classes: tuple[str, ...], spellings: tuple[str, ...], values: list[int | None]
) -> None:
    assert [ClassMeaning(classes, {}).value(name) for name in spellings] == values


def test_meaning__renames_numbers_and_truth_values_however_they_are_spelled() -> None:
    meaning = ClassMeaning(("neg", "pos"), {"1": "pos", "False": "neg"})
    assert [meaning.value(name) for name in ("1.0", "false", "01")] == [1, 0, None]


def test_meaning__leaves_out_what_is_renamed_to_nothing() -> None:
    meaning = ClassMeaning(("neg", "pos"), {"-1": None, "bad": "neg"})
    assert [meaning.leaves_out(name) for name in ("-1", "-1.0", "bad", "x")] == [True, True, False, False]
    assert meaning.value("-1") is None


@pytest.mark.parametrize(
    ("spellings", "label_map", "found"),
    [
        (["entailment", "neutral", "-"], {}, {"-": None}),
        (["ENTAILMENT", "NEUTRAL"], {}, {"-": None}),
        (["e", "n", "-"], {"e": "entailment", "n": "neutral"}, {"-": None, "e": "entailment", "n": "neutral"}),
        (["entailment", "neutral", "-"], {"entailment": "0", "neutral": "1"}, {"-", "entailment", "neutral"}),
        (["entailment", "neutral", "-"], {"-": "unsure"}, {"-": "unsure"}),
        (["entailment", "-"], {}, {}),
        (["+", "-"], {}, {}),
        (["entailment", "neutral", "-", "other"], {}, {}),
    ],
)
def test_without_gold__leaves_out_the_dash_of_inference_only(
    spellings: list[str], label_map: dict[str, str | None], found: object
) -> None:
    meant = without_gold(spellings, label_map)
    assert (set(meant) if isinstance(found, set) else meant) == found


@pytest.mark.parametrize(
    ("classes", "spelling", "advice"),
    [
        (("neg", "pos"), "Neg", "correct it, or say data.label_map={Neg: neg}"),
        (("neg", "pos"), "x", "correct it, or rename it with data.label_map"),
        ((), "1,5", "write 1.5, or say --kind classification"),
        ((), "007.1", "with a leading zero it is a code; remove the zero, or say --kind classification"),
        ((), "0x1", "correct it, or say --kind classification"),
    ],
)
def test_meaning__says_what_to_do_about_a_label_without_a_value(
    classes: tuple[str, ...], spelling: str, advice: str
) -> None:
    meaning = ClassMeaning(classes, {}) if classes else ScoreMeaning({})
    assert meaning.why_not(spelling).endswith(f"; {advice}")


def test_meaning__of_scores_is_a_number() -> None:
    meaning = ScoreMeaning({"none": "0"})
    assert [meaning.value(name) for name in ("3.8", "none", "x")] == [3.8, 0.0, None]
    assert "'x' is not a finite number" in meaning.why_not("x")


def test_meaning__overlooks_capitals_only_where_that_is_clear() -> None:
    meaning = ClassMeaning(("Yes", "yes", "No"), {}, any_capitals=True)
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
        (("LABEL_0", "LABEL_1"), {"-": None}, ["-", "1.0"], ("0", "1"), [None, 1]),
        (("LABEL_0", "LABEL_1"), {}, ["01", "0"], ("LABEL_0", "LABEL_1"), [None, 0]),
        (("LABEL_0", "LABEL_1"), {}, ["2", "0"], ("LABEL_0", "LABEL_1"), [None, 0]),
        (("negative", "positive"), {}, ["0", "1"], ("negative", "positive"), [None, None]),
    ],
)
def test_meaning_by_head__matches_names_and_the_numbers_of_placeholders(
    head: tuple[str, ...],
    renamed: dict[str, str | None],
    spellings: list[str],
    classes: tuple[str, ...],
    values: list[int | None],
) -> None:
    meaning = meaning_by_head(spellings, head, renamed)
    assert meaning.classes == classes
    assert [meaning.value(name) for name in spellings] == values
