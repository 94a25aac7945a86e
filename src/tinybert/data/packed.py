"""Text that may be packed: plain, `.gz`, or `.zip` with one file in it; unpacked as it is read, with a limit."""

import gzip
import lzma
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from tinybert.data.problems import listed, one_line, unreadable_as_user_error
from tinybert.errors import UserError

LARGEST = 20_000_000_000  # bytes when unpacked
RATIO = 200  # bytes per packed byte: text packs to a third, only something made to harm comes near
_LONGEST_LINE = 1 << 20  # bytes
_UNPACK = "unpack it yourself if you trust it"
_Bytes = Any  # what the three ways to open give has `read` and `readline` in common, but no type


@contextmanager
def open_text(path: Path, *, endless: bool = False) -> Iterator["Unpacked"]:
    """Open a file for reading bytes, by its ending.

    Args:
        path: The file.
        endless: Whether it may unpack to more than `LARGEST`; to `RATIO` times its size in any case.

    Raises:
        UserError: If it cannot be read, is damaged, or is an archive that does not hold one ordinary file.
    """
    with ExitStack() as opened:
        with unreadable_as_user_error(path), _damage_as_user_error(path):
            stream, packed = _open_bytes(path, opened)
        yield Unpacked(path, stream, _limit(packed, endless))


class Unpacked:
    """What comes out of a file that may be packed."""

    def __init__(self, path: Path, stream: _Bytes, limit: int | None) -> None:
        """`limit` is how many bytes may come out; None = any number."""
        self._path, self._stream, self._limit = path, stream, limit

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """The lines that are not blank, with their numbers from 1.

        Raises:
            UserError: If the file is damaged, unpacks to too much, or has a line of over a million bytes.
        """
        return ((number, line) for number, line in enumerate(self.whole_lines(_LONGEST_LINE), 1) if line.strip())

    def whole_lines(self, longest: int) -> Iterator[bytes]:
        """All lines, blank ones too.

        Raises:
            UserError: If the file is damaged, unpacks to too much, or has a line of `longest` bytes.
        """
        for number, line in enumerate(self._counted(lambda: self._stream.readline(longest)), start=1):
            if len(line) == longest:
                raise UserError(f"{self._path}:{number}: is over {longest:,} bytes long; is this a text file?")
            yield line

    def parts(self, size: int) -> Iterator[bytes]:
        """Everything, in parts of at most `size` bytes.

        Raises:
            UserError: If the file is damaged, or unpacks to too much.
        """
        return self._counted(lambda: self._stream.read(size))

    def _counted(self, more: Callable[[], bytes]) -> Iterator[bytes]:
        """What comes out; bytes are counted while they come: what an archive says of its size need not be true."""
        read = 0
        with unreadable_as_user_error(self._path), _damage_as_user_error(self._path):
            while part := more():
                read += len(part)
                if self._limit is not None and read > self._limit:
                    raise UserError(f"{self._path}: unpacks to over {self._limit:,} bytes; {_UNPACK}")
                yield part


def _limit(packed: int | None, endless: bool) -> int | None:
    """How many bytes may come out of a file; `packed` is its size on the disk, None where nothing is packed."""
    if packed is None:
        return None
    return RATIO * packed if endless else min(LARGEST, RATIO * packed)


def _open_bytes(path: Path, opened: ExitStack) -> tuple[_Bytes, int | None]:
    """The stream, which `opened` will close, and the size of the file if it is packed."""
    raw = opened.enter_context(path.open("rb"))
    if path.suffix.lower() == ".gz":
        if (size := path.stat().st_size) == 0:
            raise EOFError("it has no bytes")
        return opened.enter_context(gzip.GzipFile(fileobj=raw)), size
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
