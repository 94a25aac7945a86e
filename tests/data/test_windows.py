from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tinybert.data.context_windows import context_windows
from tinybert.data.encode import encode, truncating
from tinybert.data.encoded import EncodedRows
from tinybert.data.examples import Examples
from tinybert.data.windows import OVERLAP, Windows, windows_of, word_spans
from tinybert.types import Answer, Example

WORDS = ("fine", "films", "unhappily", "\u200b", "a", "film.", "!")
NO_FIXTURE = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def tagged(words: tuple[str, ...], row: int = 1) -> Example:
    return Example(" ".join(words), None, tuple(range(len(words))), row, 0, words)


def encoded(examples: list[Example], tokenizer: Any, longest: int, folder: Path) -> EncodedRows:
    folder.mkdir(exist_ok=True)
    return encode(Examples.of(examples), tokenizer, longest, folder / "rows.arrow")


@NO_FIXTURE
@given(st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=30), min_size=1, max_size=4), st.integers(5, 12))
def test__every_word_is_answered_for_exactly_once(
    tiny_tokenizer: Any, tmp_path: Path, found: list[list[str]], longest: int
) -> None:
    examples = [tagged(tuple(words), row) for row, words in enumerate(found, start=1)]
    rows = encoded(examples, tiny_tokenizer, longest, tmp_path)
    assert rows.lengths.max() <= longest
    every = np.arange(len(rows))
    answered, labels = rows.answered(every), rows.batch(every).labels.numpy()
    assert np.array_equal(np.sort(answered[answered >= 0]), np.arange(sum(map(len, found))))
    tags = np.concatenate([np.arange(len(words)) for words in found])
    assert np.array_equal(labels[answered >= 0], tags[answered[answered >= 0]])
    assert np.array_equal(labels >= 0, answered >= 0)


def test__a_word_is_answered_for_by_its_first_piece(tiny_tokenizer: Any, tmp_path: Path) -> None:
    words = ("unhappily", "a", "unhappily")
    [batch] = [encoded([tagged(words)], tiny_tokenizer, 64, tmp_path).batch(np.array([0]))]
    pieces = tiny_tokenizer.convert_ids_to_tokens(batch.input_ids[0])
    first = [piece for piece, label in zip(pieces, batch.labels[0].tolist(), strict=True) if label >= 0]
    assert len(first) == 3
    assert not any(piece.startswith("##") for piece in first)


def test__neighbouring_windows_share_a_quarter_and_a_word_goes_to_the_one_that_shows_more(tiny_tokenizer: Any) -> None:
    words = ["a"] * 20
    with truncating(tiny_tokenizer.backend_tokenizer, 10) as backend:
        windows = windows_of([" ".join(words)], [words], backend, 10)[0]
    assert [len(window.pieces) for window in windows] == [10, 10, 10]
    shared = (10 - 2) // OVERLAP
    assert [sum(word >= 0 for word in window.words) for window in windows] == [
        8 - shared // 2,
        8 - shared,
        8 - shared // 2,
    ]


def test__without_labels_words_are_answered_for_all_the_same(tiny_tokenizer: Any, tmp_path: Path) -> None:
    rows = encoded([Example("a film", words=("a", "film"))], tiny_tokenizer, 8, tmp_path)
    assert not rows.labelled
    assert rows.batch(np.array([0])).labels.tolist() == [[-1, 0, 0, -1]]
    assert sorted(rows.answered(np.array([0]))[0].tolist())[-2:] == [0, 1]


def test_select__a_view_on_windows_knows_whose_they_are(tiny_tokenizer: Any, tmp_path: Path) -> None:
    rows = encoded([tagged(("a",) * 12), tagged(("fine",)), tagged(("a",) * 7)], tiny_tokenizer, 8, tmp_path)
    picked = np.array([len(rows) - 1, 0, 1, 0])
    view = rows.select(picked).select(np.array([2, 0, 1]))
    there = picked[[2, 0, 1]]
    assert view.owners.tolist() == rows.owners[there].tolist() == [0, 2, 0]
    assert view.answered(np.arange(3)).tolist() == rows.answered(there).tolist()
    once = view.of_examples(np.array([2]))
    assert once.owners.tolist() == [2]
    assert once.batch(np.array([0])).rows.tolist() == [len(rows) - 1]
    with pytest.raises(ValueError, match="no windows of contexts"):
        next(rows.positions())


