"""Settings that a run does not read, because of others: who sets one is told, instead of waiting for an effect.

A settings dataclass says so by a method `unread`: pairs of a key of its own (or a group, which stands for its keys) and
why it is not read.
"""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any, Protocol, runtime_checkable

from tinybert.config.source import KeyPath


@runtime_checkable
class _Says(Protocol):
    def unread(self) -> Iterator[tuple[str, str]]:
        """Keys and reasons."""


def unread_keys(settings: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, str]]:
    """The keys and groups that are not read, each with the reason."""
    if isinstance(settings, _Says):
        yield from (((*path, *key.split(".")), why) for key, why in settings.unread())
    for field in fields(settings):
        if is_dataclass(value := getattr(settings, field.name)):
            yield from unread_keys(value, (*path, field.name))


def without_unread(settings: Any, as_given: Any) -> dict[str, Any]:
    """Settings as nested mappings, without what is not read: what is to be read again as settings.

    Args:
        settings: Those to be written, whose paths may be relative to where they will lie.
        as_given: The same with paths as they were given: what lies there decides too.
    """
    return _mapping(settings, (), {path for path, _ in unread_keys(as_given)})


def _mapping(settings: Any, path: KeyPath, left_out: set[KeyPath]) -> dict[str, Any]:
    read = {name.name: (*path, name.name) for name in fields(settings) if (*path, name.name) not in left_out}
    found = {name: (getattr(settings, name), here) for name, here in read.items()}
    return {
        name: _mapping(value, here, left_out) if is_dataclass(value) else value for name, (value, here) in found.items()
    }
