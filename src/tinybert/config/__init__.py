"""The one place that checks what users set: YAML, flags and `--set` in, frozen dataclasses out.

Schemas are plain nested dataclasses; what makes sense beyond types is checked in their `__post_init__`.
"""

from tinybert.config.parse import parse, parse_layers
from tinybert.config.presets import Resolved, preset_names, read_preset, resolve
from tinybert.config.schema import FILE, MODEL, Choice, Key, schema_keys
from tinybert.config.source import Origin, Plain, dump_yaml, read_yaml
from tinybert.config.unread import unread_keys, without_unread

__all__ = [
    "FILE",
    "MODEL",
    "Choice",
    "Key",
    "Origin",
    "Plain",
    "Resolved",
    "dump_yaml",
    "parse",
    "parse_layers",
    "preset_names",
    "read_preset",
    "read_yaml",
    "resolve",
    "schema_keys",
    "unread_keys",
    "without_unread",
]