def test__rows_of_texts_are_answers_themselves(tiny_tokenizer: Any, tmp_path: Path) -> None:
    rows = encoded([Example("a film", label=1), Example("a", label=0)], tiny_tokenizer, 8, tmp_path)
    assert rows.windowed == 0
    assert rows.answered(np.array([1, 0])).tolist() == [1, 0]


def test__word_spans__are_those_of_words_in_order() -> None:
    assert word_spans(["a", "a", "."], "a, a.") == [(0, 1), (3, 4), (4, 5)]
    with pytest.raises(ValueError, match="substring"):
        word_spans(["b"], "a")


@NO_FIXTURE
@given(
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=30),
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=3),
    st.integers(32, 40),
    st.integers(0, 29),
    st.integers(1, 4),
)
def test__a_context_is_seen_whole_with_the_whole_question_in_every_window(
    tiny_tokenizer: Any, context: list[str], question: list[str], longest: int, first: int, length: int
) -> None:
    text, asked = " ".join(context), " ".join(question)
    spans = word_spans(context, text)[first : first + length]
    answer = Answer(spans[0][0], spans[-1][1]) if spans else None
    backend = tiny_tokenizer.backend_tokenizer
    with truncating(backend, longest):
        [windows] = context_windows([(asked, text)], [answer], backend, longest)
        backend.no_truncation()
        before, whole = backend.encode(asked).ids, backend.encode(asked, text)
    seen = set()
    for window in windows:
        assert len(window.pieces) <= longest
        assert window.pieces[: len(before)] == before
        counted = [index for index, word in enumerate(window.words) if word >= 0]
        assert [index for index, tag in enumerate(window.tags) if tag >= 0] == counted
        assert counted[0] == 0  # [CLS]
        seen |= {(window.begins[index], window.ends[index]) for index in counted[1:]}
        begins, ends = ([index for index in counted if window.tags[index] & side] for side in (1, 2))
        assert len(begins) == len(ends) <= 1
        if begins and begins[0] > 0:
            assert answer is not None
            said = text[window.begins[begins[0]] : window.ends[ends[0]]]
            assert said == text[answer.start : answer.end].strip(" \u200b")
    assert [word for window in windows for word in window.words if word >= 0] == list(
        range(sum(word >= 0 for window in windows for word in window.words))
    )
    there = zip(whole.sequence_ids, whole.offsets, strict=True)
    assert seen == {span for side, span in there if side == 1 and text[slice(*span)].strip()}


def test__an_answer_is_taught_in_the_windows_that_hold_all_of_it(tiny_tokenizer: Any) -> None:
    text = " ".join(["a"] * 11 + ["film", "film"] + ["a"] * 7)
    with truncating(tiny_tokenizer.backend_tokenizer, 16) as backend:
        [windows] = context_windows([("a", text)], [Answer(22, 31)], backend, 16)
    # Twelve pieces of the context are in each, three of them in the next one too.
    marked = [[(index, tag) for index, tag in enumerate(window.tags) if tag > 0] for window in windows]
    assert marked == [[(0, 3)], [(5, 1), (6, 2)]]


@pytest.mark.parametrize("joined", [False, True])
def test__windows_without_labels_say_which_pieces_count(tiny_tokenizer: Any, tmp_path: Path, joined: bool) -> None:
    bare = encoded([Example("a film", None, None, 1, 0, ("a", "film"))], tiny_tokenizer, 12, tmp_path / "bare")
    rows = (
        encoded([tagged(("a", "film", "fine"))], tiny_tokenizer, 12, tmp_path / "tagged").joined(bare)
        if joined
        else bare
    )
    labels = rows.batch(np.arange(len(rows))).labels
    assert labels[-1].tolist()[:4] == [-1, 0, 0, -1]
    assert set(labels.flatten().tolist()) == {-1, 0}


