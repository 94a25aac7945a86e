"""What pydantic finds wrong with settings, in lines for people: where, what is wanted, what was given."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from pydantic_core import ErrorDetails

from tinybert.config.source import KeyPath

Where = Callable[[KeyPath], str | None]

_EXPECTED: Final = {
    "int": "a whole number",
    "float": "a number",
    "finite_number": "a finite number",
    "bool": "true or false",
    "string": "text",
    "list": "a list such as [a, b]",
    "tuple": "a list such as [a, b]",
    "dict": "a mapping such as {a: b}",
    "mapping": "a mapping such as {a: b}",
    "dataclass": "a group of settings",
}


def explain(errors: Sequence[ErrorDetails], values: Mapping[str, Any], where: Where) -> Iterator[str]:
    """One line per key; the branches of a union become one sentence.

    Args:
        errors: Of pydantic.
        values: What was checked.
        where: Where a key was set; None where nobody set it.
    """
    by_key: dict[KeyPath, list[ErrorDetails]] = {}
    for error in errors:
        by_key.setdefault(_key_path(error, values), []).append(error)
    for path, found in by_key.items():
        first = found[0]
        if first["type"] == "missing":
            way = f"--{path[0].replace('_', '-')}" if len(path) == 1 else f"--set {'.'.join(path)}=..."
            yield f"{'.'.join(path)}: is needed; give it by {way} or in the file of --config"
        elif first["type"] == "value_error":
            yield _explain_meaning(path, str(first["ctx"]["error"]), where)
        else:
            expected = " or ".join(dict.fromkeys(map(_expected, found)))
            yield f"{where(path) or '.'.join(path)}: must be {expected}, got {_shown(first['input'])}"


def _explain_meaning(path: KeyPath, message: str, where: Where) -> str:
    """A meaning check speaks of a group; where its first word is a key of that group, that key's place is named."""
    words = re.match(r"(\w+) (.+)", message, flags=re.DOTALL)
    if words and (origin := where((*path, words[1]))):
        return f"{origin}: {words[2]}"
    return f"{where(path) or '.'.join(path)}: {message}" if path else message


def _key_path(error: ErrorDetails, values: Mapping[str, Any]) -> KeyPath:
    """The key an error is about: pydantic's location without the branches of unions."""
    path: list[str] = []
    inside: Any = values
    for part in error["loc"]:
        known = isinstance(inside, Mapping) and part in inside
        if not known and error["type"] != "missing":
            break
        path.append(str(part))
        inside = inside[part] if known else None
    return tuple(path)


def _expected(error: ErrorDetails) -> str:
    kind = error["type"]
    if kind == "literal_error":
        return str(error["ctx"]["expected"]).replace("'", "")
    name = kind if kind in _EXPECTED else kind.split("_")[0]
    item = any(str(part).startswith("tuple[") for part in error["loc"][:-1])  # of a list that is a branch of a union
    return _EXPECTED.get(name, error["msg"].lower()) + " in a list" * item


def _shown(value: Any) -> str:
    text = "null" if value is None else repr(str(value) if isinstance(value, str) else value)
    return text if len(text) <= 60 else f"{text[:57]}..."
