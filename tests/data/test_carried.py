from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinybert.data.carried import Side, carried, protected
from tinybert.data.words import Edit, edited, words_of
from tinybert.types import Answer, Example, Label

WORDS = ("EU", "rejects", "German", "call", ".")
OUT, PER, LOC = 0, 1, 2
NEWS = Example(" ".join(WORDS), None, (PER, OUT, LOC, OUT, OUT), 3, words=WORDS)
ASKED = Example("Who?", "By Ann Lee, 1999.", Answer(3, 10), 7)


@pytest.mark.parametrize("label", [1, 0.5, None])
@pytest.mark.parametrize(("side", "expected"), [("text", ("a good film", "b")), ("pair", ("a fine film", "very b"))])
def test_carried__keeps_classes_and_scores(label: Label, side: Side, expected: tuple[str, str]) -> None:
    edits = {"text": [Edit(2, 6, "good")], "pair": [Edit(0, 0, "very ")]}
    copy = carried(Example("a fine film", "b", label, 5), side, edits[side], 2)
    assert copy == Example(*expected, label, 5, 2)


def test_carried__leaves_nothing_empty() -> None:
    assert carried(Example("fine"), "text", [Edit(0, 4, " ")], 1) is None
    assert carried(Example("fine", words=("fine",), label=(OUT,)), "text", [Edit(0, 4, "")], 1, OUT) is None


def test_carried__refuses_a_side_that_is_not_there() -> None:
    with pytest.raises(ValueError, match="no second side"):
        carried(Example("fine"), "pair", [], 1)


@pytest.mark.parametrize(
    ("edits", "start"),
    [
        ([Edit(0, 2, "Written by")], 11),
        ([Edit(3, 3, "the ")], 7),
        ([Edit(10, 10, " (49)")], 3),
        ([Edit(12, 16, "2000"), Edit(0, 2, "")], 1),
        ([Edit(3, 6, "Ann")], 3),
    ],
)
def test_carried__moves_an_answer(edits: list[Edit], start: int) -> None:
    copy = carried(ASKED, "pair", edits, 1)
    assert copy is not None
    assert copy.label == Answer(start, start + 7)
    assert copy.pair is not None
    assert copy.pair[start : start + 7] == "Ann Lee"


@pytest.mark.parametrize("edit", [Edit(3, 6, "Bob"), Edit(6, 6, " B."), Edit(9, 12, "e, "), Edit(0, 17, "x")])
def test_carried__breaks_no_answer(edit: Edit) -> None:
    assert carried(ASKED, "pair", [edit], 1) is None


def test_carried__rewrites_questions_and_contexts_without_an_answer() -> None:
    copy = carried(ASKED, "text", [Edit(0, 3, "Whose hand")], 1)
    assert copy == Example("Whose hand?", ASKED.pair, ASKED.label, 7, 1)
    bare = Example("Who?", "By Ann Lee.", None, 8)
    assert carried(bare, "pair", [Edit(3, 6, "Bob")], 1) == Example("Who?", "By Bob Lee.", None, 8, 1)


def test_protected__is_the_answer_in_its_context() -> None:
    assert protected(ASKED, "pair") == [(3, 10)]
    assert protected(ASKED, "text") == protected(NEWS, "text") == []


@pytest.mark.parametrize(
    ("edits", "words", "tags"),
    [
        ([Edit(3, 10, "refuses")], ("EU", "refuses", "German", "call", "."), (PER, OUT, LOC, OUT, OUT)),
        ([Edit(0, 1, "A")], ("AU", "rejects", "German", "call", "."), (PER, OUT, LOC, OUT, OUT)),
        ([Edit(18, 22, "")], ("EU", "rejects", "German", "."), (PER, OUT, LOC, OUT)),
        ([Edit(17, 22, "")], ("EU", "rejects", "German", "."), (PER, OUT, LOC, OUT)),
        ([Edit(18, 23, "")], ("EU", "rejects", "German", "."), (PER, OUT, LOC, OUT)),
        ([Edit(18, 24, "")], ("EU", "rejects", "German"), (PER, OUT, LOC)),
        ([Edit(18, 18, "big ")], ("EU", "rejects", "German", "big", "call", "."), (PER, OUT, LOC, OUT, OUT, OUT)),
        (
            [Edit(22, 22, " to go")],
            ("EU", "rejects", "German", "call", "to", "go", "."),
            (PER, OUT, LOC, OUT, OUT, OUT, OUT),
        ),
        ([Edit(0, 0, "The ")], ("The", *WORDS), (OUT, PER, OUT, LOC, OUT, OUT)),
        (
            [Edit(3, 10, "has"), Edit(10, 10, " not")],
            ("EU", "has", "not", "German", "call", "."),
            (PER, OUT, OUT, LOC, OUT, OUT),
        ),
    ],
)
def test_carried__takes_tags_along(edits: list[Edit], words: tuple[str, ...], tags: tuple[int, ...]) -> None:
    assert carried(NEWS, "text", edits, 4, OUT) == Example(" ".join(words), None, tags, 3, 4, words)


