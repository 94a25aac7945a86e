import re
from typing import Literal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinybert.data.examples import Examples
from tinybert.data.overlap import contained, contradicted, contradictions, exact, normalised, without_overlap
from tinybert.errors import UserError
from tinybert.types import Answer, Example


def singles(*texts: str) -> Examples:
    return Examples.of([Example(text) for text in texts])


def pairs(*sides: tuple[str, str]) -> Examples:
    return Examples.of([Example(*both) for both in sides])


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("A Good film.", "agoodfilm"),
        ("do n't !", "dont"),
        ("Don't", "dont"),
        ("Größe_2 ÉTÉ", "größe2été"),
        (" ... ", "..."),
        ("日本 語", "日本語"),
    ],
)
def test_normalised__keeps_letters_and_digits_in_lower_case(text: str, key: str) -> None:
    assert normalised(text) == key


def test_exact__sees_through_punctuation_capitals_and_spaces() -> None:
    train = singles("A good film .", "a good", "good film", "It's fun")
    assert exact(train, singles("a GOOD film!", "it 's fun")).tolist() == [True, False, False, True]


def test_exact__does_not_take_all_punctuation_for_the_same() -> None:
    assert exact(singles("!!!", "..."), singles("...")).tolist() == [False, True]


def test_exact__compares_both_sides_of_pairs_in_either_order() -> None:
    train = pairs(("A b.", "c d"), ("c D", "a b"), ("a b", "x"), ("a", "b c d"))
    assert exact(train, pairs(("a b", "c d"))).tolist() == [True, True, False, False]


def test_without_overlap__counts_questions_about_a_context_that_is_held_out() -> None:
    sides = [("who", "a b."), ("Who?", "A B"), ("when", "a b"), ("when", "c d"), ("a b", "who")]
    train, test = (Examples.of([Example(*both, Answer(0, 1)) for both in some]) for some in (sides[1:], sides[:1]))
    left, counts, notes = without_overlap(train, {"test": test}, "none")
    assert (len(left), counts["test"]) == (4, {"exact": 2, "context": 2})
    assert notes[1] == "train: 2 of 4 rows have a context that test has too"
    assert [len(without_overlap(train, {"test": test}, drop)[0]) for drop in ("exact", "contained")] == [2, 1]
    assert without_overlap(train[1:3], {"test": test}, "none")[2][-1].endswith("; data.drop_overlap=contained does")


SENTENCE = "what a truly good film this was , he said ."


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a truly good film this", True),  # five words inside
        ("a truly good film", False),  # four
        ("A TRULY, good film -- this!", True),
        ("truly good film this w", False),  # ends within a word
        ("ruly good film this was", False),  # begins within one
        ("truly good film this is", False),
        ("well , what a truly good film this was , he said , and left", True),  # around
        ("well , what a truly good film this wasn , he said", False),
        ("swhat a truly good film this was he said", False),
        ("what a truly good film this was he said", True),  # the same
    ],
)
def test_contained__looks_either_way_at_the_boundaries_of_words(text: str, expected: bool) -> None:
    assert contained(singles(text), singles("nothing of it", SENTENCE)).tolist() == [expected]
    assert contained(singles(SENTENCE), singles("nothing of it", text)).tolist() == [expected]


def test_contained__includes_short_texts_that_are_the_same() -> None:
    assert contained(singles("Good!", "bad"), singles("good", "bad film")).tolist() == [True, False]


def test_contained__finds_five_words_of_a_letter_each() -> None:
    assert contained(singles("a b c d e", "a b c d"), singles("x a b c d e y")).tolist() == [True, False]
    assert contained(singles("x a b c d e y", "xa b c d e y"), singles("a b c d e")).tolist() == [True, False]


LONG_A, LONG_B = "a man is playing a guitar outside", "somebody makes music in the open air"


@pytest.mark.parametrize(
    ("pair", "expected"),
    [
        ((LONG_A, LONG_B), True),
        ((LONG_B, LONG_A), True),
        (("man is playing a guitar", "in truth " + LONG_B), True),
        (("in truth " + LONG_B, "man is playing a guitar"), True),
        ((LONG_A, "something else"), False),
        (("something else", LONG_B), False),
        ((LONG_A, LONG_A), False),
    ],
)
def test_contained__of_pairs_needs_both_sides_of_one_row(pair: tuple[str, str], expected: bool) -> None:
    held_out = pairs(("x", "y"), (LONG_A, LONG_B), (LONG_A, "z"))
    assert contained(pairs(pair), held_out).tolist() == [expected]


def test_contained__of_pairs_does_not_join_two_rows() -> None:
    assert contained(pairs((LONG_A, LONG_B)), pairs((LONG_A, "y"), ("x", LONG_B))).tolist() == [False]


