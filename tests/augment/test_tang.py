from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from augment.chances import every_outcome
from references import tang as slow
from tinybert.augment import tang as tang_module
from tinybert.augment.random import Random
from tinybert.augment.taggers import most_frequent
from tinybert.augment.tang import Tang, TangSettings, sides_of, unigrams
from tinybert.types import Answer, Example

CORPUS = [Example("A dull film.", "The dull story!"), Example("film, story film")]
BY_TAG = {"NOUN": ["film"] * 3 + ["story"] * 2, "ADJ": ["dull"] * 2, "DET": ["a", "the"]}
TAGS = {word: tag for tag, words in BY_TAG.items() for word in words}


def stream(row: int, copy: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=7, counter=[0, 0, row, copy]))


def outcomes(
    tang: Tang, example: Example, bounds: Sequence[Fraction], monkeypatch: pytest.MonkeyPatch
) -> dict[Any, Fraction]:
    """The distribution of the first copy's text, word by word."""

    def act(random: Random) -> tuple[str, ...]:
        monkeypatch.setattr(tang_module, "Random", lambda rng: random)
        return tuple(next(tang([example], 1, stream)).text.split(" "))

    return every_outcome(act, bounds, most_uniform=len(example.text.split()))


@pytest.mark.parametrize("text", ["film", "dull film", "a dull film"])
@pytest.mark.parametrize(("p_mask", "p_pos", "p_ngram"), [(0.1, 0.1, 0.25), (0.3, 0.7, 1.0), (0.5, 0.0, 0.0)])
def test_tang__has_the_distribution_of_the_paper(
    text: str, p_mask: float, p_pos: float, p_ngram: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    shares = [Fraction(str(share)) for share in (p_mask, p_pos, p_ngram)]
    bounds = [shares[0], shares[0] + shares[1]]
    words = text.split()
    expected = slow.rewritten(words, [TAGS[word] for word in words], BY_TAG, *shares)
    lower = [Example(example.text.lower(), example.pair and example.pair.lower()) for example in CORPUS]
    assert outcomes(Tang(lower, TangSettings(p_mask, p_pos, p_ngram)), Example(text), bounds, monkeypatch) == expected


def test_tang__over_many_rows_has_the_distribution_of_the_paper() -> None:
    words = ["a", "dull", "film"]
    expected = slow.rewritten(words, ["DET", "ADJ", "NOUN"], BY_TAG, *map(Fraction, (".1", ".1", ".25")))
    examples = [Example(" ".join(words), row=row) for row in range(1, 2001)]
    drawn = Counter(
        tuple(copy.text.lower().replace("[mask]", "[MASK]").split()) for copy in Tang(CORPUS)(examples, 1, stream)
    )
    common = [outcome for outcome, share in expected.items() if share > 0.005]
    counts = [float(expected[outcome] * 2000) for outcome in common]
    rest = 2000 - sum(drawn[outcome] for outcome in common)
    assert set(drawn) <= set(expected)
    assert chisquare([*(drawn[outcome] for outcome in common), rest], [*counts, 2000 - sum(counts)]).pvalue > 0.01


def test_unigrams__count_words_of_both_sides_by_tag_as_they_are_mostly_written() -> None:
    found = unigrams([Example("Ann saw a Film.", "A film!"), Example("Film")], most_frequent)
    assert found.words["NOUN"] == ["Ann", "Film"]
    assert found.totals["NOUN"] == [1, 4]
    assert (found.words["DET"], found.totals["DET"]) == (["a"], [2])
    assert found.draw("PART", Random(np.random.default_rng(0))) is None


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_unigrams__do_not_depend_on_the_order_of_the_corpus(order: tuple[int, ...]) -> None:
    corpus = [Example("A dull Film."), Example("Story, film"), Example("The film", "a story")]
    assert unigrams([corpus[position] for position in order], most_frequent) == unigrams(corpus, most_frequent)


def test_tang__copies_do_not_depend_on_what_they_are_given_with() -> None:
    tang = Tang(CORPUS)
    examples = [Example("A dull story, really: a film.", row=row) for row in (4, 9)]
    examples.append(Example("A film", "The dull story", row=2))
    together = list(tang(examples, 6, stream))
    assert together == [copy for example in examples for copy in tang([example], 6, stream)]
    assert [copy for copy in together if copy.copy <= 2] == list(tang(examples, 2, stream))
    assert together == list(Tang(CORPUS[::-1])(examples, 6, stream))


@given(st.text(alphabet="adF m'-,.!\"2\t\n", max_size=40).filter(str.strip), st.integers(0, 99), st.booleans())
def test_tang__never_leaves_masks_only_and_changes_nothing_but_words(text: str, row: int, ngrams: bool) -> None:
    tang = Tang([Example("ad mad F2 F-a")], TangSettings(p_mask=0.5, p_pos=0.2, p_ngram=float(ngrams)))
    for copy in tang([Example(text, row=row)], 2, stream):
        assert copy.text.strip()
        if any(letter.isalnum() for letter in text):
            assert any(letter.isalnum() for letter in copy.text.replace("[MASK]", ""))
        if not ngrams:
            marks = [letter for letter in text if letter in "\t\n"]
            assert [letter for letter in copy.text if letter in "\t\n"] == marks


def test_tang__an_ngram_is_a_part_of_the_text_as_it_stands_there() -> None:
    text = 'Well, "the dull  Film" -- a story -- goes on, on and on.'
    copies = list(Tang(CORPUS, TangSettings(0.0, 0.0, 1.0))([Example(text)], 60, stream))
    assert all(copy.text in text for copy in copies)
    assert {len([word for word in copy.text.split() if any(map(str.isalnum, word))]) for copy in copies} == {
        1,
        2,
        3,
        4,
        5,
    }
    assert any(copy.text.endswith("on.") for copy in copies)


def test_tang__writes_replacements_with_the_capitals_of_the_place() -> None:
    tang = Tang([Example("film")], TangSettings(0.0, 1.0, 0.0))
    assert next(tang([Example("Story, STORY story")], 1, stream)).text == "Film, FILM film"


def test_tang__uses_the_mask_of_the_tokenizer() -> None:
    tang = Tang(CORPUS, TangSettings(0.5, 0.0, 0.0), mask="<mask>")
    assert any("<mask>" in copy.text for copy in tang([Example("a dull film")], 8, stream))


@given(st.integers(0, 100))
def test_sides_of__pairs_come_in_turn(row: int) -> None:
    sides = {tuple(sides_of(Example("a", "b", row=row), copy)) for copy in (1, 2, 3)}
    assert sides == {("text",), ("pair",), ("text", "pair")}


def test_sides_of__other_tasks_have_one() -> None:
    assert sides_of(Example("Who?", "Ann.", Answer(0, 3)), 3) == ("pair",)
    assert sides_of(Example("Ann", words=("Ann",)), 3) == ("text",)


def test_tang__rewrites_the_sides_of_a_pair_in_turn() -> None:
    pair = Example("A dull film about a story", "The story of a dull film", 1, row=3)
    copies = list(Tang(CORPUS, TangSettings(0.9, 0.0, 0.0))([pair], 3, stream))
    assert [(copy.text != pair.text, copy.pair != pair.pair) for copy in copies] == [
        (False, True),
        (True, True),
        (True, False),
    ]
    assert {copy.label for copy in copies} == {1}


@given(st.integers(0, 200))
def test_tang__keeps_answers_and_entities(row: int) -> None:
    context = 'The film "Dull Story" ends.'
    question = Example("Which film?", context, Answer(10, 20), row=row)
    words = ("Ann", "Lee", "saw", "the", "dull", "film", ".")
    tagged = Example(" ".join(words), label=(1, 2, 0, 0, 0, 0, 0), row=row, words=words)
    tang = Tang(CORPUS, TangSettings(0.3, 0.3, 0.5), outside=0)
    for copy in tang([question], 3, stream):
        assert isinstance(copy.label, Answer)
        assert copy.pair is not None
        assert copy.pair[slice(*copy.label)] == "Dull Story"
    for copy in tang([tagged], 3, stream):
        assert copy.words is not None
        assert isinstance(copy.label, tuple)
        assert len(copy.words) == len(copy.label)
        assert copy.text == " ".join(copy.words)


@pytest.mark.parametrize(
    ("p_mask", "p_pos", "p_ngram", "message"),
    [(1.0, 0.0, 0.0, "below 1"), (0.6, 0.6, 0.0, "with p_pos"), (0.1, 0.1, 1.1, "p_ngram is a probability")],
)
def test_tang_settings__refuse_what_cannot_be(p_mask: float, p_pos: float, p_ngram: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TangSettings(p_mask, p_pos, p_ngram)
