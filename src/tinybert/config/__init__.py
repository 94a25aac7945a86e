"""The one place that checks what users set: YAML, flags and `--set` in, frozen dataclasses out.

Schemas are plain nested dataclasses; what makes sense beyond types is checked in their `__post_init__`.
"""

from tinybert.config.parse import parse, parse_layers
from tinybert.config.presets import Resolved, preset_names, read_preset, resolve
from tinybert.config.schema import FILE, MODEL, Key, schema_keys
from tinybert.config.source import Origin, Plain, dump_yaml, read_yaml

__all__ = [
    "FILE",
    "MODEL",
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
]
