from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinybert.augment.sides import open_words, rewritten, side_of
from tinybert.data.words import Edit
from tinybert.types import Answer, Example

QUESTION = Example("Who?", 'By "Ann Lee" of 50% fame.', Answer(4, 11), row=3)
WORDS = ("Ann", "Lee", "sang", ",", "twice", ".")
TAGGED = Example(" ".join(WORDS), None, (1, 2, 0, 0, 0, 0), row=1, words=WORDS)


@given(st.integers(0, 50), st.integers(1, 20))
def test_side_of__pairs_come_in_turn_and_balanced(row: int, copies: int) -> None:
    sides = [side_of(Example("a", "b", row=row), copy) for copy in range(1, copies + 1)]
    assert abs(sides.count("text") - sides.count("pair")) <= 1
    assert all(one != other for one, other in pairwise(sides))
    assert sides[0] != side_of(Example("a", "b", row=row + 1), 1)  # with one copy a row too, both sides are rewritten


@pytest.mark.parametrize("copy", [1, 2])
def test_side_of__questions_keep_their_question_and_single_texts_have_one_side(copy: int) -> None:
    assert side_of(QUESTION, copy) == "pair"
    assert side_of(TAGGED, copy) == "text"
    assert side_of(Example("a"), copy) == "text"


def test_open_words__leave_out_the_answer_and_words_that_reach_into_it() -> None:
    assert [word.text for word in open_words(QUESTION, "pair")] == ["By", "of", "50", "fame"]
    assert [word.text for word in open_words(Example("Who?", "So-called", Answer(3, 9)), "pair")] == []


def test_open_words__of_tagged_texts_are_whole_words_with_a_letter_or_digit() -> None:
    tagged = Example("U.S. , 'Paris'", words=("U.S.", ",", "'Paris'"))
    assert [tuple(word) for word in open_words(tagged, "text")] == [("U.S.", 0, 4), ("'Paris'", 7, 14)]


def test_rewritten__leaves_out_what_the_tags_do_not_allow() -> None:
    first_gone, third_new = Edit(0, 4, ""), Edit(8, 12, "danced")
    copy = rewritten(TAGGED, "text", [first_gone, third_new], 2, outside=0)
    assert (copy.text, copy.label, copy.copy) == ("Ann Lee danced , twice .", TAGGED.label, 2)


def test_rewritten__without_edits_is_the_original_again() -> None:
    assert rewritten(QUESTION, "pair", [], 4) == Example(QUESTION.text, QUESTION.pair, QUESTION.label, 3, 4)


def test_rewritten__a_word_that_replaces_a_mark_is_kept_apart() -> None:
    made = rewritten(Example("A fine pan."), "text", [Edit(10, 11, "at")], 1)
    assert made.text == "A fine pan at"
    answered = rewritten(QUESTION, "pair", [Edit(3, 4, "an"), Edit(11, 12, "one")], 1)
    assert (answered.pair, answered.label) == ("By an Ann Lee one of 50% fame.", Answer(6, 13))
