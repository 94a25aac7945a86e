"""Where rows gather: Arrow record batches, in memory while they are few, in an unnamed file once they are many."""

import mmap
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from tinybert.data.opened import BLOCK
from tinybert.files import full_disk_as_resource_error

SPILL_BYTES = 256 << 20  # what a data set may take of memory before it goes to disk


class Sink:
    """Takes rows one at a time and gives them back as one table, memory-mapped where it is large."""

    def __init__(self, schema: pa.Schema, spill_bytes: int = SPILL_BYTES) -> None:
        self._schema = schema
        self._spill_bytes = spill_bytes
        self._rows: list[Sequence[Any]] = []
        self._batches: list[pa.RecordBatch] = []
        self._bytes = 0
        self._file: IO[bytes] | None = None
        self._writer: Any = None

    def add(self, row: Sequence[Any]) -> None:
        """Add one row, its values in the order of the schema.

        Raises:
            ResourceError: If the disk is full.
        """
        self._rows.append(row)
        if len(self._rows) == BLOCK:
            self._flush()

    def table(self) -> pa.Table:
        """Everything that was added; the sink is used up.

        Raises:
            ResourceError: If the disk is full.
        """
        self._flush()
        if self._file is None:
            return pa.Table.from_batches(self._batches, self._schema)
        self._spill()
        with full_disk_as_resource_error(Path(tempfile.gettempdir())):
            self._writer.close()
            self._file.flush()
        mapped = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)  # outlives the file object
        self._file.close()
        return pa.ipc.open_stream(pa.py_buffer(mapped)).read_all()

    def _flush(self) -> None:
        if not self._rows:
            return
        columns = [
            pa.array(column, field.type)
            for column, field in zip(zip(*self._rows, strict=True), self._schema, strict=True)
        ]
        batch = pa.record_batch(columns, schema=self._schema)
        self._rows.clear()
        self._batches.append(batch)
        self._bytes += batch.nbytes
        if self._bytes > self._spill_bytes:
            self._spill()

    def _spill(self) -> None:
        with full_disk_as_resource_error(Path(tempfile.gettempdir())):
            if self._file is None:
                self._file = tempfile.TemporaryFile()  # noqa: SIM115  # lives as long as the sink
                self._writer = pa.ipc.new_stream(self._file, self._schema)
            for batch in self._batches:
                self._writer.write_batch(batch)
        self._batches.clear()
