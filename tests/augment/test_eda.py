from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.stats import chisquare

from augment.chances import every_outcome
from references import eda as slow
from tinybert.augment import sentence as sentence_module
from tinybert.augment.eda import (
    OPERATIONS,
    Eda,
    EdaSettings,
    Operation,
    delete_words,
    insert_synonyms,
    replace_synonyms,
    shares,
    swap_words,
)
from tinybert.augment.random import Random
from tinybert.augment.sentence import cleaned, removed, sentence_of
from tinybert.augment.sides import rewritten
from tinybert.data.words import edited, spaced_words_of
from tinybert.errors import UserError
from tinybert.types import Answer, Example

TOY = {"film": ("movie", "flick"), "fine": ("good",), "dull": ("dry", "slow", "flat"), "saw": ("viewed",)}
TEXTS = st.text(alphabet="abDÉ fim'-,.!\"2\t\n", max_size=60).filter(str.strip)
PUNCTUATED = 'Why, "the Film" bored me -- twice!'


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Synonyms of four words."""
    monkeypatch.setattr(sentence_module, "synonyms", lambda word: TOY.get(word.lower(), ()))


def stream(row: int, copy: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=7, counter=[0, 0, row, copy]))


def outcomes(operation: Operation, example: Example, alpha: float, outside: int | None = None) -> dict[Any, Fraction]:
    sentence = sentence_of(example, "text", outside=outside)

    def act(random: Random) -> tuple[str, ...]:
        return tuple(rewritten(example, "text", operation(sentence, alpha, random), 1, outside).text.split(" "))

    return every_outcome(act)


@pytest.mark.usefixtures("toy")
@pytest.mark.parametrize("text", ["fine dull film", "dull so dull film", "nothing here", "film", "one fine film"])
@pytest.mark.parametrize(("alpha", "share"), [(0.05, 0), (0.5, 0.5), (1.0, 1)])
def test_operations__have_the_distribution_of_the_paper(text: str, alpha: float, share: float) -> None:
    words, example = text.split(), Example(text)
    known = {word: TOY[word] for word in words if word in TOY}
    count = max(1, int(share * len(words)))
    assert outcomes(replace_synonyms, example, alpha) == slow.replaced(words, known, count)
    assert outcomes(delete_words, example, alpha) == {
        outcome: chance for outcome, chance in slow.deleted(words, Fraction(str(alpha))).items() if chance
    }
    few = min(count, 2)  # the rest would only be more of the same, for minutes
    alpha = few / len(words)
    assert outcomes(insert_synonyms, example, alpha) == slow.inserted(words, known, few)
    assert outcomes(swap_words, example, alpha) == slow.swapped(words, few)


@pytest.mark.usefixtures("toy")
def test_swap_words__of_tagged_texts_keep_to_words_of_the_same_tag() -> None:
    words, tags = ("Ann", "saw", "Bob", "twice", "."), (1, 0, 1, 0, 0)
    example = Example(" ".join(words), label=tags, words=words)
    mixed = slow.swapped(words[:4], 1, tags[:4])
    assert outcomes(swap_words, example, 0.1, outside=0) == {(*one, "."): share for one, share in mixed.items()}


@pytest.mark.usefixtures("toy")
def test_insert_synonyms__of_tagged_texts_come_in_outside_of_entities_only() -> None:
    words, tags = ("Ann", "Lee", "saw", "fine", "."), (1, 2, 0, 0, 0)
    example = Example(" ".join(words), label=tags, words=words)
    positions = (0, 2, 3, 4)
    expected: Counter[tuple[str, ...]] = Counter()
    for position in positions:
        for synonym in ("viewed", "good"):
            expected[(*words[:position], synonym, *words[position:])] += Fraction(1, 8)
    assert outcomes(insert_synonyms, example, 0.1, outside=0) == expected
    assert outcomes(insert_synonyms, example, 0.1) == {words: 1}


@pytest.mark.usefixtures("toy")
def test_eda__over_many_rows_has_the_distribution_of_its_four_operations() -> None:
    words = ("fine", "so", "film")
    expected: Counter[tuple[str, ...]] = Counter()
    for part in (
        slow.replaced(words, TOY, 1),
        slow.inserted(words, {"fine": TOY["fine"], "film": TOY["film"]}, 1),
        slow.swapped(words, 1),
        slow.deleted(words, Fraction(1, 20)),
    ):
        for outcome, share in part.items():
            expected[outcome] += share / 4
    examples = [Example(" ".join(words), row=row) for row in range(1, 2001)]
    drawn = Counter(tuple(copy.text.split()) for copy in Eda()(examples, 1, stream))
    common = [outcome for outcome, share in expected.items() if share > 0.005]
    rest = 2000 - sum(drawn[outcome] for outcome in common)
    counts = [float(expected[outcome] * 2000) for outcome in common]
    assert set(drawn) <= set(expected)
    assert chisquare([*(drawn[outcome] for outcome in common), rest], [*counts, 2000 - sum(counts)]).pvalue > 0.01


@pytest.mark.parametrize("copies", [1, 2, 3, 4, 9, 16, 21])
def test_shares__are_equal_up_to_one(copies: int) -> None:
    drawn: Iterator[Operation] = shares(Random(stream(1, 0)))
    counts = Counter(next(drawn) for _ in range(copies))
    assert all(copies // 4 <= counts[operation] <= copies // 4 + 1 for operation in OPERATIONS)


def test_shares__first_copies_are_made_by_every_operation_alike() -> None:
    counts = Counter(next(shares(Random(stream(row, 0)))) for row in range(2000))
    assert chisquare([counts[operation] for operation in OPERATIONS]).pvalue > 0.01


def test_eda__copies_do_not_depend_on_what_they_are_given_with() -> None:
    examples = [Example("A fine film, really dull.", row=row) for row in (3, 1, 8)]
    pair = Example("A fine film.", "Why so dull a story?", 1, row=5)
    together = list(Eda()([*examples, pair], 6, stream))
    alone = [copy for example in [pair, *examples] for copy in Eda()([example], 6, stream)]
    few = [copy for example in [*examples, pair] for copy in Eda()([example], 2, stream)]
    assert together == alone[6:] + alone[:6]
    assert few == [copy for copy in together if copy.copy <= 2]
    assert [(copy.row, copy.copy) for copy in together] == [(row, n) for row in (3, 1, 8, 5) for n in range(1, 7)]


def test_eda__rewrites_one_side_of_a_pair_at_a_time() -> None:
    pair = Example("A fine film about dull people.", "They saw a dull story.", 1, row=2)
    copies = list(Eda()([pair], 8, stream))
    assert all(copy.pair == pair.pair for copy in copies if copy.copy % 2 == 0)
    assert all(copy.text == pair.text for copy in copies if copy.copy % 2 == 1)
    assert {copy.label for copy in copies} == {1}
    assert any(copy.text != pair.text for copy in copies)
    assert any(copy.pair != pair.pair for copy in copies)


@pytest.mark.usefixtures("toy")
def test_replace_synonyms__leaves_all_but_the_word_as_it_was() -> None:
    example = Example(PUNCTUATED)
    found = {" ".join(outcome) for outcome in outcomes(replace_synonyms, example, 0.1)}
    assert found == {PUNCTUATED.replace("Film", word) for word in ("Movie", "Flick")}


def test_replace_synonyms__takes_over_capitals() -> None:
    toy_sentence = sentence_of(Example("Garbage, garbage and GARBAGE"), "text")
    edits = replace_synonyms(toy_sentence, 0.1, Random(np.random.default_rng(3)))
    word = edits[1].text
    assert [edit.text for edit in edits] == [word[:1].upper() + word[1:], word, word.upper()]


@pytest.mark.parametrize(
    ("going", "rest"),
    [("Why", ', "the Film" bored me -- twice!'), ("the", 'Why, "Film" bored me -- twice!'),
     ("Film", 'Why, "the" bored me -- twice!'), ("me twice", 'Why, "the Film" bored --!'),
     ("bored me", 'Why, "the Film" -- twice!')],
)  # fmt: skip
def test_removed__takes_the_spaces_on_one_side_along(going: str, rest: str) -> None:
    words = [word for word in spaced_words_of(PUNCTUATED) if word.text in going.split()]
    assert edited(PUNCTUATED, removed(PUNCTUATED, words)) == rest


@given(st.lists(st.sampled_from(["a", "Bc", "d-e"]), min_size=1, max_size=8), st.data())
def test_removed__from_words_with_single_spaces_leaves_the_others_with_single_spaces(
    words: list[str], data: Any
) -> None:
    text = " ".join(words)
    gone = data.draw(st.sets(st.integers(0, len(words) - 1)))
    positions = spaced_words_of(text)
    rest = edited(text, removed(text, [positions[position] for position in sorted(gone)]))
    assert rest == " ".join(word for position, word in enumerate(words) if position not in gone)


@given(TEXTS, st.sampled_from(OPERATIONS), st.floats(0.01, 1), st.integers(0, 9))
@example("'2 D", swap_words, 0.5, 0)
def test_operations__never_leave_nothing_and_keep_what_is_no_word(
    text: str, operation: Operation, alpha: float, seed: int
) -> None:
    sentence = sentence_of(Example(text), "text")
    made = edited(text, operation(sentence, alpha, Random(np.random.default_rng(seed))))
    words = [word.text for word in spaced_words_of(text)]
    left = [word.text for word in spaced_words_of(made)]
    assert made.strip()
    assert bool(words) == bool(left)
    if operation is swap_words:
        assert sorted(made) == sorted(text)  # letters: behind an apostrophe another word may read as a contraction
    if operation is not delete_words:
        assert [letter for letter in made if letter in "\t\n"] == [letter for letter in text if letter in "\t\n"]


@given(st.integers(0, 200), st.floats(0.05, 1))
def test_eda__keeps_the_answer_in_its_context(row: int, alpha: float) -> None:
    context = 'The film, "A Fine Mess", saw a dull end in 1990.'
    answer = Answer(context.index("A Fine"), context.index('",'))
    example = Example("Which film?", context, answer, row=row)
    for copy in Eda(EdaSettings(alpha=alpha))([example], 4, stream):
        assert isinstance(copy.label, Answer)
        assert copy.pair is not None
        assert copy.pair[slice(*copy.label)] == "A Fine Mess"
        assert copy.text == example.text


@given(st.integers(0, 200), st.floats(0.05, 1))
def test_eda__keeps_entities_whole(row: int, alpha: float) -> None:
    words = ("Ann", "Lee", "saw", "the", "dull", "New", "York", "film", ".")
    example = Example(" ".join(words), label=(1, 2, 0, 0, 0, 3, 4, 0, 0), row=row, words=words)
    for copy in Eda(EdaSettings(alpha=alpha), outside=0)([example], 4, stream):
        assert copy.words is not None
        assert isinstance(copy.label, tuple)
        assert copy.text == " ".join(copy.words)
        assert len(copy.words) == len(copy.label)
        assert [tag for tag in copy.label if tag] == [1, 2, 3, 4]
        assert all(
            after == before + 1 for before, after in zip(copy.label, copy.label[1:], strict=False) if before in (1, 3)
        )


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("Don’t miss this LOW-tech film!", "dont miss this low tech film"),
        ("  2002: ", ""),
        ("A useful 192-page book", "a useful page book"),
        ("A\tb\nc", "a b c"),
    ],
)
def test_cleaned__is_lower_case_and_letters(text: str, clean: str) -> None:
    assert cleaned(text) == clean


def test_eda__cleans_as_the_paper_only_the_side_it_rewrites() -> None:
    pair = Example("Unusual Garbage, 1990s Film-noir!", "It's GOOD.", row=1)
    for copy in Eda(EdaSettings(clean="paper"))([pair], 8, stream):
        changed, kept = (copy.text, copy.pair == pair.pair) if copy.copy % 2 else (copy.pair, copy.text == pair.text)
        assert kept
        assert changed is not None
        assert set(changed) <= set("abcdefghijklmnopqrstuvwxyz ")
    assert next(Eda(EdaSettings(clean="paper"))([Example("2002!")], 1, stream)).text == "2002!"


@pytest.mark.parametrize(
    "example", [Example("Who?", "Ann.", Answer(0, 3)), Example("Ann sang", label=(1, 0), words=("Ann", "sang"))]
)
def test_eda__refuses_to_clean_tags_and_answers(example: Example) -> None:
    with pytest.raises(UserError, match=r"augment\.clean"):
        list(Eda(EdaSettings(clean="paper"))([example], 1, stream))


@pytest.mark.parametrize("alpha", [0.0, -0.1, 1.5, float("nan")])
def test_eda_settings__refuse_what_is_no_share(alpha: float) -> None:
    with pytest.raises(ValueError, match="alpha is the share"):
        EdaSettings(alpha=alpha)


def test_eda__leaves_texts_alone_that_offer_nothing() -> None:
    examples = [Example(text, row=row) for row, text in enumerate(("...", "blorp", "the"), start=1)]
    for copy in Eda()(examples, 8, stream):
        assert copy.text == examples[copy.row - 1].text
