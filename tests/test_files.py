import errno
import json
import math
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tinybert import files
from tinybert.errors import Interrupted, ResourceError
from tinybert.files import (
    atomic_file,
    atomic_folder,
    is_whole,
    read_json,
    sha256_file,
    sha256_json,
    sweep,
    write_json,
    write_manifest,
)

ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # sha256 of "abc", FIPS 180-2


@pytest.fixture
def umask() -> Iterator[Callable[[int], int]]:
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


def old_file(folder: Path) -> Path:
    target = folder / "settings.json"
    target.write_text("old", encoding="utf-8")
    return target


def old_folder(folder: Path) -> Path:
    target = folder / "student"
    (target / "deep").mkdir(parents=True)
    (target / "deep" / "weights").write_text("old", encoding="utf-8")
    return target


def content(path: Path) -> dict[str, str]:
    """Everything below a folder; what a reader, or a forgotten temporary file, would show."""
    return {p.relative_to(path).as_posix(): p.read_text(encoding="utf-8") for p in path.rglob("*") if p.is_file()}


def fill(temporary: Path) -> None:
    if temporary.is_dir():
        (temporary / "new").write_text("half", encoding="utf-8")
    else:
        temporary.write_text("half", encoding="utf-8")


Atomic = Callable[[Path], AbstractContextManager[Path]]
both = pytest.mark.parametrize(("atomic", "make_old"), [(atomic_file, old_file), (atomic_folder, old_folder)])


def test__a_file_appears_whole_with_its_parents(tmp_path: Path) -> None:
    target = tmp_path / "a" / "b" / "c.txt"
    with atomic_file(target) as temporary:
        temporary.write_text("new", encoding="utf-8")
        assert temporary.parent == target.parent
        assert not target.exists()
    assert content(tmp_path) == {"a/b/c.txt": "new"}


def test__a_file_is_replaced(tmp_path: Path) -> None:
    with atomic_file(old_file(tmp_path)) as temporary:
        temporary.write_text("new", encoding="utf-8")
    assert content(tmp_path) == {"settings.json": "new"}


def test__a_folder_appears_whole_with_its_parents(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "a" / "student") as temporary:
        (temporary / "deep").mkdir()
        (temporary / "deep" / "weights").write_text("new", encoding="utf-8")
        assert not (tmp_path / "a" / "student").exists()
    assert content(tmp_path) == {"a/student/deep/weights": "new"}


def test__a_folder_is_replaced_and_nothing_of_the_old_one_stays(tmp_path: Path) -> None:
    with atomic_folder(old_folder(tmp_path)) as temporary:
        (temporary / "weights").write_text("new", encoding="utf-8")
    assert content(tmp_path) == {"student/weights": "new"}
    assert [path.name for path in tmp_path.iterdir()] == ["student"]


@both
@pytest.mark.parametrize("problem", [RuntimeError("bug"), KeyboardInterrupt(), Interrupted(15)])
def test__an_exception_leaves_the_old_content_and_no_litter(
    tmp_path: Path, atomic: Atomic, make_old: Callable[[Path], Path], problem: BaseException
) -> None:
    target = make_old(tmp_path)
    before = content(tmp_path)

    def write() -> None:
        with atomic(target) as temporary:
            fill(temporary)
            raise problem

    with pytest.raises(type(problem)):
        write()
    assert content(tmp_path) == before
    assert list(tmp_path.iterdir()) == [target]


