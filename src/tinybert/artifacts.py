"""The one store: whatever a step makes lies under a key that says what it was made of.

An artifact is a folder `<name>-<key>` of the store: `result`, which is whole with a manifest or absent, and until then
`work`, what a killed process needs to go on. The key is a hash of the objects that were handed in: nothing stale can be
found, and whoever needs the same finds it, be it another stage, seed, run or experiment.
"""

import hashlib
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock, Timeout
from torch import Tensor, nn

from tinybert import files

LOCK = ".lock"
Make = Callable[[Path], object]  # fills a folder
_OF_ANY_MODULE = vars(nn.Module()).keys()  # hooks, mode, parameters: parameters are looked at by their names


@dataclass(frozen=True)
class Artifact:
    """What a step makes: whole, begun or absent.

    Attributes:
        name: Of the step.
        key: Sha256 of all that it depends on.
        folder: Where it lies.
        inputs: What the key was made from, by dotted name.
    """

    name: str
    key: str
    folder: Path
    inputs: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @property
    def result(self) -> Path:
        """The finished folder."""
        return self.folder / "result"

    @property
    def work(self) -> Path:
        """Where unfinished work is kept: checkpoints, shards; gone when the result is there."""
        return self.folder / "work"

    @property
    def whole(self) -> bool:
        """Whether the result is there, with the sizes and hashes of its manifest; reads all of it."""
        return files.is_whole(self.result)

    def make(self, make: Make) -> None:
        """Let `make` fill a folder, which then is the result.

        Raises:
            ResourceError: If the disk is full.
        """
        with files.atomic_folder(self.result) as temporary:
            make(temporary)
            files.write_manifest(temporary)
        shutil.rmtree(self.work, ignore_errors=True)

    def seal(self) -> None:
        """Make the work, each file of which is whole, the result."""
        with files.full_disk_as_resource_error(self.result):
            files.write_manifest(self.work)
            files.fsync(self.work / files.MANIFEST)
        shutil.rmtree(self.result, ignore_errors=True)  # damaged, or it would not be made again
        self.work.rename(self.result)
        files.fsync(self.folder)

    def part(self, name: str) -> "Artifact":
        """An artifact within the work of this one."""
        return Artifact(name, f"{self.key}/{name}", self.work / name)

    @contextmanager
    def locked(self, tell: Callable[[str], None]) -> Iterator[None]:
        """Own it, which waits for a process that does; what a killed one left unfinished beside it is swept."""
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.folder / LOCK)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            tell(f"{self.name}: another process is making it; this one waits")
            lock.acquire()
        try:
            files.sweep(self.folder)
            yield
        finally:
            lock.release()

    def forget(self, tell: Callable[[str], None]) -> None:
        """Remove result and work."""
        if self.folder.exists():
            with self.locked(tell):
                files.remove(self.result)
                files.remove(self.work)


@dataclass(frozen=True)
class Store:
    """A folder of artifacts.

    Attributes:
        root: The folder; made when it is needed.
        shared: Whether others use it too: then nothing is removed that was not asked for.
    """

    root: Path
    shared: bool = False
    _used: set[str] = field(default_factory=set)

    def entry(self, name: str, /, **inputs: Any) -> Artifact:
        """The artifact of a step, whether it is there or not.

        Args:
            name: Of the step.
            inputs: All that the result depends on, see `digest_of_input`; a `version` among them where the same inputs
                have given other results before.
        """
        known = by_name(inputs)
        key = files.sha256_json([name, known])
        artifact = Artifact(name, key, self.root / folder_name(name, key), known)
        self._used.add(artifact.folder.name)
        return artifact

    def recorded(self, name: str, key: str) -> Artifact:
        """The artifact that a run has noted by name and key."""
        return Artifact(name, key, self.root / folder_name(name, key))

    def forget_all(self, name: str) -> None:
        """Remove the artifacts of a step, whatever they were made from."""
        for path in self.root.glob(f"{name}-*"):
            files.remove(path)

    def tidy(self, named: Collection[str], passing: Collection[str] = ()) -> None:
        """Remove what nobody needs any more; a shared store keeps all.

        Args:
            named: Folders that stay.
            passing: Steps of which nothing stays; of all others what was used since this object was made does too.
        """
        if self.shared:
            return
        for path in self.root.glob("*"):
            used = path.name in self._used and path.name.rsplit("-", 1)[0] not in passing
            if not used and path.name not in named:
                files.remove(path, ignore_errors=True)


def folder_name(name: str, key: str) -> str:
    """Of an artifact in its store."""
    return f"{name}-{key[:20]}"


def digest_of_input(value: Any) -> Any:
    """What a key says of an object: plain values as they are, settings by their fields, anything large by its contents.

    Args:
        value: A plain value; settings (a dataclass); an artifact, by its key; whatever has a `digest`; a module, by its
            class, its own attributes and its tensors; an array or tensor; a collection of such.

    Raises:
        TypeError: If it is something else: a function, a path, an open file.

    Example:
        >>> digest_of_input({"lr": 0.1, "layers": (3, 6)})
        {'lr': 0.1, 'layers': [3, 6]}
    """
    match value:
        case None | bool() | int() | float() | str():
            return value
        case Artifact():
            return value.key
        case object(digest=str() as digest):
            return digest
        case object(digest=method) if callable(method):
            return str(method())
        case Tensor():
            return _digest_of_array(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy(), value)
        case np.ndarray():
            return _digest_of_array(np.ascontiguousarray(value).view(np.uint8), value)
        case nn.Module():
            return files.sha256_json(_of_module(value))
        case Mapping():
            return {str(key): digest_of_input(part) for key, part in value.items()}
        case tuple() | list():
            return [digest_of_input(part) for part in value]
        case set() | frozenset():
            return sorted((digest_of_input(part) for part in value), key=files.sha256_json)
    if is_dataclass(value) and not isinstance(value, type):
        return {part.name: digest_of_input(getattr(value, part.name)) for part in fields(value)}
    raise TypeError(f"a {type(value).__name__} cannot be an input of a step; hand in what it was made from")


def _digest_of_array(content: Any, array: Any) -> str:
    return hashlib.sha256(f"{array.dtype} {tuple(array.shape)}".encode() + content.tobytes()).hexdigest()


def _of_module(module: nn.Module) -> list[Any]:
    own = {name: value for name, value in vars(module).items() if name not in _OF_ANY_MODULE}
    return [
        f"{type(module).__module__}.{type(module).__qualname__}",
        digest_of_input(own),
        {name: digest_of_input(tensor) for name, tensor in module.state_dict().items()},
        {name: digest_of_input(part) for name, part in module.named_children()},
    ]


def by_name(settings: Any) -> dict[str, Any]:
    """Settings as plain values by dotted name, as users write them.

    Example:
        >>> by_name({"prediction": {"lr": 0.1}})
        {'prediction.lr': 0.1}
    """
    return dict(_flat(digest_of_input(settings)))


def _flat(inputs: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Values by dotted name, as users write settings."""
    for name, value in inputs.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value
