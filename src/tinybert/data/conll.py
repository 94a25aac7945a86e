"""CoNLL columns: a word a line, token first and tag last, blank lines between sentences.

Columns are separated by tabs where a line has one, otherwise by spaces. `-DOCSTART-` lines stand between sentences. So
do comments: lines before the first word of a sentence that begin with `#` and have another number of columns than words
have, or a `=` in the last one (as in `# sent_id = 3`; a tag has none).
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from tinybert.data.problems import BadRow

_DOCUMENT = "-DOCSTART-"
_MARK = re.compile(r"# origin=\d+ copy=\d+")
UNKNOWN = "_"  # what a word that was put in has in the columns between token and tag


class TaggedSentence(NamedTuple):
    """A sentence as it stands in a file.

    Attributes:
        before: The lines between the sentence before and this one, without the blank line that ends the former.
        lines: One per word, without their ends.
        columns: Of each line.
        marked: Whether an augmentation wrote it: it says which copy of which sentence it is.
    """

    before: list[str]
    lines: list[str]
    columns: list[list[str]]
    marked: bool

    @property
    def words(self) -> list[str]:
        """The tokens."""
        return [cells[0] for cells in self.columns]

    @property
    def tags(self) -> list[str]:
        """A tag per word."""
        return [cells[-1] for cells in self.columns]


def sentences(lines: Iterable[str], *, tagged: bool = True) -> Iterator[tuple[int, TaggedSentence | BadRow]]:
    """The sentences of a file, each with the line it begins on, or with the line that is wrong and why.

    Unless they must be `tagged`, words alone will do: one column.

    Example:
        >>> [(line, found.words) for line, found in sentences(["EU B-ORG", "rejects O", "", "Peter B-PER"])]
        [(1, ['EU', 'rejects']), (4, ['Peter'])]
    """
    before: list[str] = []
    width = 0
    for first, block in _blocks(lines):
        start = _first_word(block, width)
        before += block[:start]
        found = [(first + index, line, _cells(line)) for index, line in enumerate(block) if index >= start]
        if not found:
            before.append("")
            continue
        width = width or len(found[0][2])
        reasons = (
            (number, reason) for number, line, cells in found if (reason := _problem(line, cells, width, 1 + tagged))
        )
        problem = next(reasons, None)
        if problem is not None:
            yield problem[0], BadRow(problem[1], [line for _, line, _ in found])
            before = documents(before)
            continue
        marked = any(_MARK.fullmatch(line) for line in before)
        yield (
            found[0][0],
            TaggedSentence(before, [line for _, line, _ in found], [cells for *_, cells in found], marked),
        )
        before = []


def first_sentence(lines: Iterable[str]) -> TaggedSentence | None:
    """The first of a file that can be used, with tags or without; None where there is none."""
    return next((found for _, found in sentences(lines, tagged=False) if isinstance(found, TaggedSentence)), None)


def documents(before: Iterable[str]) -> list[str]:
    """What stays of the lines before a sentence that is left out: the beginnings of documents."""
    return [kept for line in before if line.startswith(_DOCUMENT) for kept in (line, "")]


def marked_lines(sentence: TaggedSentence, origin: int) -> Iterator[str]:
    """The lines of an original with what stands before it, and the mark that it is one."""
    yield from sentence.before
    yield f"# origin={origin} copy=0"
    yield from sentence.lines
    yield ""


def copied_lines(
    sentence: TaggedSentence,
    origin: int,
    copy: int,
    words: Sequence[str],
    tags: Sequence[str],
    indices: Sequence[int | None],
) -> Iterator[str]:
    """The lines of a copy; columns other than the token stay as they are in the original.

    Args:
        sentence: The original.
        origin: Its row.
        copy: Which copy of it.
        words: Of the copy.
        tags: Of the copy; only words that were put in take theirs from here.
        indices: Which word of the original each word is; None = it was put in, the columns between are `_`.
    """
    yield f"# origin={origin} copy={copy}"
    between = [UNKNOWN] * (len(sentence.columns[0]) - 2)
    separator = "\t" if "\t" in sentence.lines[0] else " "
    for word, tag, index in zip(words, tags, indices, strict=True):
        if index is None:
            yield separator.join([word, *between, tag])
        else:
            yield sentence.lines[index].replace(sentence.columns[index][0], word, 1)
    yield ""


def _blocks(lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    """Runs of lines that are not blank, each with the number of its first line; one that opens a document by itself."""
    block: list[str] = []
    number = 0
    for number, raw in enumerate(lines, start=1):
        line = raw.rstrip("\r\n")
        if line.startswith(_DOCUMENT):
            if block:
                yield number - len(block), block
            yield number, [line]
            block = []
        elif line.strip(" \t"):
            block.append(line)
        elif block:
            yield number - len(block), block
            block = []
    if block:
        yield number + 1 - len(block), block


def _first_word(block: Sequence[str], width: int) -> int:
    if block[0].startswith(_DOCUMENT):
        return 1
    width = width or next((len(_cells(line)) for line in block if not line.startswith("#")), 0)
    for index, line in enumerate(block):
        cells = _cells(line)
        if not (line.startswith("#") and (len(cells) != width or "=" in cells[-1])):
            return index
    return len(block)


def _cells(line: str) -> list[str]:
    return line.split("\t") if "\t" in line else [cell for cell in line.split(" ") if cell] or [""]


def _problem(line: str, cells: Sequence[str], width: int, least: int) -> str | None:
    if "\0" in line:
        return "contains a NUL byte; remove it (a file full of them is UTF-16: save it as UTF-8)"
    if width < least:
        return "one column; a token and its tag are wanted, the token first, the tag last"
    if len(cells) != width:
        return f"{len(cells)} columns instead of {width}; correct or remove the sentence"
    if not cells[0].strip() or not cells[-1].strip():
        return f"the {'tag' if cells[0].strip() else 'token'} is empty; correct or remove the sentence"
    return None
