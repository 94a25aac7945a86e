"""Files that are either whole or absent: write beside the target, fsync, rename, fsync the folder.

A kill or a full disk at any moment leaves the old content, or none, never half of the new one.
"""

import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tinybert.errors import ResourceError

TEMPORARY = ".tmp-"  # prefix of everything unfinished; swept at the start of a run
ASIDE = f"{TEMPORARY}old-"  # folders that step aside for their replacement
MANIFEST = "manifest.json"
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FULL_SAID = tuple(f"(os error {number})" for number in FULL)  # how safetensors and tokenizers, in Rust, say it


@contextmanager
def full_disk_as_resource_error(target: Path) -> Iterator[None]:
    """Turn "no space left" into a `ResourceError` that names the target."""
    try:
        yield
    except Exception as error:
        if _says_full(error):
            raise ResourceError(
                f"{target}: no space left on the disk; free some and run the same command again"
            ) from error
        raise


@contextmanager
def atomic_file(target: Path) -> Iterator[Path]:
    """Give a temporary path beside `target`; when the block ends well it becomes `target`, otherwise it is removed."""
    with full_disk_as_resource_error(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f"{TEMPORARY}{os.getpid()}-", dir=target.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        with full_disk_as_resource_error(target):
            yield temporary
            _settle(temporary)
            temporary.replace(target)
            fsync(target.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """Give a temporary folder beside `target`; when the block ends well it replaces `target`, else it is removed."""
    with full_disk_as_resource_error(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f"{TEMPORARY}{os.getpid()}-", dir=target.parent))
    try:
        with full_disk_as_resource_error(target):
            yield temporary
            for path in [*temporary.rglob("*"), temporary]:
                _settle(path)
            _replace_folder(temporary, target)
            fsync(target.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def seen_from(folder: Path, path: str | None) -> str | None:
    """A path that exists as it is called from a folder, which may move together with it; else as it was given."""
    return os.path.relpath(path, folder) if path is not None and Path(path).exists() else path


def write_text(target: Path, text: str) -> None:
    """Write a text file atomically, UTF-8."""
    with atomic_file(target) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(target: Path, value: Any) -> None:
    """Write JSON atomically: readable, UTF-8, a newline at the end; NaN is refused."""
    write_text(target, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file that this package wrote."""
    return json.loads(path.read_text(encoding="utf-8"))


def write_sealed(target: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON object with its own hash, so that `found_sealed` sees damage."""
    write_json(target, {**value, "sha256": sha256_json(value)})


def found_sealed(path: Path) -> dict[str, Any] | None:
    """Read what `write_sealed` wrote; None where it is absent or damaged."""
    try:
        content = dict(read_json(path))
    except (OSError, ValueError, TypeError):
        return None
    seal = content.pop("sha256", None)  # None: written before there were seals
    return content if seal in (None, sha256_json(content)) else None


def fsync(path: Path) -> None:
    """Flush a file or a folder to the disk; a no-op for folders where the system cannot (Windows)."""
    if os.name == "nt" and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sweep(folder: Path) -> None:
    """Tidy up after a killed process below `folder`; call it only while holding the folder's lock."""
    for aside in folder.rglob(f"{ASIDE}*"):
        for old in aside.iterdir():
            if not (aside.parent / old.name).exists():
                old.rename(aside.parent / old.name)
    for path in sorted(folder.rglob(f"{TEMPORARY}*")):
        remove(path, ignore_errors=True)


def remove(path: Path, *, ignore_errors: bool = False) -> None:
    """Remove a file or a folder with all that is in it, if it is there; of a folder `ignore_errors` leaves the rest."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=ignore_errors)
    else:
        path.unlink(missing_ok=True)


def sha256_file(path: Path) -> str:
    """Hash of a file's content."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sha256_of_each(folder: Path) -> dict[str, str]:
    """Hashes of all files in a folder, also deeper ones, by their paths from there."""
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): sha256_file(path) for path in paths}


def sha256_json(value: Any) -> str:
    """Hash of a JSON value, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def write_manifest(folder: Path) -> None:
    """Note size and sha256 of each file of a folder, in its `manifest.json`."""
    (folder / MANIFEST).write_text(json.dumps(_manifest(folder), indent=2) + "\n", encoding="utf-8")


def is_whole(folder: Path) -> bool:
    """Whether every file of a folder is as its manifest says; False where there is no manifest."""
    try:
        return bool(read_json(folder / MANIFEST) == _manifest(folder))
    except (OSError, ValueError):
        return False


def _manifest(folder: Path) -> Mapping[str, Mapping[str, Any]]:
    found = sha256_of_each(folder)
    return {
        name: {"bytes": (folder / name).stat().st_size, "sha256": sha}
        for name, sha in found.items()
        if name != MANIFEST
    }


def _says_full(error: Exception) -> bool:
    """Whether an error means a full disk; what is written in Rust raises errors that have no number."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in FULL
    return any(said in str(error) for said in _FULL_SAID)


def _settle(path: Path) -> None:
    """Give a path the permissions of the umask (temporary ones are private) and flush it."""
    umask = os.umask(0)
    os.umask(umask)
    path.chmod((0o777 if path.is_dir() else 0o666) & ~umask)
    fsync(path)


def _replace_folder(new: Path, target: Path) -> None:
    """Rename over an existing folder: the old one steps aside first, since a rename cannot replace a full folder.

    A kill between the two renames leaves the old content aside, where `sweep` finds it and puts it back.
    """
    if not target.exists():
        new.rename(target)
        return
    aside = Path(tempfile.mkdtemp(prefix=ASIDE, dir=target.parent))
    target.rename(aside / target.name)
    try:
        new.rename(target)
    except BaseException:
        (aside / target.name).rename(target)
        raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)