KILLED = """
import os, signal, sys
from pathlib import Path
from tinybert.files import {atomic}
with {atomic}(Path(sys.argv[1])) as temporary:
    ((temporary / "new") if temporary.is_dir() else temporary).write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@both
@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is a POSIX signal")
def test__a_kill_leaves_the_old_content_and_litter_that_a_sweep_removes(
    tmp_path: Path, atomic: Atomic, make_old: Callable[[Path], Path]
) -> None:
    target = make_old(tmp_path)
    before = content(tmp_path)
    ended = subprocess.run([sys.executable, "-c", KILLED.format(atomic=atomic.__name__), target], check=False)
    assert ended.returncode == -signal.SIGKILL
    litter = [path for path in tmp_path.iterdir() if path != target]
    assert len(litter) == 1
    assert litter[0].name.startswith(files.TEMPORARY)
    sweep(tmp_path)
    assert content(tmp_path) == before
    assert list(tmp_path.iterdir()) == [target]


@both
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("moment", ["writing", "flushing"])
def test__a_full_disk_is_a_resource_error_that_names_the_target(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    atomic: Atomic,
    make_old: Callable[[Path], Path],
    code: int,
    moment: str,
) -> None:
    target = make_old(tmp_path)
    before = content(tmp_path)

    def full(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    def write() -> None:
        with atomic(target) as temporary:
            fill(temporary)
            if moment == "writing":
                full()

    if moment == "flushing":
        monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(ResourceError, match=f"{target.name}: no space left on the disk") as caught:
        write()
    assert caught.value.exit_code == 75
    assert content(tmp_path) == before
    assert list(tmp_path.iterdir()) == [target]


def test__other_trouble_with_the_disk_stays_what_it_is(tmp_path: Path) -> None:
    def write() -> None:
        with atomic_file(tmp_path / "a"):
            raise OSError(errno.EIO, "broken")

    with pytest.raises(OSError, match="broken"):
        write()


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
@pytest.mark.parametrize(("mask", "file_mode", "folder_mode"), [(0o022, 0o644, 0o755), (0o077, 0o600, 0o700)])
def test__permissions_follow_the_umask(
    tmp_path: Path, umask: Callable[[int], int], mask: int, file_mode: int, folder_mode: int
) -> None:
    def mode(path: Path) -> int:
        return stat.S_IMODE(path.stat().st_mode)

    umask(mask)
    with atomic_file(tmp_path / "file") as temporary:
        temporary.write_text("new", encoding="utf-8")
    with atomic_folder(tmp_path / "folder") as temporary:
        (temporary / "deep").mkdir(mode=0o700)
        (temporary / "deep" / "file").touch(mode=0o600)
    assert mode(tmp_path / "file") == mode(tmp_path / "folder" / "deep" / "file") == file_mode
    assert mode(tmp_path / "folder") == mode(tmp_path / "folder" / "deep") == folder_mode
    assert umask(mask) == mask


def test__content_is_flushed_before_the_rename_and_the_parent_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, seen = tmp_path / "a", []
    monkeypatch.setattr(files, "fsync", lambda path: seen.append((path, target.exists())))
    with atomic_file(target) as temporary:
        temporary.write_text("new", encoding="utf-8")
    assert seen == [(temporary, False), (tmp_path, True)]


def test__every_file_of_a_folder_is_flushed_before_the_rename(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target, seen = tmp_path / "a", []
    monkeypatch.setattr(files, "fsync", lambda path: seen.append((path, target.exists())))
    with atomic_folder(target) as temporary:
        (temporary / "deep").mkdir()
        (temporary / "deep" / "weights").write_text("new", encoding="utf-8")
    inside = {temporary, temporary / "deep", temporary / "deep" / "weights"}
    assert set(seen[:-1]) == {(path, False) for path in inside}
    assert seen[-1] == (tmp_path, True)


def test__flushing_works_on_files_and_folders(tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").exists() else None
    for path in (old_file(tmp_path), tmp_path):
        files.fsync(path)
    if before is not None:
        assert len(list(Path("/proc/self/fd").iterdir())) == before


def test__json_is_readable_and_reads_back(tmp_path: Path) -> None:
    value = {"text": "déjà vu", "sizes": [4, 312], "rate": 1e-5, "nothing": None}
    write_json(tmp_path / "a.json", value)
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert "déjà vu" in text
    assert text.endswith("}\n")
    assert read_json(tmp_path / "a.json") == value == json.loads(text)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test__json_refuses_what_is_no_json_and_keeps_the_old_file(tmp_path: Path, value: float) -> None:
    target = old_file(tmp_path)
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(target, {"rate": value})
    assert content(tmp_path) == {"settings.json": "old"}


def test__a_sweep_removes_unfinished_things_at_any_depth_and_nothing_else(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "stages"):
        (folder / f"{files.TEMPORARY}1-x" / f"{files.TEMPORARY}2-y").mkdir(parents=True)
        (folder / f"{files.TEMPORARY}1-x" / "half").touch()
        (folder / f"{files.TEMPORARY}3-z").touch()
        (folder / "kept.tmp").write_text("whole", encoding="utf-8")
    sweep(tmp_path)
    assert content(tmp_path) == {"kept.tmp": "whole", "stages/kept.tmp": "whole"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept.tmp", "stages"]


def test__hashes_are_those_of_the_standard(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256_file(tmp_path / "a") == ABC


def test__the_hash_of_a_mapping_knows_values_and_no_order() -> None:
    assert sha256_json({"a": 1, "b": [1, 2]}) == sha256_json({"b": [1, 2], "a": 1})
    assert len({sha256_json(value) for value in ({"a": 1}, {"a": 2}, {"b": 1}, {"a": [1]}, {"a": "1"})}) == 5


def signed_folder(folder: Path) -> Path:
    (folder / "deep").mkdir()
    (folder / "deep" / "a").write_bytes(b"abc")
    (folder / "b").touch()
    write_manifest(folder)
    return folder


def test__a_manifest_lists_size_and_hash_of_every_other_file(tmp_path: Path) -> None:
    found = read_json(signed_folder(tmp_path) / files.MANIFEST)
    assert list(found) == ["b", "deep/a"]
    assert found["deep/a"] == {"bytes": 3, "sha256": ABC}
    assert found["b"]["bytes"] == 0


def test__a_folder_is_whole_until_anything_in_it_changes(tmp_path: Path) -> None:
    changes: list[Callable[[Path], object]] = [
        lambda folder: (folder / "deep" / "a").write_bytes(b"abd"),
        lambda folder: (folder / "deep" / "a").write_bytes(b"ab"),
        lambda folder: (folder / "b").unlink(),
        lambda folder: (folder / "c").touch(),
        lambda folder: (folder / files.MANIFEST).write_text("{", encoding="utf-8"),
        lambda folder: (folder / files.MANIFEST).unlink(),
    ]
    for number, change in enumerate(changes):
        folder = tmp_path / str(number)
        folder.mkdir()
        assert is_whole(signed_folder(folder))
        change(folder)
        assert not is_whole(folder)


def test__a_folder_without_a_manifest_or_that_is_absent_is_not_whole(tmp_path: Path) -> None:
    assert not is_whole(tmp_path)
    assert not is_whole(tmp_path / "absent")
