"""Groups that are one of several dataclasses: which one the layers of settings name."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from tinybert.config.schema import Choice
from tinybert.config.source import Origin

SettingsLayer = tuple[Mapping[str, Any], Origin]


class Chosen(NamedTuple):
    """Which dataclass a group is that may be one of several; in the presets it may have been another."""

    choice: Choice
    name: str
    option: type
    in_presets: type

    def drops(self, key: str) -> bool:
        """Whether a preset's value for a key was meant for another option than that of this run."""
        return _declared_by(self.option, key) is not _declared_by(self.in_presets, key)

    def why_unread(self, key: str) -> str:
        """Why there is no such key; empty where no option has it."""
        if not (readers := self.choice.readers(key)):
            return ""
        *most, last = readers
        does = f"{', '.join(most)} and {last} do" if most else f"{last} does"
        return f"{self.choice.key} {self.name} does not read it; {does}"


def _declared_by(option: type, key: str) -> type | None:
    return next((one for one in option.__mro__ if key in vars(one).get("__annotations__", {})), None)


def _named(group: str, key: str, layers: Iterable[SettingsLayer]) -> str | None:
    """The last word of some layers for a key of a group."""
    found = None
    for mapping, _ in layers:
        inside = mapping.get(group)
        nested = inside.get(key) if isinstance(inside, Mapping) else None
        found = next((str(value) for value in (mapping.get(f"{group}.{key}"), nested) if value is not None), found)
    return found


def choose_option(group: str, choice: Choice, usual: str, layers: Sequence[SettingsLayer]) -> tuple[Chosen, list[str]]:
    """Which option of a group the layers name; what is wrong with the name, in a line.

    Args:
        group: The key of the group.
        choice: What it may be.
        usual: The option that stands where none is named, or a wrong one.
        layers: Of settings, the last word at the end.
    """
    before = _named(group, choice.key, [layer for layer in layers if layer[1].packaged]) or usual
    name, problems = _named(group, choice.key, layers) or usual, []
    if name not in choice.options:
        *most, last = choice.options
        origin = next(layer[1] for layer in reversed(layers) if _named(group, choice.key, [layer]))
        where = origin.where((group, choice.key))
        problems = [f"{where}: must be {', '.join(most)} or {last}, got {name!r}"]
        name = usual
    return Chosen(choice, name, choice.options[name], choice.options.get(before, choice.options[name])), problems
