"""Shards are whole or missing, whatever happened to the process or to the disk."""

import pyarrow as pa
import pytest

from augment.worlds import run_in
from tinybert.augment.shards import TABLE, Shards, content_of
from tinybert.log import Log

LOG = Log(silent=True)


def content(number):
    return content_of(pa.table({"number": [number], "text": [f"text {number}"]}))


@pytest.fixture
def artifact(tmp_path):
    return run_in(tmp_path).store.entry("augment")


@pytest.fixture
def full(artifact):
    shards = Shards(artifact, "copies", 4)
    for number in (2, 0, 3, 1):
        shards.add(number, content(number))
    return shards


def test__what_was_added_is_read_back_and_nothing_is_missing(full, artifact):
    assert [full.read(number).to_pylist()[0]["text"] for number in range(len(full))] == [f"text {n}" for n in range(4)]
    assert full.read(2, "number").column_names == ["number"]
    assert Shards(artifact, "copies", 4).missing(LOG) == []
    assert Shards(artifact, "classes", 2).missing(LOG) == [0, 1]


def test__the_same_table_has_the_same_bytes():
    assert content(3) == content(3) != content(4)


@pytest.mark.parametrize("how", ["flip", "truncate", "delete"])
def test__a_damaged_shard_is_missing_and_said_to_be(full, capsys, how):
    path = full.part(2).result / TABLE
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    path.unlink() if how == "delete" else path.write_bytes(damaged if how == "flip" else damaged[:-7])
    assert full.missing(Log()) == [2]
    assert "copies: shards 2 are damaged; they are made again" in capsys.readouterr().err
    full.add(2, content(2))
    assert full.missing(LOG) == []
