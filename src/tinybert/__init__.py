"""TinyBERT: small language encoders out of big ones.

The public names, each the Python face of a command, and what researchers build on: `tinybert.objectives` and
`tinybert.types`; parts of recipes come by `from tinybert.recipes import ...`, because `tinybert.recipes` is a command.
Nothing heavy is imported before one of them is used.
"""

import os
import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tinybert import objectives as objectives
    from tinybert import types as types
    from tinybert.api import augment, compare, demo, distill, evaluate, export, predict, recipes, report, reproduce

    __version__: str

__all__ = [
    "__version__",
    "augment",
    "compare",
    "demo",
    "distill",
    "evaluate",
    "export",
    "predict",
    "recipes",
    "report",
    "reproduce",
]

_MODULES = ("objectives", "types")

# With it torch asks Linux for large pages for tensors of two megabytes and more; it is read before the first tensor is
# made. Updates with stored outputs are 3 to 8 % faster and take 100 MB less (4x312, AMD EPYC).
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name == "__version__":
        from importlib.metadata import version

        return version("tinybert")
    if name in _MODULES:
        return import_module(f"tinybert.{name}")
    if name in __all__:
        from tinybert import api

        return getattr(api, name)
    raise AttributeError(f"module 'tinybert' has no attribute {name!r}; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    """The public names."""
    return [*__all__, *_MODULES]


class _Package(ModuleType):
    """Keeps `tinybert.export` the command: the package tinybert/export would take its place when it is imported."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in __all__ and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