LONG = "the film was not very good and it was a dull plot"  # 12 words of one piece


@pytest.mark.parametrize("pooling", ["mean", "max"])
@pytest.mark.parametrize(
    ("sides", "longest", "stride", "expected"),
    [
        (("a film", None), 8, 1, [((0, 2), None)]),
        ((LONG, None), 8, 0, [((0, 6), None), ((6, 12), None)]),
        ((LONG, None), 8, 2, [((0, 6), None), ((4, 10), None), ((8, 12), None)]),
        ((LONG, None), 10, None, [((0, 8), None), ((6, 12), None)]),  # a quarter of 8
        ((LONG, "a movie"), 9, 1, [((0, 4), (0, 2)), ((3, 7), (0, 2)), ((6, 10), (0, 2)), ((9, 12), (0, 2))]),
        (("a movie", LONG), 9, 1, [((0, 2), (0, 4)), ((0, 2), (3, 7)), ((0, 2), (6, 10)), ((0, 2), (9, 12))]),
        ((LONG, LONG), 19, 4, [((0, 8), (0, 8)), ((4, 12), (0, 8))]),  # the second is cut at half a row
        (("it is", LONG), 18, None, [((0, 2), (0, 12))]),
    ],
)
def test_encode__long_texts_become_windows_that_slide_over_the_longer_side(
    tiny_tokenizer, tmp_path, sides, longest, stride, expected, pooling
):
    examples = Examples.of([Example(*sides, 1), Example(*(side and "it" for side in sides), 0)])
    rows = encode(examples, tiny_tokenizer, longest, tmp_path / "rows.arrow", windows=Windows(pooling, stride))
    parts = [
        [side and " ".join(side.split()[slice(*picked)]) for side, picked in zip(sides, one, strict=True)]
        for one in expected
    ]
    for index, (text, pair) in enumerate(parts):
        whole = tiny_tokenizer(text, pair)
        batch = rows.batch(np.array([index]))
        assert batch.input_ids[0].tolist() == whole["input_ids"]
        assert batch.token_type_ids[0].tolist() == whole["token_type_ids"]
        assert batch.labels.tolist() == [1]
    assert len(rows) == len(parts) + 1
    assert rows.owners.tolist() == [0] * len(parts) + [1]
    assert (rows.truncated, rows.windowed) == (0, int(len(parts) > 1))
    assert rows.labels.tolist() == [1, 0]
    assert rows.of_examples(np.array([1])).labels.tolist() == [0]


def test_encode__the_layout_of_the_file_changes_nothing_of_windows(tiny_tokenizer, tmp_path):
    examples = Examples.of([Example(LONG, None, float(n)) for n in range(5)])
    windows = Windows("mean", 2)
    one, other = (
        encode(examples, tiny_tokenizer, 8, tmp_path / f"{size}.arrow", record_batch=size, windows=windows)
        for size in (2, 100)
    )
    assert one.digest == other.digest
    assert one.owners.tolist() == other.owners.tolist() == [n for n in range(5) for _ in range(3)]
    assert one.digest != encode(examples, tiny_tokenizer, 8, tmp_path / "cut.arrow").digest


@pytest.mark.parametrize("stride", [0, 1, 3])
def test_windows_of__words_have_the_stride_that_is_said(tiny_tokenizer, tmp_path, stride):
    rows = encode(
        Examples.of([tagged(tuple(LONG.split()))]),
        tiny_tokenizer,
        8,
        tmp_path / "a.arrow",
        windows=Windows(stride=stride),
    )
    assert len(rows) == 1 + -(-(12 - 6) // (6 - stride))
    assert rows.windowed == 1
