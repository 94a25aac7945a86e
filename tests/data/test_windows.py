from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tinybert.data.encode import encode, truncating
from tinybert.data.encoded import EncodedRows
from tinybert.data.examples import Examples
from tinybert.data.windows import OVERLAP, windows_of, word_spans
from tinybert.types import Example

WORDS = ("fine", "films", "unhappily", "\u200b", "a", "film.", "!")
NO_FIXTURE = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def tagged(words: tuple[str, ...], row: int = 1) -> Example:
    return Example(" ".join(words), None, tuple(range(len(words))), row, 0, words)


def encoded(examples: list[Example], tokenizer: Any, longest: int, folder: Path) -> EncodedRows:
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
    assert rows.batch(np.array([0])).labels is None
    assert sorted(rows.answered(np.array([0]))[0].tolist())[-2:] == [0, 1]


def test__rows_of_texts_are_answers_themselves(tiny_tokenizer: Any, tmp_path: Path) -> None:
    rows = encoded([Example("a film", label=1), Example("a", label=0)], tiny_tokenizer, 8, tmp_path)
    assert not rows.windowed
    assert rows.answered(np.array([1, 0])).tolist() == [1, 0]


def test__word_spans__are_those_of_words_in_order() -> None:
    assert word_spans(["a", "a", "."], "a, a.") == [(0, 1), (3, 4), (4, 5)]
    with pytest.raises(ValueError, match="substring"):
        word_spans(["b"], "a")
