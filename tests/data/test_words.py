import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinybert.data.words import Edit, contractions, edited, is_mark, kept_apart, spaced_words_of, words_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("don't go , low-tech!", ["don't", "go", "low-tech"]),
        ("(U.S.) -- 50% “naïve”…", ["U.S.", "50", "naïve"]),
        ("Mr. Lee left the U.S. at 3.5.", ["Mr.", "Lee", "left", "the", "U.S.", "at", "3.5"]),
        (" \t... ", []),
        ("की बात।", ["की", "बात"]),
        ("Ann 's 'fine' film , she 'll see", ["Ann", "'s", "fine", "film", "she", "'ll", "see"]),
    ],
)
def test_spaced_words_of__leaves_out_the_punctuation_around_words(text: str, words: list[str]) -> None:
    assert [word.text for word in spaced_words_of(text)] == words


@given(st.text(max_size=40))
def test_spaced_words_of__stand_where_they_say_and_hold_no_space(text: str) -> None:
    end = 0
    for word in spaced_words_of(text):
        assert end <= word.start < word.end
        assert text[word.start : word.end] == word.text
        assert not any(letter.isspace() for letter in word.text)
        end = word.end


def test_kept_apart__words_do_not_grow_together() -> None:
    text = "it's good-- (very)"
    marks = [word for word in words_of(text) if is_mark(word.text)]
    dots, words = ([Edit(mark.start, mark.end, new) for mark in marks] for new in (".", "dull"))
    assert edited(text, kept_apart(text, dots)) == "it.s good.. .very."
    assert edited(text, kept_apart(text, words)) == "it dull s good dull dull dull very dull"
    assert edited(text, kept_apart(text, words[:2])) == "it dull s good dull- (very)"


def test_kept_apart__parts_of_a_word_stay_together_and_edits_in_their_order() -> None:
    text = "filming it"
    edits = [Edit(8, 10, "a"), Edit(4, 7, "s"), Edit(0, 4, "plot"), Edit(0, 0, "the ")]
    assert kept_apart(text, edits) == edits


@given(st.text("aé- ("), st.sets(st.integers(0, 20)))
def test_kept_apart__there_are_as_many_words_as_before(text: str, places: set[int]) -> None:
    words = words_of(text)
    edits = [Edit(words[place].start, words[place].end, "x") for place in places if place < len(words)]
    assert len(words_of(edited(text, kept_apart(text, edits)))) == len(words)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("I DON\u2019T know", ["DON\u2019T"]),
        ("they do n't , did not , and it 's late", ["do n't", "'s"]),
        ("he didn 't say we'll go", ["didn 't", "'ll"]),
        ("'t was, the 'soap' of rock'n'roll; Sam O'Toole's", ["'s"]),
    ],
)
def test_contractions__in_running_text_and_in_text_split_into_words(text: str, found: list[str]) -> None:
    assert [text[start:end] for start, end in contractions(text)] == found
