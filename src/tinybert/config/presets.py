"""Presets and the order of layers: preset, file, flags, `--set`; later ones win."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from tinybert.config.choices import SettingsLayer
from tinybert.config.parse import parse_layers
from tinybert.config.source import FLAGS, Origin, read_override, read_yaml
from tinybert.errors import UserError

T = TypeVar("T")

DEFAULTS: Final = "defaults"  # the preset of a recipe that has none: what its settings are where nobody sets them

_PRESETS: Final = Path(__file__).parents[1] / "presets"


@dataclass(frozen=True)
class Resolved(Generic[T]):
    """Checked settings, and the preset they were laid over."""

    settings: T
    preset: str


def preset_names(recipe: str) -> tuple[str, ...]:
    """The packaged presets of a recipe."""
    return tuple(sorted(path.stem for path in (_PRESETS / recipe).glob("*.yaml")))


def read_preset(recipe: str, name: str) -> SettingsLayer:
    """A packaged preset.

    Raises:
        UserError: If the recipe has none of this name.
    """
    if name not in preset_names(recipe):
        raise UserError(f"preset: {recipe} has no preset {name!r}; there are {', '.join(preset_names(recipe))}")
    mapping, origin = read_yaml(_PRESETS / recipe / f"{name}.yaml", f"preset {name}")
    return mapping, Origin(origin.name, origin.lines, packaged=True)  # no folder: a preset names no files


def preset_layers(recipe: str, name: str) -> list[SettingsLayer]:
    """A packaged preset over the one that its key `preset` names, if it names one; nothing below `DEFAULTS`."""
    if name == DEFAULTS:
        return []
    mapping, origin = read_preset(recipe, name)
    below = mapping.get("preset")
    own = {key: value for key, value in mapping.items() if key != "preset"}
    return [*(preset_layers(recipe, str(below)) if below else []), (own, origin)]


def resolve(
    schema: type[T],
    recipe: str,
    *,
    config: str | PathLike[str] | None = None,
    flags: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None,
    overrides: Sequence[str] = (),
    default: str = "small",
) -> Resolved[T]:
    """Lay all settings of a run over each other and check them.

    Args:
        schema: The settings dataclass of the recipe.
        recipe: Its name.
        config: A preset's name or a YAML file; a file is laid over the preset that its key `preset` names.
        flags: Flags of the command line by name; those that are None were not given.
        settings: What Python callers give as keywords, nested or dotted.
        overrides: `key.sub=value`, the last word.
        default: The preset where none is named.

    Raises:
        UserError: One line per problem.
    """
    preset, file = _chosen(recipe, config, default)
    given = {name: value for name, value in (flags or {}).items() if value is not None}
    layers = [*preset_layers(recipe, preset), *file, (given, FLAGS), (settings or {}, Origin())]
    return Resolved(parse_layers(schema, [*layers, *map(read_override, overrides)]), preset)


def _chosen(recipe: str, config: str | PathLike[str] | None, default: str) -> tuple[str, list[SettingsLayer]]:
    """The preset, and the layer of the file where one is given."""
    known = preset_names(recipe) or (DEFAULTS,)
    default = default if default in known else DEFAULTS
    if config is None or fspath(config) in known:
        return fspath(config or default), []
    names = ", ".join(known)
    if not Path(config).exists():
        tried = Path(config).absolute()
        raise UserError(f"--config {config}: neither a preset of {recipe} ({names}) nor a file, tried {tried}")
    mapping, origin = read_yaml(config)
    preset = str(mapping.pop("preset", default))
    if preset not in known:
        raise UserError(f"{origin.where(('preset',))}: {recipe} has no preset {preset!r}; there are {names}")
    return preset, [(mapping, origin)]
