"""Shards are whole or missing, whatever happened to the process or to the disk."""

import pyarrow as pa
import pytest

from tinybert.augment.shards import MANIFEST, Shards, content_of
from tinybert.log import Log

LOG = Log(silent=True)


def content(number):
    return content_of(pa.table({"number": [number], "text": [f"text {number}"]}))


@pytest.fixture
def full(tmp_path):
    shards = Shards(tmp_path / "copies", 4)
    for number in (2, 0, 3, 1):
        shards.add(number, content(number))
    return shards


def test__what_was_added_is_read_back_and_nothing_is_missing(full, tmp_path):
    assert [full.read(number).to_pylist()[0]["text"] for number in range(len(full))] == [f"text {n}" for n in range(4)]
    assert full.read(2, "number").column_names == ["number"]
    assert Shards(tmp_path / "copies", 4).missing(LOG) == []


def test__the_same_table_has_the_same_bytes():
    assert content(3) == content(3) != content(4)


@pytest.mark.parametrize("how", ["flip", "truncate", "delete"])
def test__a_damaged_shard_is_missing_and_said_to_be(full, tmp_path, capsys, how):
    path = tmp_path / "copies" / "000002.parquet"
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    path.unlink() if how == "delete" else path.write_bytes(damaged if how == "flip" else damaged[:-7])
    assert Shards(tmp_path / "copies", 4).missing(Log()) == [2]
    assert "copies: shards 2 are damaged; they are made again" in capsys.readouterr().err


def test__half_a_line_of_the_manifest_costs_one_shard_and_spoils_no_other(full, tmp_path):
    manifest = tmp_path / "copies" / MANIFEST
    manifest.write_text(manifest.read_text()[:-20])
    again = Shards(tmp_path / "copies", 4)
    assert again.missing(LOG) == [1]
    again.add(1, content(1))
    assert Shards(tmp_path / "copies", 4).missing(LOG) == []


@pytest.mark.parametrize("text", ["", "nonsense\n", "[1, 2]\n", '{"shard": 0}\n', "\xff\n"])
def test__a_manifest_that_says_nothing_leaves_all_to_be_made(full, tmp_path, text):
    (tmp_path / "copies" / MANIFEST).write_text(text)
    assert Shards(tmp_path / "copies", 4).missing(LOG) == [0, 1, 2, 3]


def test__a_file_that_is_not_listed_does_not_count(tmp_path):
    shards = Shards(tmp_path, 2)
    (tmp_path / "000001.parquet").write_bytes(content(1))
    assert shards.missing(LOG) == [0, 1]
