"""Recognises files of other tasks than the one they are read for, and of other programs; says so in one line."""

import re
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from tinybert.data.columns import Header
from tinybert.data.settings import DataSettings
from tinybert.errors import UserError

CONLL_ENDINGS = frozenset({".conll", ".conll03", ".conll2003", ".conllu", ".iob", ".iob2", ".bio"})
_TAG = re.compile(r"(O|[BIESLU]-\S+)")
LOOK_AT = 200  # lines
_PACKED = frozenset({".gz", ".zip", ".bz2", ".xz", ".zst", ".7z", ".tar", ".tgz"})
_SQUAD = re.compile(r'\s*\{.*("paragraphs"|"data"\s*:\s*\[)', re.DOTALL)
ANSWERS = "say --kind question-answering"
TAGS = "say --kind token-classification"


def wrong_form(path: Path) -> UserError:
    """What to say of a file that is no table of texts: which task it seems to belong to, or which endings are read."""
    if looks_like_conll(path):
        return _other(str(path), "token classification (CoNLL columns)", TAGS)
    if path.suffix.lower() == ".json":
        if _starts_like_squad(path):
            return _other(str(path), "question answering (SQuAD JSON)", ANSWERS)
        advice = "one object a line, with the ending .jsonl; convert an array of rows: jq -c '.[]' OLD > NEW.jsonl"
        return UserError(f"{path}: JSON is read as JSON lines, {advice}")
    if path.suffix.lower() in _PACKED:
        return UserError(f"{path}: is packed; unpack it first, and hand in what is inside")
    return UserError(f"{path}: unknown ending '{path.suffix}'; data is read from .tsv, .csv, .jsonl and .parquet")


def check_recognised(header: Header, settings: DataSettings) -> None:
    """Refuse data of another task, and annotations as a tool keeps them, by their columns.

    Raises:
        UserError: If they have the columns of one, and no text that is meant instead.
    """
    if has_tags(header, settings):
        raise _other(header.name, "token classification (tokens, tags)", TAGS)
    names = set(header.names)
    if "paragraphs" in names or ({"data"} <= names <= {"data", "version"} and not _has_text(header, settings)):
        raise _other(header.name, "question answering (SQuAD JSON)", f"{ANSWERS}, and call it .json")
    if has_questions(header, settings):
        raise _other(header.name, "question answering (question, context, answers)", ANSWERS)
    if {"data", "annotations"} <= names and not _has_text(header, settings):
        raise UserError(f"{header.name}: seems to be Label Studio's own JSON (data, annotations); export CSV there")


def has_tags(header: Header, settings: DataSettings) -> bool:
    """Whether columns are those of token classification."""
    return {"tokens", "tags"} <= set(header.names) and not _has_text(header, settings)


def has_questions(header: Header, settings: DataSettings) -> bool:
    """Whether columns are those of questions with answers out of a context."""
    return {"question", "context", "answers"} <= set(header.names) and not _has_text(header, settings)


def _has_text(header: Header, settings: DataSettings) -> bool:
    return "text" in header.names or settings.text is not None or settings.text_a is not None


def looks_like_conll(path: Path) -> bool:
    """Whether a file's first lines are a token and a tag each."""
    if path.suffix.lower() in CONLL_ENDINGS:
        return True
    with path.open("rb") as stream:
        return has_conll_columns([line.decode("utf-8", "replace") for line in islice(stream, LOOK_AT)])


def has_conll_columns(head: Sequence[str]) -> bool:
    """Whether lines are a token and a tag each."""
    filled = _cells(head)
    if filled and filled[0][0] == "-DOCSTART-":
        return True
    return len(filled) > 1 and all(len(cells) > 1 and _TAG.fullmatch(cells[-1]) for cells in filled)


def has_words(head: Sequence[str]) -> bool:
    """Whether lines are a word each, alone or with columns, of sentences that blank lines tell apart."""
    lines = "".join(head).strip().split("\n")
    told_apart = not all(line.strip() for line in lines) and not lines[0].startswith("{")  # JSON lines
    return told_apart and len({len(cells) for cells in _cells(lines)}) == 1


def _cells(head: Sequence[str]) -> list[list[str]]:
    return [line.split() for line in head if line.strip() and not line.startswith("# ")]


def _starts_like_squad(path: Path) -> bool:
    with path.open("rb") as stream:
        head = stream.read(1 << 16).decode("utf-8", "replace")
    return begins_squad(head.removeprefix("\ufeff"))


def begins_squad(head: str) -> bool:
    """Whether a text begins as SQuAD JSON does."""
    return _SQUAD.match(head) is not None


def _other(name: str, what: str, advice: str) -> UserError:
    return UserError(f"{name}: seems to be {what}: {advice}")
