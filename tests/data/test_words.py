import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinybert.data.words import spaced_words_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("don't go , low-tech!", ["don't", "go", "low-tech"]),
        ("(U.S.) -- 50% “naïve”…", ["U.S", "50", "naïve"]),
        (" \t... ", []),
        ("की बात।", ["की", "बात"]),
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
