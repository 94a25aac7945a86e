"""Answers out of a context: which spans a network finds, and how good they are.

The figures are those of the official evaluation of SQuAD (Rajpurkar et al. 2016, 2018): answers are compared without
capitals, punctuation and articles; of several gold answers the nearest counts.
"""

import re
import string
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from tinybert.data.encoded import EncodedRows
from tinybert.tasks.spans import Span, marked_parts
from tinybert.types import Answer

LONGEST = 30  # pieces of an answer, as in BERT's own code (run_squad.py, max_answer_length)
N_BEST = 20  # answers that share the probability, as there
_ARTICLE = re.compile(r"\b(?:a|an|the)\b")
_SENTENCE_END = re.compile(r"[.!?]\s+")
_WORD = re.compile(r"\S+")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


class Candidate(NamedTuple):
    """A part of a context that may be the answer: characters from `start` to before `end`."""

    score: float
    start: int
    end: int


class Found(NamedTuple):
    """What a network sees of a question in all windows of its context.

    Attributes:
        candidates: The best first, each with the score of the window where it is highest.
        nothing: The score of there being no answer, of the window where it is lowest.
    """

    candidates: list[Candidate]
    nothing: float

    @property
    def doubt(self) -> float:
        """How far the score of no answer is above that of the best one."""
        return self.nothing - self.candidates[0].score


def normalised_answer(text: str) -> str:
    """An answer as it is compared.

    Example:
        >>> normalised_answer("The  Eiffel-Tower, an icon.")
        'eiffeltower icon'
    """
    return " ".join(_ARTICLE.sub(" ", text.lower().translate(_NO_PUNCTUATION)).split())


def answer_figures(said: str, gold: Sequence[str]) -> tuple[float, float]:
    """Exact match and F1 of an answer, each with the gold answer that gives most; of no gold answers "" is right.

    Example:
        >>> answer_figures("the red house", ["house", "a red roof"])
        (0.0, 0.6666666666666666)
    """
    expected = [known for text in gold if (known := normalised_answer(text))] or [""]
    answer = normalised_answer(said)
    return float(answer in expected), max(_f1(answer.split(), known.split()) for known in expected)


def _f1(said: Sequence[str], gold: Sequence[str]) -> float:
    if not said or not gold:
        return float(said == gold)
    return 2 * (Counter(said) & Counter(gold)).total() / (len(said) + len(gold))


def found_answers(logits: Float[np.ndarray, "position side"], rows: EncodedRows, count: int = 1) -> list[Found]:
    """What a network sees of each question.

    Args:
        logits: How well an answer begins, and ends, at each position of each window (`EncodedRows.positions`).
        rows: The windows.
        count: How many spans of each window are wanted.

    Raises:
        ValueError: If there are not as many logits as positions.
    """
    best: list[dict[tuple[int, int], float]] = [{} for _ in rows.needed_examples()]
    nothing = [float("inf")] * len(best)
    done = 0
    for example, characters in rows.positions():
        shown = logits[done : done + len(characters)]
        done += len(characters)
        nothing[example] = min(nothing[example], float(shown[:1].sum()))
        for score, start, end in _best_spans(shown[1:], characters[1:], count):
            best[example][start, end] = max(score, best[example].get((start, end), score))
    if done != len(logits):
        raise ValueError(f"{len(logits)} logits for {done} positions")
    ranked = (sorted(spans.items(), key=lambda item: (-item[1], item[0])) for spans in best)
    candidates = ([Candidate(score, *span) for span, score in one] for one in ranked)
    return [Found(*both) for both in zip(candidates, nothing, strict=True)]


def _best_spans(
    logits: Float[np.ndarray, "position side"], characters: Int[np.ndarray, "position side"], count: int
) -> Iterator[Candidate]:
    """The best spans of a window that end where they begin or later, at most `LONGEST` pieces long."""
    if not len(logits):
        return
    ends = np.pad(logits[:, 1], (0, LONGEST - 1), constant_values=-np.inf)
    scores = (logits[:, :1] + np.lib.stride_tricks.sliding_window_view(ends, LONGEST)).ravel()
    count = min(count, int(np.count_nonzero(scores > -np.inf)))
    for index in np.argpartition(-scores, count - 1)[:count].tolist():
        first, further = divmod(index, LONGEST)
        yield Candidate(float(scores[index]), int(characters[first, 0]), int(characters[first + further, 1]))


def no_answer_threshold(
    doubts: Float[np.ndarray, " row"], answering: Float[np.ndarray, " row"], silent: Bool[np.ndarray, " row"]
) -> float:
    """The doubt above which no answer is given, so that F1 is best on some rows.

    Args:
        doubts: Of each row, see `Found`.
        answering: F1 of the best span.
        silent: Whether no answer is right.

    Returns:
        In the middle between two doubts, or one beyond all of them; of equally good ones the lowest.

    Example:
        >>> no_answer_threshold(np.array([-4.0, -1.0, 3.0]), np.array([1.0, 0.5, 0.0]), np.array([False, False, True]))
        1.0
    """
    order = np.argsort(doubts, kind="stable")
    ascending = doubts[order]
    gained = np.concatenate([[0.0], np.cumsum((answering - silent)[order])])  # by answering the so many surest
    gained[1:-1][ascending[1:] == ascending[:-1]] = -np.inf
    between = (ascending[1:] + ascending[:-1]) / 2
    return float(np.concatenate([ascending[:1] - 1, between, ascending[-1:] + 1])[gained.argmax()])


def mean_figures(figures: Sequence[tuple[float, float]]) -> Mapping[str, float]:
    """`exact_match` and `f1` over some questions."""
    exact, f1 = np.mean(figures, axis=0)
    return {"exact_match": float(exact), "f1": float(f1)}


def marked_sentences(context: str, gold: Answer | None, said: Candidate | None) -> list[dict[str, Any]]:
    """The sentences of a context in which the gold answer stands and what is said, in parts; see `marked_parts`.

    Example:
        >>> marked_sentences("It rains. Ann Lee left.", Answer(10, 17), None)
        [{'text': 'Ann Lee', 'gold': 'answer', 'said': None, 'right': False}, {'text': 'left.'}]
    """
    ends = [0, *(match.end() for match in _SENTENCE_END.finditer(context)), len(context)]
    there = [answer for answer in (gold, said) if answer is not None]
    sentences = {
        (max(end for end in ends if end <= answer.start), min(end for end in ends if end >= answer.end))
        for answer in there
    }
    words = [word.span() for sentence in sorted(sentences) for word in _WORD.finditer(context, *sentence)]
    texts = [context[start:end] for start, end in words]
    return marked_parts(texts, *(_as_words(answer, words) for answer in (gold, said)))


def _as_words(answer: Answer | Candidate | None, words: list[tuple[int, int]]) -> list[Span]:
    """The words that an answer touches, as one span."""
    if answer is None:
        return []
    touched = [number for number, (start, end) in enumerate(words) if start < answer.end and answer.start < end]
    return [Span(touched[0], touched[-1] + 1, "answer")]
