"""Markdown that shows a user's words literally, and names no folder of this machine."""

import html
import re
from collections.abc import Iterable
from pathlib import PurePosixPath, PureWindowsPath

_SPECIAL = re.compile(r"([\\`*_{}\[\]#|~$])")


def plain(text: str) -> str:
    r"""A user's words as Markdown shows them literally, on one line.

    Example:
        >>> print(plain("<b> a|b"))
        &lt;b&gt; a\|b
    """
    return _SPECIAL.sub(r"\\\1", html.escape(" ".join(text.split()), quote=False))


def last_part(name: str) -> str:
    """A name without the folders it lies in where it is a path of one machine; a hub name stays.

    Example:
        >>> last_part("/home/me/teacher"), last_part("org/name")
        ('teacher', 'org/name')
    """
    for path in (PurePosixPath(name), PureWindowsPath(name)):
        if path.is_absolute() or path.drive or name.startswith((".", "~")):
            return path.name
    return name


def table(head: list[str], rows: list[list[str]]) -> str:
    """A table; its cells are Markdown already."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def bullets(lines: Iterable[str]) -> str:
    """A list; its lines are Markdown already."""
    return "\n".join(f"- {line}" for line in lines)
