"""Augmented data as a file: the originals of a source and their copies, in the form that was read.

Every row keeps all columns of its original, also those that tinybert does not use, and says where it comes from:
`origin` is the row of the original, `copy` which copy it is, 0 the original itself.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from tinybert.data.any_kind import Form, form_of, load_any, path_of
from tinybert.data.conll import Sentence, copied_lines, documents, marked_lines, sentences
from tinybert.data.dialect import line_end, lines_of
from tinybert.data.problems import BadRow, listed
from tinybert.data.read import STDIN, DataInput, numbered, open_rows
from tinybert.data.rewrite_table import COPY, ORIGIN, Chosen, check_table, merge_by_row, write_table
from tinybert.data.settings import DataSettings
from tinybert.data.squad import articles, content, marked, paragraph_of, questions_of
from tinybert.data.tagged import TagNames
from tinybert.errors import UserError
from tinybert.files import atomic_file
from tinybert.types import Example, Kind

_ENDINGS = {
    "table": (".tsv", ".csv", ".jsonl", ".parquet"),
    "lists": (".jsonl", ".parquet"),
    "squad": (".json",),
}
_NO_CONLL = (".csv", ".jsonl", ".parquet", ".json")


def rewrite(
    source: DataInput,
    settings: DataSettings,
    kind: Kind | None,
    copies: Iterable[Example],
    target: Path,
    rows: Int[np.ndarray, " rows"] | None = None,
) -> int:
    """Write originals and copies, sorted by row and copy.

    A TSV file keeps its way with quotes, its line ends, and its header or the lack of one. Where quotes are letters, a
    tab or a line break in a copy becomes a space. CoNLL columns and SQuAD JSON stay what they are, with the layout of
    the original: see `conll.copied_lines` and `squad.paragraph_of`.

    Args:
        source: What was augmented; it is read once more, and of tables only a block is held.
        settings: Of the group `data`.
        kind: See `any_kind.load_any`.
        copies: Sorted by row and copy.
        target: The file, whole or absent; its ending says which form it gets.
        rows: Which rows of the source to write; None = all that `load_any` gives.

    Returns:
        How many rows were written.

    Raises:
        UserError: See `check_target`.
        ValueError: If copies are not in order, or of a row that is not written.
    """
    form = check_target(source, settings, kind, target)
    tags = None
    if rows is None or form in ("conll", "lists"):
        task, examples = load_any(source, settings, kind=kind)
        rows = examples.rows if rows is None else rows
        tags = TagNames(task.classes, settings.label_map) if form in ("conll", "lists") else None
    chosen = _among(rows)
    path = path_of(source)
    with atomic_file(target) as temporary:
        try:
            if form == "squad" and path is not None:
                return _write_squad(path, chosen, copies, temporary)
            if form == "conll" and path is not None and tags is not None:
                return _write_conll(path, chosen, copies, temporary, tags)
            return write_table(source, settings, chosen, copies, temporary, target.suffix.lower(), tags)
        except UnicodeEncodeError as error:
            half = "a column holds half of a surrogate pair, which only .jsonl can"
            raise UserError(f"{target}: {half}; correct it or write .jsonl") from error


def check_target(source: DataInput, settings: DataSettings, kind: Kind | None, target: Path) -> Form:
    """Refuse what could not be written, before anything is augmented.

    Returns:
        Which form the source has.

    Raises:
        UserError: If the target has an ending that such data is not written to, or is the source itself; if the source
            can be read only once, or has a column `origin` or `copy`.
    """
    if isinstance(source, str) and source == STDIN:
        raise UserError("-: standard input can be read only once; save it to a file")
    form = form_of(source, settings, kind)
    path, ending = path_of(source), target.suffix.lower()
    if path is not None and target.exists() and path.exists() and target.samefile(path):
        raise UserError(f"{target}: is the data that is augmented; name another file")
    if form == "conll":
        if ending in _NO_CONLL:
            raise UserError(f"{target}: CoNLL columns are written as such, not as '{ending}'; use .conll")
    elif ending not in _ENDINGS[form]:
        raise UserError(f"{target}: unknown ending '{ending}'; such data is written to {listed(_ENDINGS[form])}")
    _check_marks(source, settings, form, path, ending)
    return form


def _among(rows: Int[np.ndarray, " rows"]) -> Chosen:
    """Whether a row is one of some; takes a byte a row."""
    known = np.zeros(int(rows.max(initial=0)) + 1, np.bool_)
    known[rows] = True
    return lambda row: row < len(known) and bool(known[row])


def _check_marks(source: DataInput, settings: DataSettings, form: Form, path: Path | None, ending: str) -> None:
    augmented = False
    if form == "conll" and path is not None:
        first = next((found for _, found in sentences(lines_of(path)) if isinstance(found, Sentence)), None)
        augmented = first is not None and first.marked
    elif form == "squad" and path is not None:
        asked = (question for article in articles(path) for part in article["paragraphs"] for question in part["qas"])
        augmented = any(isinstance(entry, dict) and (ORIGIN in entry or COPY in entry) for entry in asked)
    else:
        check_table(open_rows(source, settings, "train"), ending)
    if augmented:
        raise UserError(f"{path}: has '{ORIGIN}' and '{COPY}' already, which augment writes; take the original file")


def _write_conll(path: Path, chosen: Chosen, copies: Iterable[Example], target: Path, tags: TagNames) -> int:
    count = 0
    with target.open("w", encoding="utf-8", newline=line_end(next(lines_of(path), ""))) as stream:
        for row, sentence, found in merge_by_row(_sentences(path, chosen), copies):
            stream.writelines(f"{line}\n" for line in marked_lines(sentence, row))
            count += 1 + len(found)
            for copy in found:
                places, spelled = tags.followed(sentence.words, sentence.tags, copy)
                lines = copied_lines(sentence, row, copy.copy, copy.words or (), spelled, places)
                stream.writelines(f"{line}\n" for line in lines)
    return count


def _sentences(path: Path, chosen: Chosen) -> Iterator[tuple[int, Sentence]]:
    """The sentences to be written; where one is left out, what opens a document moves to the next."""
    held: list[str] = []
    for row, _, sentence in numbered(sentences(lines_of(path))):
        if isinstance(sentence, BadRow):
            continue
        if chosen(row):
            yield row, sentence._replace(before=[*held, *sentence.before])
            held = []
        else:
            held += documents(sentence.before)


def _write_squad(path: Path, chosen: Chosen, copies: Iterable[Example], target: Path) -> int:
    found = content(path)
    every = (question for article in found["data"] for part in article["paragraphs"] for question in questions_of(part))
    merged = merge_by_row(enumerate(every, start=1), copies)
    count = 0
    with target.open("w", encoding="utf-8") as stream:
        others = {key: value for key, value in found.items() if key != "data"}
        stream.write(json.dumps({**others, "data": []}, ensure_ascii=False).removesuffix("]}"))
        for number, article in enumerate(found["data"]):
            parts: list[Mapping[str, Any]] = []
            for part in article["paragraphs"]:
                kept: list[Mapping[str, Any]] = []
                added: list[Mapping[str, Any]] = []
                for row, question, its_copies in islice(merged, len(part["qas"])):
                    if chosen(row) and not isinstance(question, BadRow):
                        kept.append(marked(question.entry, row))
                        added += [paragraph_of(question, copy) for copy in its_copies]
                parts += [{**part, "qas": kept}, *added]
                count += len(kept) + len(added)
            text = json.dumps({**article, "paragraphs": parts}, ensure_ascii=False)
            stream.write(text if number == 0 else f", {text}")
        stream.write("]}\n")
    next(merged, None)  # raises where a copy is left
    return count
