"""Work in shards: each result is an artifact within the one that is being made, so that a killed process goes on."""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from tinybert.artifacts import Artifact
from tinybert.log import Log

TABLE = "table.parquet"


@dataclass(frozen=True)
class Shards:
    """The results of numbered parts of some work, each a Parquet table.

    Attributes:
        artifact: What they are parts of.
        name: Of the work.
        count: How many there are to be, numbered from 0.
    """

    artifact: Artifact
    name: str
    count: int

    def missing(self, log: Log) -> list[int]:
        """The shards that are still to be made, in order; each that is there is hashed."""
        missing = [number for number in range(self.count) if not self.part(number).whole]
        if damaged := [number for number in missing if self.part(number).result.exists()]:
            log.say(f"{self.name}: shards {', '.join(map(str, damaged))} are damaged; they are made again")
        return missing

    def add(self, number: int, content: bytes) -> None:
        """Keep the result of a shard.

        Raises:
            ResourceError: If the disk is full.
        """
        self.part(number).make(lambda folder: (folder / TABLE).write_bytes(content))

    def read(self, number: int, *columns: str) -> pa.Table:
        """The result of a shard: all columns, or some."""
        return pq.read_table(self.part(number).result / TABLE, columns=list(columns) or None)

    def part(self, number: int) -> Artifact:
        """The artifact of a shard."""
        return self.artifact.part(f"{self.name}-{number:06d}")

    def __len__(self) -> int:
        """How many shards there are to be."""
        return self.count


def content_of(table: pa.Table) -> bytes:
    """A table as the content of a Parquet file: the same bytes for the same table."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return bytes(sink.getvalue().to_pybytes())
