"""From layers of settings to one checked dataclass; every problem is one line that says where and what to do."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, asdict, fields
from difflib import get_close_matches
from functools import cache
from math import isfinite
from os import PathLike, fspath
from pathlib import Path
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from tinybert.config import schema as schemas
from tinybert.config.choices import Chosen, SettingsLayer, choose_option
from tinybert.config.explain import explain
from tinybert.config.source import KeyPath, Origin, Plain, read_override
from tinybert.config.unread import unread_keys
from tinybert.errors import UserError

T = TypeVar("T")


def parse(
    schema: type[T], mapping: Mapping[str, Any], overrides: Sequence[str] = (), origin: Origin | None = None
) -> T:
    """Check a mapping against a settings dataclass.

    Args:
        schema: A frozen dataclass; fields that are dataclasses are groups.
        mapping: Nested or dotted keys. Where a group has a field `path`, a plain value for the group means that field.
        overrides: `key.sub=value`, laid over the mapping.
        origin: Where the mapping was written, for error messages.

    Raises:
        UserError: One line per problem.
    """
    layers = [(mapping, origin or Origin())]
    return parse_layers(schema, [*layers, *map(read_override, overrides)])


def parse_layers(schema: type[T], layers: Iterable[SettingsLayer]) -> T:
    """Like `parse` for several mappings; later ones win, key by key."""
    layers = list(layers)
    merged = _Merged(schema, layers)
    for mapping, origin in layers:
        merged.lay(schema, mapping, origin)
    for name, chosen in merged.chosen.items():
        found = _validated(chosen.option, merged, (name,))
        merged.values = {key: value for key, value in merged.values.items() if key != name}
        merged.values |= {} if found is None else {name: found}
    settings = _validated(schema, merged)
    if not merged.problems:
        merged.problems += merged.unread(settings)
    if settings is None or merged.problems:
        raise UserError(*merged.problems)
    return settings


def _validated(schema: type[T], merged: "_Merged", path: KeyPath = ()) -> T | None:
    """The settings, or those of one group; None where there is a problem, which is noted."""
    try:
        adapter: TypeAdapter[T] = _adapter(cast(type, schema))
        return adapter.validate_python(merged.values[path[0]] if path else merged.values)
    except ValidationError as error:
        errors = [{**one, "loc": (*path, *one["loc"])} for one in error.errors(include_url=False)]
        merged.problems += explain(cast(list[ErrorDetails], errors), merged.values, merged.where)
        return None


@cache
def _adapter(schema: type) -> TypeAdapter[Any]:
    """What checks one schema; it takes ten milliseconds to make."""
    return TypeAdapter(schema)


def _group_defaults(schema: type) -> dict[str, Any]:
    """What each group is where nobody sets a key of it; a group's class does not know what its schema makes of it."""
    return {
        field.name: asdict(field.default_factory())
        for field in fields(schema)
        if schemas.group(schemas.hints(schema)[field.name]) and field.default_factory is not MISSING
    }


