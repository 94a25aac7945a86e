"""Work in shards: each result is one file, whole or absent, and listed with its sha256 as soon as it is there.

A killed process goes on with the shards that are missing; one that is damaged counts as missing.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tinybert import files
from tinybert.log import Log

MANIFEST = "manifest.jsonl"  # a line a shard: a list in one file would be written anew for each of thousands


class Shards:
    """The results of numbered parts of some work, each a Parquet table in a file of its own."""

    def __init__(self, folder: Path, count: int) -> None:
        """See what is there.

        Args:
            folder: Where the files lie; made if it is not there.
            count: How many shards there are to be, numbered from 0.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._count = folder, count

    def missing(self, log: Log) -> list[int]:
        """The shards that are still to be made, in order; every file that is listed is hashed."""
        listed = {entry["shard"]: entry for entry in self._listed()}
        whole = {number: entry for number, entry in listed.items() if self._is_whole(number, entry)}
        if damaged := sorted(listed.keys() - whole.keys()):
            log.say(f"{self._folder.name}: shards {', '.join(map(str, damaged))} are damaged; they are made again")
        lines = [json.dumps(entry) + "\n" for entry in whole.values()]  # without what a kill cut off
        files.write_text(self._folder / MANIFEST, "".join(lines))
        return [number for number in range(self._count) if number not in whole]

    def add(self, number: int, content: bytes) -> None:
        """Keep the result of a shard.

        Raises:
            ResourceError: If the disk is full.
        """
        path = self._path(number)
        with files.atomic_file(path) as temporary:
            temporary.write_bytes(content)
        entry = {"shard": number, "file": path.name, "sha256": hashlib.sha256(content).hexdigest()}
        manifest = self._folder / MANIFEST
        with files.full_disk_as_resource_error(manifest):
            with manifest.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(entry) + "\n")
            files.fsync(manifest)

    def read(self, number: int, *columns: str) -> pa.Table:
        """The result of a shard: all columns, or some."""
        return pq.read_table(self._path(number), columns=list(columns) or None)

    def __len__(self) -> int:
        """How many shards there are to be."""
        return self._count

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:06d}.parquet"

    def _listed(self) -> list[dict[str, Any]]:
        """The lines of the manifest; half a line is passed over."""
        manifest = self._folder / MANIFEST
        if not manifest.exists():
            return []
        found = []
        for line in manifest.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if isinstance(entry, dict) and entry.keys() == {"shard", "file", "sha256"}:
                found.append(entry)
        return found

    def _is_whole(self, number: int, entry: Mapping[str, Any]) -> bool:
        path = self._path(number)
        return path.name == entry["file"] and path.exists() and files.sha256_file(path) == entry["sha256"]


def content_of(table: pa.Table) -> bytes:
    """A table as the content of a Parquet file: the same bytes for the same table."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return bytes(sink.getvalue().to_pybytes())
