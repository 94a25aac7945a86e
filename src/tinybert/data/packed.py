"""Text that may be packed: plain, `.gz`, or `.zip` with one file in it; unpacked as it is read, with a limit."""

import gzip
import lzma
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from tinybert.data.opened import one_line, readable
from tinybert.data.problems import listed
from tinybert.errors import UserError

LARGEST = 20_000_000_000  # bytes when unpacked
RATIO = 200  # bytes per packed byte: text packs to a third, only something made to harm comes near
_LONGEST_LINE = 1 << 20  # bytes
_UNPACK = "unpack it yourself if you trust it"
_Bytes = Any  # what the three ways to open give has `readline` in common, but no type


@contextmanager
def opened_text(path: Path) -> Iterator["Unpacked"]:
    """Open a file for reading bytes, by its ending.

    Raises:
        UserError: If it cannot be read, is damaged, or is an archive that does not hold one ordinary file.
    """
    with ExitStack() as opened:
        with readable(path), _damage_as_user_error(path):
            stream, packed = _opened(path, opened)
        yield Unpacked(path, stream, packed)


class Unpacked:
    """What comes out of a file that may be packed."""

    def __init__(self, path: Path, stream: _Bytes, packed: int | None) -> None:
        """`packed` is the size on the disk; None where nothing is packed."""
        self._path, self._stream = path, stream
        self._limit = None if packed is None else min(LARGEST, RATIO * packed)

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """The lines that are not blank, with their numbers from 1.

        Bytes are counted while they come: what an archive says of its size need not be true.

        Raises:
            UserError: If the file is damaged, unpacks to too much, or has a line of over a million bytes.
        """
        number, read = 0, 0
        with readable(self._path), _damage_as_user_error(self._path):
            while line := self._stream.readline(_LONGEST_LINE):
                number, read = number + 1, read + len(line)
                if len(line) == _LONGEST_LINE:
                    raise UserError(f"{self._path}:{number}: is over {len(line):,} bytes long; is this a text file?")
                if self._limit is not None and read > self._limit:
                    raise UserError(f"{self._path}: unpacks to over {self._limit:,} bytes; {_UNPACK}")
                if line.strip():
                    yield number, line


def _opened(path: Path, opened: ExitStack) -> tuple[_Bytes, int | None]:
    """The stream, which `opened` will close, and the size of the file if it is packed."""
    raw = opened.enter_context(path.open("rb"))
    if path.suffix.lower() == ".gz":
        unzipped = opened.enter_context(gzip.GzipFile(fileobj=raw))
        return unzipped, path.stat().st_size
    if path.suffix.lower() == ".zip":
        archive = opened.enter_context(zipfile.ZipFile(raw))
        return opened.enter_context(archive.open(_only_member(path, archive))), path.stat().st_size
    return raw, None


def _only_member(path: Path, archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    """The one file of an archive, if it is an ordinary one under an ordinary name."""
    members = [member for member in archive.infolist() if not member.is_dir()]
    if len(members) != 1:
        names = listed((member.filename for member in members), limit=5)
        raise UserError(f"{path}: holds {len(members)} files ({names}); unpack it and give one of them")
    member = members[0]
    name = PurePosixPath(member.filename.replace("\\", "/"))
    if name.is_absolute() or ".." in name.parts or ":" in member.filename:
        raise UserError(f"{path}: the file in it has a path that leads elsewhere; {_UNPACK}")
    if stat.S_ISLNK(member.external_attr >> 16):
        raise UserError(f"{path}: holds a link, not a file; give the file itself")
    if member.flag_bits & 1:
        raise UserError(f"{path}: is locked with a password; unpack it and give the file in it")
    if member.file_size > min(LARGEST, RATIO * max(member.compress_size, 1)):
        raise UserError(f"{path}: unpacks to {member.file_size:,} bytes; {_UNPACK}")
    return member


@contextmanager
def _damage_as_user_error(path: Path) -> Iterator[None]:
    """What the unpackers say of a damaged file, as one line."""
    try:
        yield
    except (zipfile.BadZipFile, gzip.BadGzipFile, EOFError, zlib.error, lzma.LZMAError, NotImplementedError) as error:
        raise UserError(f"{path}: is damaged ({one_line(error)}); download it again") from error
