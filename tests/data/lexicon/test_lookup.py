from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinybert.data.lexicon import STOP_WORDS, knows, lookup, synonyms, tag
from tinybert.data.lexicon.closed import CLOSED
from tinybert.data.lexicon.table import Table, packaged

KEYS = [line.split(b"\t")[0].decode() for line in packaged().text.splitlines()[::97]]


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A table of a few lines; nothing is cached of or for others."""
    lines = [
        "better\tn0:\ta>good\tr>well",
        "film\tn7:movie;shot,Movie\tv2:shoot",
        "good\ta9:fine,better",
        "see\tv5:witness",
        "saw\tn1:proverb\tv>see",
        "well\tr3:good",
        "works\tn0:plant",
        "man\tn5:bloke",
        "life\tn3:being",
        "live\tv3:dwell\ta1:alive",
        "lives\tn>life",
        "wells\tr>\tn>",
        "work\tn4:labour\tv5:labour,toil",
    ]
    table = Table.of("".join(f"{line}\n" for line in sorted(lines)).encode())
    monkeypatch.setattr(lookup, "packaged", lambda: table)
    for answer in (synonyms, tag):
        monkeypatch.setattr(lookup, answer.__name__, answer.__wrapped__)


@pytest.mark.usefixtures("toy")
@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("film", ("movie", "shot", "Movie", "shoot")),
        ("FILMS", ("movie", "shot", "Movie", "shoot")),
        ("filmed", ("shoot",)),
        ("filming", ("shoot",)),
        ("saw", ("proverb", "witness")),
        ("better", ("fine", "good")),
        ("works", ("plant",)),
        ("working", ("labour", "toil")),
        ("worker", ()),
        ("workmen", ()),
        ("men", ("bloke",)),
        ("lives", ("being", "dwell")),
        ("wells", ()),
        ("blorp", ()),
    ],
)
def test_synonyms__of_all_senses_and_forms_but_the_word_itself(word: str, found: tuple[str, ...]) -> None:
    assert lookup.synonyms(word) == found


@pytest.mark.usefixtures("toy")
@pytest.mark.parametrize(
    ("word", "expected"),
    [("film", "NOUN"), ("filmed", "VERB"), ("saw", "VERB"), ("better", "ADJ"), ("well", "ADV"), ("work", "VERB")],
)
def test_tag__is_what_the_word_and_its_bases_were_seen_as_most(word: str, expected: str) -> None:
    assert lookup.tag(word) == expected


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("The", "DET"), ("don't", "AUX"), ("don’t", "AUX"), ("NOT", "PART"), ("of", "ADP"), ("she", "PRON"),
        ("because", "CONJ"), ("two", "NUM"), ("1990s", "NUM"), ("3.5", "NUM"), ("--", "PUNCT"), ("'", "PUNCT"),
        ("…", "PUNCT"), ("", "PUNCT"), ("xyzzy", "NOUN"), ("naïve", "NOUN"), ("movies", "NOUN"), ("seemed", "VERB"),
        ("children", "NOUN"), ("found", "VERB"), ("funniest", "ADJ"), ("quickly", "ADV"),
    ],
)  # fmt: skip
def test_tag__of_english(word: str, expected: str) -> None:
    assert tag(word) == expected


@pytest.mark.parametrize(
    ("word", "holds", "lacks"),
    [
        ("women", {"adult female"}, set()),
        ("policemen", {"officer"}, set()),
        ("goes", {"travel", "move"}, set()),
        ("lives", {"lifetime", "dwell"}, set()),
        ("leaves", {"foliage", "depart"}, set()),
        ("deeper", {"profoundly", "mysterious"}, set()),
        ("harder", {"firmly", "difficult"}, set()),
        ("offer", {"proffer", "bid"}, {"cancelled", "sour"}),
        ("offers", {"proffer", "bid"}, {"cancelled", "sour"}),
    ],
)
def test_synonyms__of_english_forms(word: str, holds: set[str], lacks: set[str]) -> None:
    assert holds <= set(synonyms(word))
    assert not lacks & set(synonyms(word))


def test_packaged__finds_every_word_it_lists() -> None:
    assert len(KEYS) > 900
    assert all(packaged()[word] for word in KEYS)


@given(st.text(max_size=12))
def test_synonyms__never_hold_the_word_itself_and_any_text_has_a_tag(word: str) -> None:
    assert word.lower() not in {other.lower() for other in synonyms(word)}
    assert tag(word).isupper()


def test_synonyms__are_written_as_in_a_text() -> None:
    found = {other for word in KEYS for other in synonyms(word)}
    assert len(found) > 1000
    assert all(other == other.strip() and not set("_()") & set(other) for other in found)


def test_stop_words__are_the_closed_classes_without_numbers() -> None:
    assert {"the", "not", "don't", "very", "s"} <= STOP_WORDS
    assert not {"two", "good", "film", "like"} & STOP_WORDS
    assert all(word == word.lower() for word in STOP_WORDS)
    assert {word for word, one in CLOSED.items() if one != "NUM"} <= STOP_WORDS


def test_closed__the_first_class_that_lists_a_word_counts() -> None:
    assert [CLOSED[word] for word in ("that", "'s", "her", "so")] == ["DET", "AUX", "PRON", "CONJ"]


def test_tag__is_one_of_those_named() -> None:
    tags = {tag(left + right) for left, right in product(("run", "good", "x", "2", "."), ("", "s", "ly", "."))}
    assert tags <= {"NOUN", "VERB", "ADJ", "ADV", "NUM", "PUNCT"}


def test_knows__english_words_and_their_forms() -> None:
    words = ("The", "isn't", "women", "films", "goes", "bouilloire", "xyzzy", "")
    assert [knows(word) for word in words] == [True] * 5 + [False] * 3
