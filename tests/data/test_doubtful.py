from typing import Any

import pytest

from tinybert.data.doubtful import check_columns_not_swapped, check_plausible, suspicious
from tinybert.data.read import RawRows, read
from tinybert.data.resolve import spellings
from tinybert.data.settings import DataSettings
from tinybert.errors import UserError


def rows(labels: list[str], texts: list[str] | None = None) -> RawRows:
    found = texts or [f"text {n}" for n in range(len(labels))]
    source = [{"text": text, "label": label} for text, label in zip(found, labels, strict=True)]
    return read(source, DataSettings(), labels="needed", name="train")


def refuse(labels: list[str], called: dict[str, Any] | None = None, insisted: bool = False) -> None:
    train = rows(labels)
    found = spellings(train)
    check_plausible(train, found, {name: name for name in found.names} | (called or {}), insisted=insisted)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (
            ["neg", "Neg", "neg"],
            r"^train:2: the label 'Neg' differs from 'neg' \(line 1\) only by capitals; write them alike, or say "
            r"data.label_map=\{Neg: neg\}$",
        ),
        (["Nég", "pos", "nÉG", "nÉG"], r"^train:1: the label 'Nég' differs from 'nÉG' \(line 3\)"),
        (
            ["2", "27", "2,27"],
            r"^train:3: the label '2,27' is several of the other labels, one of 1 such: .* a point;",
        ),
        (
            ["a", "b", "b; a", "a|b"],
            r"^train:3: the label 'b; a' is several of the other labels, one of 2 such: keep",
        ),
        (["['a']", "['b']", "['a', 'b']"], r"^train:3: the label '\['a', 'b'\]' is several of the other labels"),
        (["1,5", "2,0", "3"], r"^train:1: the label '1,5' has a decimal comma; write scores with a point \(1.5\)"),
    ],
)
def test_check_plausible__says_what_and_where_and_what_to_do(labels: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        refuse(labels)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "labels",
    [
        ["true", "True", "1", "1.0"],
        ["Arts, Crafts", "Arts", "Books"],
        ["Smith, John", "Smith, Jane", "Doe, Jane"],
        ["1,000 or more", "1,5", "2,0"],
    ],
)
def test_check_plausible__lets_classes_pass(labels: list[str]) -> None:
    refuse(labels)


@pytest.mark.parametrize("labels", [["2", "27", "2,27"], ["1,5", "2,0"], [f"id{n}" for n in range(200)]])
def test_check_plausible__believes_who_insists(labels: list[str]) -> None:
    with pytest.raises(UserError):
        refuse(labels)
    refuse(labels, insisted=True)


def test_check_plausible__looks_at_names_after_renaming() -> None:
    refuse(["neg", "Neg"], {"Neg": "neg"})
    with pytest.raises(UserError, match=r"say data.label_map=\{bad: neg\}$"):
        refuse(["neg", "neg", "bad"], {"bad": "Neg"})


def test_check_columns_not_swapped__finds_texts_in_the_column_of_labels() -> None:
    texts = [f"a long text of {n} words" for n in range(12)]
    train = rows(texts, ["pos", "neg"] * 6)
    with pytest.raises(UserError, match=r"^train:1: the label is 'a long text of 0 words', and a text is 'pos'; the"):
        check_columns_not_swapped(train, spellings(train))


@pytest.mark.parametrize(
    ("labels", "texts"),
    [
        (["pos", "neg"] * 6, None),
        (["pos", "neg", "hm"], ["the same text"] * 3),
        ([f"{n / 8}" for n in range(12)], ["a", "b"] * 6),
    ],
)
def test_check_columns_not_swapped__lets_the_rest_pass(labels: list[str], texts: list[str] | None) -> None:
    train = rows(labels, texts)
    check_columns_not_swapped(train, spellings(train))


def test_suspicious__finds_the_score_with_a_slip() -> None:
    names = [f"{n}.5" for n in range(200)]
    assert "'4.5x' is not one" in (suspicious([*names, "4.5x"], 300) or "")


def test_suspicious__asks_whether_the_column_is_right() -> None:
    assert "is data.label the right column?" in (suspicious([f"id{n}" for n in range(200)], 200) or "")


@pytest.mark.parametrize(("labels", "rows"), [(2, 2), (99, 99), (150, 500)])
def test_suspicious__lets_classes_pass(labels: int, rows: int) -> None:
    assert suspicious([f"class {n}" for n in range(labels)], rows) is None