TEXT = st.lists(st.sampled_from(["a", "be", "the", "good", "film", "It's", ",", "plot2", "é"]), min_size=1, max_size=9)


@given(st.lists(TEXT, min_size=1, max_size=6), st.lists(TEXT, min_size=1, max_size=6))
def test_contained__agrees_with_looking_at_every_pair_of_texts(train: list[list[str]], held: list[list[str]]) -> None:
    ours, theirs = ([" ".join(words) for words in part] for part in (train, held))
    expected = [any(slowly(a, b) for b in theirs) for a in ours]
    assert contained(singles(*ours), singles(*theirs)).tolist() == expected


def slowly(first: str, second: str) -> bool:
    """Written from the definition: try every run of whole words of either text."""
    if normalised(first) == normalised(second):
        return True
    one, two = (re.findall(r"[^\W_]+", text.lower()) for text in (first, second))
    return inside(one, two) or inside(two, one)


def inside(words: list[str], others: list[str]) -> bool:
    runs = ["".join(others[i:j]) for i in range(len(others)) for j in range(i + 1, len(others) + 1)]
    return len(words) >= 5 and "".join(words) in runs


def test_contradicted__finds_the_same_text_with_another_class() -> None:
    rows = [
        ("A  good\u00a0film", 0),
        ("fine", 1),
        ("a Good film ", 2),
        ("good film!", 1),
        ("fine", 1),
        ("a good film", 0),
    ]
    examples = Examples.of([Example(text, None, label) for text, label in rows])
    assert contradicted(examples).tolist() == [True, False, True, False, False, True]


def test_contradicted__takes_pairs_in_their_order() -> None:
    rows = [("a", "b", 0), ("b", "a", 1), ("a", "b", 1)]
    assert contradicted(Examples.of([Example(*row) for row in rows])).tolist() == [True, False, True]


PHRASE = "a truly good film this"
TRAIN = Examples.of([Example(text, None, 0) for text in ("Good!", PHRASE, "bad", "dull", "plot")])
HELD_OUT = {
    "dev": Examples.of([Example("good", None, 0), Example("plot", None, 1)]),
    "test": Examples.of([Example(f"it is {PHRASE} one"), Example("Dull.")]),
}


@pytest.mark.parametrize(
    ("drop", "left", "dev", "test"),
    [
        ("none", ["Good!", PHRASE, "bad", "dull", "plot"], {"exact": 2}, {"exact": 1}),
        ("exact", [PHRASE, "bad"], {"exact": 2}, {"exact": 1}),
        ("contained", ["bad"], {"exact": 2, "contained": 2}, {"exact": 1, "contained": 2}),
    ],
)
def test_without_overlap__counts_always_and_drops_on_request(
    drop: Literal["none", "exact", "contained"], left: list[str], dev: dict[str, int], test: dict[str, int]
) -> None:
    train, report, notes = without_overlap(TRAIN, HELD_OUT, drop)
    assert [example.text for example in train] == left
    assert report == {"rows": 5, "drop": drop, "dropped": 5 - len(left), "dev": dev, "test": test}
    assert "train: 2 of 5 rows are in dev as well (exact)" in notes


def test_without_overlap__has_nothing_to_say_of_clean_data() -> None:
    train, report, notes = without_overlap(TRAIN, {"dev": Examples.of([Example("other")])}, "none")
    assert train is TRAIN
    assert report["dev"] == {"exact": 0}
    assert notes == ()


def test_without_overlap__refuses_to_leave_nothing() -> None:
    with pytest.raises(UserError, match=r"^data.drop_overlap=exact: every row of train"):
        without_overlap(TRAIN, {"dev": TRAIN}, "exact")


def test_contradictions__count_rows_and_name_the_first() -> None:
    labels = [("good", 1), ("fine", 1), ("Good ", 0), ("bad", 0)]
    rows = pa.table(
        {
            "text": [text for text, _ in labels],
            "pair": pa.nulls(4, pa.string()),
            "row": [1, 2, 3, 4],
            "line": [2, 3, 4, 5],
            "label": [label for _, label in labels],
        }
    )
    train = Examples(rows)
    scores = Examples.of([Example("a", None, 0.5), Example("a", None, 1.5)])
    others = {"dev": Examples.of([Example("good", None, 1)]), "test": Examples.of([Example("a")]), "scores": scores}
    counts, notes = contradictions({"train": train, **others})
    assert counts == {"train": 2, "dev": 0}
    assert notes == (
        "train: 2 of 4 rows have a text that others of them give another label: lines 2, 4; correct them where "
        "only one can be right",
    )
