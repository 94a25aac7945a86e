"""Which settings a run reads: a setting that nobody reads must be one that is refused.

Nothing of tinybert is imported at the top: test modules read this before the import hook that checks shapes.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from typing import Any

import pytest

# What goes over all settings, to copy, compare, check or note them, reads none for what it says.
_WHOLESALE = {"digest_of_input", "subset", "_asdict_inner", "replace", "_replace", "__eq__", "__repr__"}
_WHOLESALE |= {"unread_keys", "_mapping", "noting"}
_OWN = {"__post_init__", "unread"}


@contextmanager
def noted(*settings: Any) -> Iterator[set[tuple[str, str]]]:
    """The settings of these classes that are read meanwhile, as class and key."""
    found: set[tuple[str, str]] = set()

    def noting(self: Any, name: str) -> Any:
        caller = sys._getframe(1)
        above = caller.f_back.f_code.co_name if caller.f_back else ""
        own = caller.f_code.co_name in _OWN and caller.f_locals.get("self") is self
        if not own and not {caller.f_code.co_name, above if caller.f_code.co_name.startswith("<") else ""} & _WHOLESALE:
            found.add((_declaring(type(self), name), name))
        return object.__getattribute__(self, name)

    with pytest.MonkeyPatch.context() as patch:
        for one in {base for kind in settings for base in kind.__mro__ if is_dataclass(base)}:
            patch.setattr(one, "__getattribute__", noting, raising=False)
        yield found


def unread_in(settings: Any, found: set[tuple[str, str]]) -> list[str]:
    """The keys that were neither read nor would be refused."""
    from tinybert.config import unread_keys

    refused = tuple(f"{'.'.join(path)}." for path, _ in unread_keys(settings))
    return [key for key, pair in _keys("", settings) if pair not in found and not f"{key}.".startswith(refused)]


def classes_in(settings: Any) -> set[type]:
    """The dataclasses that settings are made of."""
    values = (getattr(settings, field.name) for field in fields(settings))
    return {type(settings)}.union(*(classes_in(value) for value in values if is_dataclass(value)))


def _keys(prefix: str, settings: Any) -> Iterator[tuple[str, tuple[str, str]]]:
    for field in fields(settings):
        key, value = f"{prefix}.{field.name}".lstrip("."), getattr(settings, field.name)
        if is_dataclass(value):
            yield from _keys(key, value)
        else:
            yield key, (_declaring(type(settings), field.name), field.name)


def _declaring(kind: type, name: str) -> str:
    return next((one.__name__ for one in kind.__mro__ if name in vars(one).get("__annotations__", {})), "")
