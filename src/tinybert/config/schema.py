"""What a settings dataclass says about its keys: groups, types, defaults, meanings."""

import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass, replace
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints

# Marks of text fields that name something on disk: Annotated[str, FILE]. Relative to the config file that has them.
FILE: Final = "a file or folder; hf: names stay as they are"
MODEL: Final = "a folder, or else a name on the hub"

_KINDS: Final = {int: "whole number", float: "number", bool: "true or false", str: "text"}


@dataclass(frozen=True)
class Choice:
    """Mark of a group that is one of several dataclasses: `Annotated[Base, Choice("method", {"eda": EdaSettings})]`.

    Attributes:
        key: The key of the group that says which, by name.
        options: The dataclasses by name.
    """

    key: str
    options: Mapping[str, type]

    def readers(self, key: str) -> list[str]:
        """The names of those that have a key."""
        return [name for name, option in self.options.items() if key in hints(option)]


@dataclass(frozen=True)
class Key:
    """One setting as the documentation shows it; `only` names those options of a `Choice` that have it."""

    name: str
    kind: str
    default: Any
    help: str
    only: tuple[str, ...] = ()


@cache
def hints(schema: type) -> Mapping[str, Any]:
    """The type of each key, marks included."""
    every = get_type_hints(schema, include_extras=True)
    return {field.name: every[field.name] for field in fields(schema)}


def group(hint: Any) -> type | None:
    """The dataclass a key holds; None where it holds a plain value."""
    return next((member for member in members(hint) if isinstance(member, type) and is_dataclass(member)), None)


def members(hint: Any) -> tuple[Any, ...]:
    """What a union is made of, without marks; a single type is a union of one."""
    if get_origin(hint) is Annotated:
        return members(get_args(hint)[0])
    if get_origin(hint) in (Union, UnionType):
        return tuple(inner for member in get_args(hint) for inner in members(member))
    return (hint,)


def mark(hint: Any) -> str | None:
    """`FILE` or `MODEL` where the key names something on disk."""
    if get_origin(hint) is Annotated:
        return next((str(extra) for extra in get_args(hint)[1:] if extra in (FILE, MODEL)), None)
    return next((found for member in get_args(hint) if (found := mark(member))), None)


def is_text(hint: Any) -> bool:
    """Whether a key takes words only, so that `off`, `007` and `1.0` stay what the user wrote."""
    words = [word for member in members(hint) if get_origin(member) is Literal for word in get_args(member)]
    types = [member for member in members(hint) if get_origin(member) is not Literal]
    return all(isinstance(word, str) for word in words) and all(one in (str, NoneType) for one in types)


def choice(hint: Any) -> Choice | None:
    """What a group may be, where it is one of several."""
    marks = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    return next((mark for mark in marks if isinstance(mark, Choice)), None)


def takes_mapping(hint: Any) -> bool:
    """Whether a key holds a mapping, such as `data.label_map`."""
    return any(inspect.isclass(origin) and issubclass(origin, Mapping) for origin in map(_container, members(hint)))


def inner(hint: Any) -> Any:
    """The type of the values of a list or a mapping."""
    for member in members(hint):
        arguments = [argument for argument in get_args(member) if argument is not ...]
        container = _container(member)
        if arguments and inspect.isclass(container) and issubclass(container, Mapping | Sequence):
            return arguments[-1]
    return Any


def schema_keys(schema: type, prefix: str = "") -> Iterator[Key]:
    """All keys of a schema with their defaults, groups opened; what the documentation and the help are made of."""
    meanings = _meanings(schema)
    for field in fields(schema):
        hint = hints(schema)[field.name]
        nested = group(hint)
        if (options := choice(hint)) is not None:
            yield from _keys_of_options(options, f"{prefix}{field.name}.")
        elif nested is not None:
            yield from schema_keys(nested, f"{prefix}{field.name}.")
        else:
            yield Key(f"{prefix}{field.name}", _kind(hint), _default(field), meanings.get(field.name, ""))


def _keys_of_options(options: Choice, prefix: str) -> Iterator[Key]:
    """Each key of each option; one line for those that mean the same in several."""
    found: dict[Key, list[str]] = {}
    for name, option in options.options.items():
        for key in schema_keys(option, prefix):
            if key.name != f"{prefix}{options.key}":
                found.setdefault(key, []).append(name)
    yield Key(
        f"{prefix}{options.key}",
        " | ".join(options.options),
        None,
        _meanings(next(iter(options.options.values())))[options.key],
    )
    for key, names in found.items():
        yield replace(key, only=() if len(names) == len(options.options) else tuple(names))


def _container(hint: Any) -> Any:
    return get_origin(hint) or hint


def _kind(hint: Any) -> str:
    words = []
    for member in members(hint):
        if get_origin(member) is Literal:
            words += [str(word) for word in get_args(member)]
        elif member is not NoneType:
            words.append("mapping" if takes_mapping(member) else _KINDS.get(member, "list"))
    return " | ".join(words)


def _default(field: "Field[Any]") -> Any:
    if field.default_factory is not MISSING:
        return field.default_factory()
    return None if field.default is MISSING else field.default


def _meanings(schema: type) -> dict[str, str]:
    """The lines below `Attributes:` in the docstrings, by key; a schema may extend another."""
    entries: list[tuple[str, str]] = []
    for one in reversed(schema.__mro__):
        _, _, attributes = inspect.cleandoc(one.__doc__ or "").partition("Attributes:\n")
        entries += re.findall(r"^ {4}(\w+): (.+(?:\n {8,}.+)*)", attributes, flags=re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in entries}
