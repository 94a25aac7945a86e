"""Copies that take their label along: classes and scores as they are, tags word by word, answers by their position.

A tag sequence stays one that the original's scheme allows, whichever that is (IOB1, IOB2, BIOES): words come and go
only where no tag gets a neighbour that could break it.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Literal

from tinybert.data.words import Edit, edited, moved
from tinybert.types import Answer, Example

Side = Literal["text", "pair"]

_Tagged = list[tuple[str, int | None]]


def carried(
    example: Example, side: Side, edits: Sequence[Edit], copy: int, outside: int | None = None
) -> Example | None:
    """A copy of an example with one side rewritten, and its label taken along.

    An answer keeps its words; it only moves. A replaced word keeps its tag; a deleted one takes its tag with it, and
    needs a neighbour of the same tag (an end of the sentence counts as `outside`); an inserted one is tagged `outside`,
    and needs a neighbour with that tag, or stands at an end.

    Args:
        example: The original.
        side: Which of its texts the edits are of.
        edits: In any order; none may overlap another. Of words with tags, spaces beside a word may go with it, and an
            insertion has them ("new " before a word, " new" after one); a word's part may be rewritten.
        copy: Which copy it becomes, from 1.
        outside: The tag of words that belong to no entity (`O`); None = there is none, so nothing can be inserted.

    Returns:
        The copy; None where the edits would break an answer or the tags, or leave nothing of the text: an augmenter
        leaves such an edit out (`protected` says beforehand which words of a context it must not touch).

    Raises:
        ValueError: If edits overlap, or a tagged word would become several, or several one.

    Example:
        >>> copy = carried(Example("Who?", "By Ann Lee.", Answer(3, 10)), "pair", [Edit(0, 2, "Only by")], copy=1)
        >>> copy.pair, copy.label
        ('Only by Ann Lee.', Answer(start=8, end=15))
    """
    if example.words is not None and side == "text":
        return _with_tags(example, edits, copy, outside)
    original = example.pair if side == "pair" else example.text
    if original is None:
        raise ValueError("a single text has no second side to rewrite")
    text = edited(original, edits)
    if not text.strip():
        return None
    if side == "pair" and isinstance(example.label, Answer):
        answer = moved(example.label, edits)
        if answer is None or text[slice(*answer)] != original[slice(*example.label)]:
            return None
        return replace(example, pair=text, label=answer, copy=copy)
    return replace(example, pair=text, copy=copy) if side == "pair" else replace(example, text=text, copy=copy)


def protected(example: Example, side: Side) -> list[tuple[int, int]]:
    """Characters, from start to before end, that must stay as they are: the answer, in the text that holds it."""
    answer = example.label
    return [(answer.start, answer.end)] if side == "pair" and isinstance(answer, Answer) else []


def _with_tags(example: Example, edits: Sequence[Edit], copy: int, outside: int | None) -> Example | None:
    words = example.words or ()
    tags = example.label if isinstance(example.label, tuple) else None
    rewritten, inserted = _by_word(words, edits)
    kept: _Tagged = list(zip(words, tags or [None] * len(words), strict=True))
    # From the last word to the first, one change after another: each leaves a sequence that the scheme allows.
    for index in reversed(range(len(words) + 1)):
        if rewritten.get(index) == "":
            if tags and tags[index] not in _around(kept, index, index + 1, outside):
                return None
            del kept[index]
        elif index in rewritten:
            kept[index] = (rewritten[index], kept[index][1])
        for word in reversed(inserted.get(index, [])):
            if tags and (outside is None or outside not in _around(kept, index, index, outside)):
                return None
            kept.insert(index, (word, outside))
    words = tuple(word for word, _ in kept)
    label = tuple(tag for _, tag in kept if tag is not None) if tags else None
    return replace(example, text=" ".join(words), words=words, label=label, copy=copy) if words else None


def _around(kept: _Tagged, start: int, end: int, outside: int | None) -> tuple[int | None, int | None]:
    """The tags before and after some words; beyond the ends of a sentence all is outside."""
    return kept[start - 1][1] if start else outside, kept[end][1] if end < len(kept) else outside


def _by_word(words: Sequence[str], edits: Sequence[Edit]) -> tuple[Mapping[int, str], Mapping[int, list[str]]]:
    """What each word that is touched becomes ("" where it goes), and which words come in before which."""
    starts = [0, *accumulate(len(word) + 1 for word in words[:-1])]
    parts: dict[int, list[Edit]] = {}
    inserted: dict[int, list[str]] = {}
    for edit in sorted(edits):
        first = bisect_right(starts, edit.start) - 1
        here, stop = starts[first], starts[first] + len(words[first])
        if edit.start == edit.end and edit.text != edit.text.strip():
            gap = first if edit.start == here and edit.text[-1].isspace() else first + 1
            if gap > first and not (edit.start == stop and edit.text[0].isspace()):
                raise ValueError(f"an insertion at character {edit.start} cuts a tagged word in two")
            inserted.setdefault(gap, []).extend(edit.text.split())
        elif edit.text.strip() and (edit.text.split() != [edit.text] or edit.end > stop):
            raise ValueError(f"a tagged word becomes one word: not {edit.text!r} at character {edit.start}")
        else:
            for index in range(first, max(bisect_left(starts, edit.end), first + 1)):
                parts.setdefault(index, []).append(_within(edit, starts[index], len(words[index])))
    return {index: edited(words[index], part) for index, part in parts.items()}, inserted


def _within(edit: Edit, start: int, length: int) -> Edit:
    """What an edit of a sentence does to the word that begins at `start`."""
    return Edit(max(edit.start - start, 0), min(edit.end - start, length), edit.text.strip())
