import errno
from typing import Any

import pyarrow as pa
import pytest

from tinybert.data import sink
from tinybert.data.sink import Sink
from tinybert.errors import ResourceError

SCHEMA = pa.schema([("text", pa.large_string()), ("row", pa.int64())])
BLOCK = 64


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sink, "BLOCK", BLOCK)


@pytest.mark.parametrize("spill_bytes", [1 << 30, 0, 3_000])
@pytest.mark.parametrize("rows", [0, 1, BLOCK, 3 * BLOCK + 7])
def test_sink__gives_back_what_was_added_from_memory_or_disk(rows: int, spill_bytes: int) -> None:
    gathered = Sink(SCHEMA, spill_bytes)
    for number in range(rows):
        gathered.add((f"text {number}", number))
    table = gathered.table()
    assert table.schema == SCHEMA
    assert table.column("row").to_pylist() == list(range(rows))
    assert table.column("text").to_pylist() == [f"text {number}" for number in range(rows)]


def test_sink__keeps_large_data_out_of_memory() -> None:
    gathered = Sink(SCHEMA, spill_bytes=0)
    for number in range(20 * BLOCK):
        gathered.add(("x" * 13_000, number))
    before = pa.total_allocated_bytes()
    table = gathered.table()
    assert table.nbytes > 16_000_000
    assert pa.total_allocated_bytes() - before < 1_000_000


def test_sink__reports_a_full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(sink.tempfile, "TemporaryFile", full)
    gathered = Sink(SCHEMA, spill_bytes=0)
    gathered.add(("text", 1))
    with pytest.raises(ResourceError, match=r"no space left"):
        gathered.table()