@pytest.mark.parametrize(
    "edit",
    [Edit(0, 2, ""), Edit(11, 17, ""), Edit(3, 10, ""), Edit(0, 10, "")],
)
def test_carried__takes_out_no_word_whose_neighbours_would_change_meaning(edit: Edit) -> None:
    assert carried(NEWS, "text", [edit], 1, OUT) is None


def test_carried__puts_nothing_into_an_entity_or_where_no_tag_fits() -> None:
    pair = Example("New York", words=("New", "York"), label=(LOC, LOC))
    assert carried(pair, "text", [Edit(3, 3, " Old")], 1, OUT) is None
    assert carried(pair, "text", [Edit(8, 8, " today")], 1, OUT) is not None
    assert carried(pair, "text", [Edit(8, 8, " today")], 1) is None
    assert carried(pair, "text", [Edit(0, 4, "")], 1) is not None


def test_carried__does_not_take_out_all_that_parts_two_entities() -> None:
    sentence = Example("Ann and so Bob", words=("Ann", "and", "so", "Bob"), label=(PER, OUT, OUT, PER))
    assert carried(sentence, "text", [Edit(4, 8, "")], 1, OUT) is not None
    assert carried(sentence, "text", [Edit(4, 8, ""), Edit(8, 11, "")], 1, OUT) is None


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (Edit(3, 10, "says no"), "one word"),
        (Edit(3, 17, "hates"), "one word"),
        (Edit(5, 5, " x"), "in two"),
        (Edit(3, 10, "no\u00a0way"), "one word"),
    ],
)
def test_carried__refuses_to_make_several_words_of_one(edit: Edit, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        carried(NEWS, "text", [edit], 1, OUT)


def test_carried__refuses_edits_that_overlap() -> None:
    with pytest.raises(ValueError, match="overlap"):
        carried(NEWS, "text", [Edit(3, 10, "a"), Edit(4, 6, "b")], 1, OUT)


def test_carried__rewrites_words_without_tags() -> None:
    bare = Example("a b", words=("a", "b"))
    copy = carried(bare, "text", [Edit(0, 2, ""), Edit(3, 3, " c")], 1)
    assert copy == Example("b c", None, None, 0, 1, ("b", "c"))


def entities(tags: tuple[int, ...]) -> list[str]:
    """A slow look at a sequence: 0 outside, 1 begins, 2 goes on; a run of words is an entity."""
    spelled = "".join("OBI"[tag] for tag in tags)
    found = []
    for run in spelled.split("O"):
        assert not run.startswith("I"), spelled
        found += [f"B{part}" for part in run.split("B")[1:]]
    return found


TAGS = st.lists(st.sampled_from([(0,), (0, 0), (1,), (1, 2), (1, 2, 2)]), min_size=1, max_size=6)


@given(TAGS, st.data())
def test_carried__keeps_a_scheme_and_never_joins_or_splits_entities(runs: list[tuple[int, ...]], data: Any) -> None:
    tags = tuple(tag for run in runs for tag in run)
    words = tuple(f"w{n}" for n in range(len(tags)))
    text = " ".join(words)
    drawn = data.draw(st.lists(st.tuples(st.integers(0, len(words) - 1), st.integers(0, 2)), max_size=4))
    found = dict(drawn)
    places = words_of(text)
    edits = []
    for place, what in found.items():
        start, end = places[place].start, places[place].end
        edits.append([Edit(start, end, "x"), Edit(start, end, ""), Edit(end, end, " new")][what])
    copy = carried(Example(text, words=words, label=tags), "text", edits, 1, 0)
    if copy is not None:
        assert copy.words is not None
        assert isinstance(copy.label, tuple)
        assert len(copy.words) == len(copy.label)
        assert copy.text.split() == list(copy.words) == edited(text, edits).split()
        assert len(entities(copy.label)) <= len(entities(tags))
        assert not any(word == "new" and tag for word, tag in zip(copy.words, copy.label, strict=True))
        kept = dict(zip(words, tags, strict=True))
        assert all(kept[w] == tag for w, tag in zip(copy.words, copy.label, strict=True) if w in kept)
