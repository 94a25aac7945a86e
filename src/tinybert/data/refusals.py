"""Files of tasks that this version does not have: recognised, and refused in one line."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tinybert.errors import UserError
from tinybert.types import Kind

SUPPORTED: tuple[Kind, ...] = ("classification", "regression")
_CONLL_NAMES = {".conll", ".conll03", ".conllu", ".iob", ".iob2", ".bio"}
_TAG = re.compile(r"(O|[BIESLU]-\S+)")
_LOOK_AT = 200  # lines


def refuse_kind(kind: Kind | None) -> None:
    """Refuse a kind of task that this version does not have.

    Raises:
        UserError: If it has not.
    """
    if kind is not None and kind not in SUPPORTED:
        raise UserError(f"--kind {kind}: not supported by this version; it has {' and '.join(SUPPORTED)}")


def refusal(path: Path) -> UserError:
    """What to say of a file that is no table of texts: which task it seems to belong to, or which endings are read."""
    if looks_like_conll(path):
        return _other(str(path), "token classification (CoNLL columns)")
    if path.suffix.lower() == ".json":
        if _starts_like_squad(path):
            return _other(str(path), "question answering (SQuAD JSON)")
        return UserError(f"{path}: JSON is read as JSON lines, one object a line, with the ending .jsonl")
    return UserError(f"{path}: unknown ending '{path.suffix}'; data is read from .tsv, .csv, .jsonl and .parquet")


def refuse_row(name: str, row: Mapping[str, Any]) -> None:
    """Refuse JSON lines of another task by their first row.

    Raises:
        UserError: If the row has the keys of one.
    """
    if {"tokens", "tags"} <= set(row):
        raise _other(name, "token classification (tokens, tags)")
    if "paragraphs" in row or ("data" in row and "text" not in row):
        raise _other(name, "question answering (SQuAD JSON)")


def looks_like_conll(path: Path) -> bool:
    """Whether a file's first lines are a token and a tag each."""
    if path.suffix.lower() in _CONLL_NAMES:
        return True
    with path.open("rb") as stream:
        head = [line.decode("utf-8", "replace") for line, _ in zip(stream, range(_LOOK_AT), strict=False)]
    filled = [line.split() for line in head if line.strip()]
    if filled and filled[0][0] == "-DOCSTART-":
        return True
    return len(filled) > 1 and all(len(cells) > 1 and _TAG.fullmatch(cells[-1]) for cells in filled)


def _starts_like_squad(path: Path) -> bool:
    with path.open("rb") as stream:
        head = stream.read(1 << 16).decode("utf-8", "replace")
    return head.lstrip("\ufeff \t\r\n").startswith("{") and ('"paragraphs"' in head or '"data"' in head)


def _other(name: str, what: str) -> UserError:
    kinds = " and ".join(SUPPORTED)
    return UserError(f"{name}: seems to be {what}, which this version does not support; it has {kinds}")