class _Merged:
    """The layers laid over each other, and who wrote each key last."""

    def __init__(self, schema: type, layers: Sequence[SettingsLayer]) -> None:
        self.values = _group_defaults(schema)
        self.problems: list[str] = []
        self.chosen: dict[str, Chosen] = {}
        self._writers: dict[KeyPath, Origin] = {}
        for name, hint in schemas.hints(schema).items():
            if (choice := schemas.choice(hint)) is not None:
                self._choose(name, choice, layers)

    def _choose(self, group: str, choice: schemas.Choice, layers: Sequence[SettingsLayer]) -> None:
        """Find which of its options a group is; another than the default has its own defaults."""
        usual = self.values[group][choice.key]
        chosen, wrong = choose_option(group, choice, usual, layers)
        self.problems += wrong
        self.chosen[group] = chosen
        if chosen.name != usual:
            self.values[group] = {choice.key: chosen.name}

    def unread(self, settings: Any) -> Iterator[str]:
        """A line for each key that somebody set and nobody reads; presets may hold some."""
        for path, why in unread_keys(settings):
            for written, origin in self._writers.items():
                if not origin.packaged and written[: len(path)] == path:
                    yield f"{origin.where(written)}: {why}"

    def lay(self, schema: type, mapping: Mapping[str, Any], origin: Origin, path: KeyPath = ()) -> None:
        """Lay one mapping over what is there; `path` is the group it belongs to."""
        hints = schemas.hints(schema)
        for dotted, value in mapping.items():
            key, _, rest = str(dotted).partition(".")
            here = (*path, key)
            hint = hints.get(key)
            chosen = self.chosen.get(path[0]) if len(path) == 1 else None
            if chosen and key == chosen.choice.key:
                self._writers[here] = origin
            elif chosen and origin.packaged and chosen.drops(key):
                continue
            elif chosen and hint is None and (why := chosen.why_unread(key)):
                self.problems.append(f"{origin.where(here)}: {why}")
            elif hint is None:
                self.problems.append(f"{origin.where(here)}: unknown key ({_instead(schema, key)})")
            elif (group := schemas.group(hint)) is not None:
                group = self.chosen[key].option if not path and key in self.chosen else group
                self._lay_group(group, {rest: value} if rest else value, origin, here)
            elif rest and not schemas.takes_mapping(hint):
                self.problems.append(f"{origin.where(here)}: has no keys of its own, got {key}.{rest}")
            else:
                self._put(here, _typed(hint, {rest: value} if rest else value, origin), origin)

    def where(self, path: KeyPath) -> str | None:
        """Where a key was set, or None where nobody set it."""
        for end in range(len(path), 0, -1):
            if path[:end] in self._writers:
                return self._writers[path[:end]].where(path)
        return None

    def _lay_group(self, group: type, value: Any, origin: Origin, path: KeyPath) -> None:
        if isinstance(value, Mapping):
            self.lay(group, value, origin, path)
        elif "path" in schemas.hints(group):
            self.lay(group, {"path": value}, origin, path)
        elif not _is_null(value):
            example = next(iter(schemas.hints(group)))
            self.problems.append(f"{origin.where(path)}: is a group; set its keys, such as {'.'.join(path)}.{example}")

    def _put(self, path: KeyPath, value: Any, origin: Origin) -> None:
        if isinstance(value, float) and not isfinite(value):
            self.problems.append(f"{origin.where(path)}: must be a finite number, got {value}")
            return
        inside = self.values
        for key in path[:-1]:
            inside = inside.setdefault(key, {})
        before = inside.get(path[-1])
        both = isinstance(before, Mapping) and isinstance(value, Mapping)
        inside[path[-1]] = {**before, **value} if both else value  # type: ignore[dict-item]
        self._writers[path] = origin


def _typed(hint: Any, value: Any, origin: Origin) -> Any:
    """A value as its field wants it: words stay words for text, become numbers or truth values elsewhere."""
    if isinstance(value, Mapping):
        return {str(key): _typed(schemas.inner(hint), entry, origin) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_typed(schemas.inner(hint), entry, origin) for entry in value]
    if not schemas.is_text(hint):
        return _resolved(value) if isinstance(value, Plain) else value
    if value is None or _is_null(value):
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    return _located(schemas.mark(hint), str(fspath(value)), origin) if isinstance(value, str | PathLike) else value


def _located(mark: str | None, text: str, origin: Origin) -> str:
    """A path in a file is relative to that file; a model that is not there may be a name on the hub."""
    if mark is None or origin.folder is None or not text or text.startswith("hf:"):
        return text
    path = origin.folder / Path(text).expanduser()
    if mark == schemas.MODEL and not text.startswith(".") and not path.exists():
        return text
    return str(path)


def _resolved(word: Plain) -> Any:
    if _is_null(word):
        return None
    if word.lower() in ("true", "false"):
        return word.lower() == "true"
    for number in (int, float):
        try:
            return number(word)
        except ValueError:
            continue
    return str(word)


def _is_null(value: Any) -> bool:
    return value is None or (isinstance(value, Plain) and value.lower() in ("", "~", "null"))


def _instead(schema: type, key: str) -> str:
    """What the user may have meant."""
    known = [field.name for field in fields(schema)]
    close = get_close_matches(key, known, n=1)
    deeper = [entry.name for entry in schemas.schema_keys(schema) if entry.name.endswith(f".{key}")]
    if close or deeper:
        return f"did you mean {' or '.join(close or deeper[:3])}?"
    return f"there are {', '.join(known)}"
