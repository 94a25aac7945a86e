"""The figures of SQuAD's official evaluation on the cases that it treats in its own way; spans out of windows."""

from itertools import product
from typing import Any

import numpy as np
import pytest

from tinybert.data.encode import encode
from tinybert.data.examples import Examples
from tinybert.tasks.answers import LONGEST, answer_figures, found_answers, no_answer_threshold, normalised_answer
from tinybert.types import Answer, Example


@pytest.mark.parametrize(
    ("text", "compared"),
    [
        ("The Beatles", "beatles"),
        ("a theatre, an anthem", "theatre anthem"),
        ("the a an", ""),
        ("U.S.A.", "usa"),
        ("well-known", "wellknown"),
        ("'the' end", "end"),
        ("  two\t\nlines ", "two lines"),
        ("1,000.50", "100050"),
        ("Straße – Nr. 5", "straße – nr 5"),  # only ASCII punctuation goes
        ("the-end", "theend"),  # punctuation goes first, so that an article may grow into a word
        ("...", ""),
    ],
)
def test_normalised_answer__leaves_out_capitals_punctuation_articles_and_spaces(text: str, compared: str) -> None:
    assert normalised_answer(text) == compared


@pytest.mark.parametrize(
    ("said", "gold", "exact", "f1"),
    [
        ("The Beatles!", ["beatles"], 1, 1),
        ("red house", ["a red brick house"], 0, 0.8),
        ("red red house", ["red house"], 0, 0.8),  # words count as often as they occur in both
        ("house", ["roof", "the house"], 1, 1),
        ("red house", ["red roof tile", "house of cards"], 0, 0.4),
        ("red house", ["red roof", "a blue house door"], 0, 0.5),  # the largest of 0.5 and 0.4
        ("", [], 1, 1),
        ("house", [], 0, 0),
        ("", ["house"], 0, 0),
        ("the", [], 1, 1),  # nothing is left of it
        ("", ["the"], 1, 1),  # a gold answer of which nothing is left is none
        ("house", ["the", "house"], 1, 1),
        ("", ["the", "house"], 0, 0),
    ],
)
def test_answer_figures__are_those_of_the_official_evaluation(
    said: str, gold: list[str], exact: float, f1: float
) -> None:
    assert answer_figures(said, gold) == pytest.approx((exact, f1))


def encoded(tokenizer: Any, folder: Any, *contexts: str, longest: int = 12) -> Any:
    examples = Examples.of([Example("a film", context, Answer(0, 1), n) for n, context in enumerate(contexts, start=1)])
    return encode(examples, tokenizer, longest, folder / "rows.arrow")


def test_found_answers__are_the_best_spans_over_all_windows(tiny_tokenizer: Any, tmp_path: Any) -> None:
    rows = encoded(tiny_tokenizer, tmp_path, "a film is very good and it was bad too", "the film")
    windows = list(rows.positions())
    assert [example for example, _ in windows] == [0, 0, 1]
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(sum(len(characters) for _, characters in windows), 2)).astype(np.float32)
    found, done = found_answers(logits, rows, 20), 0
    best: dict[int, dict[tuple[int, int], float]] = {0: {}, 1: {}}
    nothing: dict[int, list[float]] = {0: [], 1: []}
    for example, characters in windows:
        shown = logits[done : done + len(characters)]
        done += len(characters)
        nothing[example].append(float(shown[0].sum()))
        for first, last in product(range(1, len(characters)), repeat=2):
            if first <= last < first + LONGEST:
                span = int(characters[first, 0]), int(characters[last, 1])
                score = float(shown[first, 0] + shown[last, 1])
                best[example][span] = max(score, best[example].get(span, score))
    for example, known in best.items():
        ranked = sorted(known, key=lambda span: -known[span])
        assert [tuple(one[1:]) for one in found[example].candidates[:3]] == ranked[:3]
        assert found[example].candidates[0].score == pytest.approx(known[ranked[0]])
        assert found[example].nothing == pytest.approx(min(nothing[example]))


def test_found_answers__has_no_answer_longer_than_bert_gives(tiny_tokenizer: Any, tmp_path: Any) -> None:
    rows = encoded(tiny_tokenizer, tmp_path, " ".join(["film"] * 40), longest=64)
    logits = np.zeros((41, 2), np.float32)
    logits[1, 0] = logits[40, 1] = 9
    [[score, start, end], *_] = found_answers(logits, rows)[0].candidates
    assert score == 9
    assert end - start <= 5 * LONGEST


def test_found_answers__refuses_logits_of_other_rows(tiny_tokenizer: Any, tmp_path: Any) -> None:
    with pytest.raises(ValueError, match="9 logits for 3 positions"):
        found_answers(np.zeros((9, 2), np.float32), encoded(tiny_tokenizer, tmp_path, "the film"))


def test_no_answer_threshold__is_the_best_of_all(streams: Any) -> None:
    rng = streams("thresholds")
    for _ in range(50):
        doubts = rng.integers(-3, 3, 8).astype(float)
        silent = rng.random(8) < 0.4
        f1 = np.where(silent, 0.0, rng.random(8))

        def mean(limit: float, known: Any = (doubts, silent, f1)) -> float:
            return float(np.where(known[0] > limit, known[1], known[2]).mean())

        best = max(mean(limit) for limit in np.arange(-5, 5, 0.5))
        assert mean(no_answer_threshold(doubts, f1, silent)) == pytest.approx(best)
