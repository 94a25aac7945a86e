"""Packed files that are damaged, or made to harm."""

import gzip
import stat
import zipfile

import pytest

from tinybert.data import packed
from tinybert.data.packed import open_text
from tinybert.errors import UserError


def lines_of(path):
    with open_text(path) as stream:
        return list(stream.lines())


def zip_of(path, *members, **changes):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            for key, value in changes.items():
                setattr(info, key, value)
            archive.writestr(info, content)
    return path


def test_lines__with_their_numbers_without_blank_ones(tmp_path):
    plain, zipped = tmp_path / "a.txt", zip_of(tmp_path / "a.zip", ("a.txt", b"one\n\n two\n"))
    plain.write_bytes(b"one\n\n two\n")
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"one\n\n two\n"))
    for path in (plain, zipped, tmp_path / "a.gz"):
        assert lines_of(path) == [(1, b"one\n"), (3, b" two\n")]


@pytest.mark.parametrize("name", ["../a.txt", "a/../../b.txt", "/a.txt", "\\\\host\\a.txt", "C:\\a.txt", "..\\a.txt"])
def test_opened_text__paths_that_lead_elsewhere_are_refused(name, tmp_path):
    with pytest.raises(UserError, match="a path that leads elsewhere"):
        lines_of(zip_of(tmp_path / "a.zip", (name, b"x")))


def test_opened_text__links_are_refused(tmp_path):
    path = zip_of(
        tmp_path / "a.zip", ("a.txt", b"/etc/passwd"), create_system=3, external_attr=(stat.S_IFLNK | 0o777) << 16
    )
    with pytest.raises(UserError, match="holds a link"):
        lines_of(path)


def test_opened_text__archives_of_several_files_are_refused_by_name(tmp_path):
    with pytest.raises(UserError, match=r"holds 2 files \(a.txt, b.txt\); unpack it and give one of them"):
        lines_of(zip_of(tmp_path / "a.zip", ("a.txt", b"x"), ("b.txt", b"y")))
    with pytest.raises(UserError, match="holds 0 files"):
        lines_of(zip_of(tmp_path / "b.zip"))


@pytest.mark.parametrize("ending", ["gz", "zip"])
def test_lines__what_unpacks_to_far_more_is_refused(ending, tmp_path):
    content = b"0\n" * 2_000_000
    path = tmp_path / f"a.{ending}"
    if ending == "gz":
        path.write_bytes(gzip.compress(content))
    else:
        zip_of(path, ("a.txt", content))
    with pytest.raises(UserError, match="unpacks to"):
        lines_of(path)


def test_lines__what_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(packed, "LARGEST", 5)
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(b"one\ntwo\n"))
    with pytest.raises(UserError, match="unpacks to over 5 bytes"):
        lines_of(path)


def test_lines__a_line_without_end_is_refused(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"ok\n" + b"x" * (2 << 20))
    with pytest.raises(UserError, match=r"a.txt:2: is over .* bytes long"):
        lines_of(path)


@pytest.mark.parametrize("ending", ["gz", "zip"])
def test_opened_text__damaged_files_are_said_to_be(ending, tmp_path):
    path = tmp_path / f"a.{ending}"
    path.write_bytes(b"no archive at all")
    with pytest.raises(UserError, match="is damaged"):
        lines_of(path)
    if ending == "gz":
        whole = gzip.compress(bytes(range(256)) * 9)
        path.write_bytes(whole[:-20])
        with pytest.raises(UserError, match="is damaged"):
            lines_of(path)


def test_opened_text__a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        lines_of(tmp_path / "none.zip")


def test_opened_text__errors_of_the_reader_pass(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"one\n")

    def read_and_fail():
        with open_text(path) as stream:
            for _ in stream.lines():
                raise OSError(28, "full")

    with pytest.raises(OSError, match="full"):
        read_and_fail()
