"""Settings as text: YAML files and values, read as the user wrote them, with the line of every key.

YAML 1.1 turns `off`, `no` and `on` into booleans and leaves `5e-5` a string. Here a word stays a word (`Plain`) until
the field that it is for decides. Tags, anchors and aliases are refused: settings need none, and attacks do.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike, fspath
from pathlib import Path
from typing import Any, Final

import yaml

from tinybert.errors import UserError

KeyPath = tuple[str, ...]

_LARGEST: Final = 1_000_000  # bytes; settings are pages, not books
_DEEPEST: Final = 20  # levels; the parser's time grows with the square of the depth
_TAGS: Final = {f"tag:yaml.org,2002:{name}" for name in ("str", "seq", "map")}


class Plain(str):
    """A word without quotes: whether it is a number, a truth value or text is decided by the field it is for."""


@dataclass(frozen=True)
class Origin:
    """Where settings were written, for error messages and for relative paths.

    Attributes:
        name: A file as the user named it, or `--` for flags, or `--set key=value`; empty = Python.
        lines: Line of each key path, from 1.
        folder: What relative paths are relative to; None = the current folder, which changes nothing.
        packaged: Whether it is a preset, which may hold values that this run does not read.
    """

    name: str = ""
    lines: Mapping[KeyPath, int] = field(default_factory=dict)
    folder: Path | None = None
    packaged: bool = False

    def where(self, path: KeyPath) -> str:
        """The start of an error message about a key: file, line and key, or the flag."""
        if self.name == "--":
            return f"--{path[0].replace('_', '-')}"
        if self.name.startswith("--"):
            return self.name
        if not self.name:
            return ".".join(path)
        nearest = next((self.lines[path[:end]] for end in range(len(path), 0, -1) if path[:end] in self.lines), 1)
        return f"{self.name}:{nearest}: {'.'.join(path)}"


FLAGS: Final = Origin("--")


def read_yaml(path: str | PathLike[str], name: str | None = None) -> tuple[dict[str, Any], Origin]:
    """Read a file of settings.

    Args:
        path: The file.
        name: What error messages call it; the path where none is given.

    Returns:
        The mapping with unquoted words as `Plain`, and where each key stands.

    Raises:
        UserError: If the file cannot be read or is not a mapping in plain YAML.
    """
    name = name or fspath(path)
    reader = _Reader(name)
    mapping = reader.read(_read_text(Path(path), name))
    if mapping is None or mapping == "":
        mapping = {}
    if not isinstance(mapping, dict):
        raise UserError(f"{name}:1: must be a mapping of settings such as `seed: 1`")
    return mapping, Origin(name, reader.lines, Path(path).parent)


def read_override(text: str) -> tuple[dict[str, Any], Origin]:
    """Read one `key.sub=value`; the value is a word, or YAML in brackets or quotes; nothing at all means null.

    Raises:
        UserError: If there is no key, no equals sign, or the value is not YAML.
    """
    key, equals, value = text.partition("=")
    path = key.strip().split(".")
    if not equals or not all(path):
        raise UserError(f"--set {text}: must look like key=value or group.key=value")
    # Only what opens like YAML is read as YAML: `data.label=#label`, `data.text=a: b` are words.
    clever = value.lstrip()[:1] in ("[", "{", '"', "'")
    content = _Reader(f"--set {text}").read(value) if clever else Plain(value.strip())
    return {".".join(path): content}, Origin(f"--set {text}")


def dump_yaml(mapping: Mapping[str, Any]) -> str:
    """Settings as YAML that `read_yaml` reads back to the same values."""
    return yaml.safe_dump(_simple(mapping), sort_keys=False, allow_unicode=True, width=120)


class _Reader:
    """From YAML nodes to values; a class because the lines are collected on the way."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.lines: dict[KeyPath, int] = {}

    def read(self, text: str) -> Any:
        """The value of a whole text, None where it is empty."""
        try:
            depth = 0
            for event in yaml.parse(text, Loader=yaml.BaseLoader):  # before composing: an alias may hold itself
                depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
                self._check_event(event, depth)
            node = yaml.compose(text, Loader=yaml.BaseLoader)
            return None if node is None else self._value(node, ())
        except yaml.YAMLError as error:
            raise UserError(
                f"{self._at(getattr(error, 'problem_mark', None))}: cannot be read as YAML: {_reason(error)}"
            ) from None

    def _check_event(self, event: yaml.Event, depth: int) -> None:
        if depth > _DEEPEST:
            raise UserError(f"{self._at(event.start_mark)}: nested too deeply for settings")
        tag = getattr(event, "tag", None)
        if getattr(event, "anchor", None) is not None:
            raise UserError(
                f"{self._at(event.start_mark)}: anchors (&) and aliases (*) are not read; write the value out"
            )
        if tag not in {None, "!", *_TAGS}:
            raise UserError(f"{self._at(event.start_mark)}: tags such as {tag} are not read; write a plain value")

    def _value(self, node: yaml.Node, path: KeyPath) -> Any:
        if isinstance(node, yaml.MappingNode):
            return dict(self._items(node, path))
        if isinstance(node, yaml.SequenceNode):
            return [self._value(child, (*path, str(index))) for index, child in enumerate(node.value)]
        return node.value if getattr(node, "style", None) else Plain(node.value)

    def _items(self, node: yaml.MappingNode, path: KeyPath) -> Iterator[tuple[str, Any]]:
        seen: dict[str, int] = {}
        for key_node, value_node in node.value:
            at = self._at(key_node.start_mark)
            if not isinstance(key_node, yaml.ScalarNode):
                raise UserError(f"{at}: a key must be a word")
            key = str(key_node.value)
            if key in seen:
                raise UserError(f"{at}: {'.'.join((*path, key))}: given twice, first in line {seen[key]}")
            inner = (*path, *key.split("."))
            self.lines[inner] = seen[key] = _line(key_node.start_mark)
            yield key, self._value(value_node, inner)

    def _at(self, mark: Any) -> str:
        return self.name if mark is None or self.name.startswith("--") else f"{self.name}:{_line(mark)}"


def _read_text(path: Path, name: str) -> str:
    try:
        with path.open("rb") as stream:
            content = stream.read(_LARGEST + 1)
    except OSError as error:
        raise UserError(f"{name}: cannot be read ({error.strerror}); tried {path.absolute()}") from None
    if len(content) > _LARGEST:
        raise UserError(f"{name}: larger than {_LARGEST:,} bytes, so hardly a file of settings")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise UserError(f"{name}:{line}: not UTF-8; save the file as UTF-8") from None


def _line(mark: Any) -> int:
    return int(mark.line) + 1


def _reason(error: yaml.YAMLError) -> str:
    reason = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error).splitlines()[0]
    return str(reason)


def _simple(value: Any) -> Any:
    """Only what YAML has words for."""
    if isinstance(value, Mapping):
        return {str(key): _simple(inner) for key, inner in value.items()}
    if isinstance(value, str | PathLike):
        return str(fspath(value))
    if isinstance(value, Sequence):
        return [_simple(inner) for inner in value]
    return value
