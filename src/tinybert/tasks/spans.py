"""Entities as spans of words: what tags mean in each scheme, and how good predicted spans are.

Strict, as seqeval calls it: a span counts where its tags follow the scheme to the letter and both
its ends and its type are right.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any, Literal, NamedTuple

SCHEMES = ("IOB1", "IOB2", "BIOES", "words")
Scheme = Literal["IOB1", "IOB2", "BIOES", "words"]
_TAG = re.compile(r"O|[BIESLU]-.+", re.DOTALL)


class Span(NamedTuple):
    """An entity: words from `start` to before `stop`."""

    start: int
    stop: int
    type: str


def scheme_of(sentences: Iterable[Sequence[str]]) -> Scheme:
    """The scheme of tags; that of tags which could be of several is IOB2.

    BIOES has `E-` and `S-`. In IOB1 entities begin with `I-`, and with `B-` only right behind one of the same type.
    Of these two it is the one that the tags break less often: CoNLL-2003 itself has a few slips. Tags of no scheme,
    such as parts of speech or numbers, say something of single words: `words`.

    Example:
        >>> scheme_of([["I-PER", "I-PER", "B-PER"]]), scheme_of([["B-PER", "I-PER"]]), scheme_of([["S-PER"]])
        ('IOB1', 'IOB2', 'BIOES')
    """
    begun, needless = 0, 0  # tags that IOB2 does not allow, and IOB1
    for tags in sentences:
        if not all(map(_TAG.fullmatch, tags)):
            return "words"
        before = ("O", "")
        for prefix, kind in map(_prefix_and_type, tags):
            if prefix in ("E", "S"):
                return "BIOES"
            follows = before[0] != "O" and before[1] == kind
            begun += prefix == "I" and not follows
            needless += prefix == "B" and not follows
            before = (prefix, kind)
    return "IOB1" if begun > needless else "IOB2"


def spans_of(tags: Sequence[str], scheme: Scheme) -> list[Span]:
    """The entities of a sentence; what does not follow the scheme is none. Of `words` every word but `O` is one.

    Example:
        >>> spans_of(["B-PER", "I-PER", "O", "I-LOC", "B-LOC"], "IOB2")
        [Span(start=0, stop=2, type='PER'), Span(start=4, stop=5, type='LOC')]
    """
    if scheme == "words":
        return [Span(index, index + 1, tag) for index, tag in enumerate(tags) if tag != "O"]
    parts = [("O", ""), *map(_prefix_and_type, tags), ("O", "")]
    found, index = [], 1
    while index < len(parts) - 1:
        stop = index + 1
        if not _begins(parts[index], parts[index - 1], scheme):
            index += 1
            continue
        while _goes_on(parts[stop], parts[stop - 1], scheme):
            stop += 1
        if _ends(parts[stop - 1], parts[stop], scheme):
            found.append(Span(index - 1, stop - 1, parts[index][1]))
        index = stop
    return found


def span_metrics(
    gold: Iterable[Sequence[Span]], predicted: Iterable[Sequence[Span]]
) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """Precision, recall and F1 over all spans of all sentences, and the same for each type; 0 where undefined.

    Args:
        gold: Of each sentence.
        predicted: Of the same sentences.

    Raises:
        ValueError: If they are not of equally many sentences.
    """
    right, there, said = Counter[str](), Counter[str](), Counter[str]()
    for true, guessed in zip(gold, predicted, strict=True):
        there.update(span.type for span in true)
        said.update(span.type for span in guessed)
        right.update(span.type for span in {*true} & {*guessed})
    types = sorted({*there, *said})
    by_type = {name: _figures(right[name], there[name], said[name]) for name in types}
    return _figures(right.total(), there.total(), said.total()), by_type


def marked_parts(words: Sequence[str], gold: Sequence[Span], predicted: Sequence[Span]) -> list[dict[str, Any]]:
    """A sentence in parts, which are words next to each other in the same entities: what each is, and was said to be.

    Returns:
        By part `text`; of parts in an entity besides `gold` and `said`, the types (None = no entity), and `right`:
        whether it is the same entity on both sides.

    Example:
        >>> marked_parts(["Ann", "Lee", "left"], [Span(0, 2, "PER")], [Span(0, 2, "PER")])
        [{'text': 'Ann Lee', 'gold': 'PER', 'said': 'PER', 'right': True}, {'text': 'left'}]
    """
    sides = [{index: span for span in spans for index in range(span.start, span.stop)} for spans in (gold, predicted)]
    by_word = [(sides[0].get(index), sides[1].get(index)) for index in range(len(words))]
    parts = []
    for (true, said), group in groupby(enumerate(words), key=lambda word: by_word[word[0]]):
        part: dict[str, Any] = {"text": " ".join(word for _, word in group)}
        if true is not None or said is not None:
            part |= {"gold": true and true.type, "said": said and said.type, "right": true == said}
        parts.append(part)
    return parts


def _figures(right: int, there: int, said: int) -> dict[str, float]:
    figures = {"precision": right / max(said, 1), "recall": right / max(there, 1)}
    return {**figures, "f1": 2 * right / max(said + there, 1)}


def _prefix_and_type(tag: str) -> tuple[str, str]:
    """Prefix and type; those of BILOU are read as BIOES."""
    prefix, _, kind = tag.partition("-")
    return {"L": "E", "U": "S"}.get(prefix, prefix), kind


def _begins(tag: tuple[str, str], before: tuple[str, str], scheme: Scheme) -> bool:
    prefix, kind = tag
    if scheme != "IOB1":
        return prefix == "B" or (prefix == "S" and scheme == "BIOES")
    same = before[0] != "O" and before[1] == kind
    return not (same and before[0] == "I") if prefix == "I" else prefix == "B" and same


def _goes_on(tag: tuple[str, str], before: tuple[str, str], scheme: Scheme) -> bool:
    inside = ("I", "E") if scheme == "BIOES" else ("I",)
    return tag[0] in inside and before[0] in ("B", "I") and before[1] == tag[1]


def _ends(last: tuple[str, str], after: tuple[str, str], scheme: Scheme) -> bool:
    if scheme == "BIOES":
        return last[0] in ("E", "S")
    return not (scheme == "IOB1" and last[0] == "B" and after[0] == "B" and last[1] != after[1])
