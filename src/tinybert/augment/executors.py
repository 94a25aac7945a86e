"""Who makes shards: this process, or actors of Ray on one machine or many. What they make is the same to the byte."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pyarrow as pa
import torch

from tinybert.augment.copies import Tick, Worker, examples_of, table_of
from tinybert.cluster import connected
from tinybert.errors import UserError
from tinybert.machine import prepare
from tinybert.run import Run
from tinybert.types import Example

MakeWorker = Callable[[], Worker]  # made once in each process that works
ShardRows = Sequence[tuple[int, Sequence[Example]]]  # the number of a shard and its rows
Made = Iterator[tuple[int, bytes]]


def in_this_process(make: MakeWorker, parts: ShardRows, tick: Tick, run: Run) -> Made:  # noqa: ARG001  # as `on_ray`
    """One shard after the other, here."""
    worker = make()
    for number, rows in parts:
        yield number, worker(list(rows), tick)


def on_ray(make: MakeWorker, parts: ShardRows, tick: Tick, run: Run) -> Made:
    """Shards in any order, made by a pool of Ray actors (Ray Data, `map_batches`).

    Rows travel to the actors and files travel back, so that a cluster needs no shared disk for them; a masked LM or
    word vectors that are local files must be at the same path on each of its machines.

    Raises:
        UserError: If Ray is not installed, or there is no cluster at `run.address`.
    """
    with connected(run.settings.address) as ray:
        ray.data.DataContext.get_current().enable_progress_bars = False  # ours is enough
        rows = [{"shard": number, "rows": _packed(part)} for number, part in parts]
        threads = torch.get_num_threads()
        how = {"make": make, "threads": threads, "deterministic": run.settings.deterministic}
        found = ray.data.from_items(rows, override_num_blocks=len(rows)).map_batches(
            _Actor,
            fn_constructor_kwargs=how,
            batch_size=1,
            batch_format="pyarrow",  # numpy would cut the zeros off the end of a file
            compute=ray.data.ActorPoolStrategy(size=_actors(ray, threads, run, len(rows))),
            num_cpus=threads,
            num_gpus=1 if run.device.type == "cuda" else 0,
        )
        for table in found.iter_batches(batch_size=1, batch_format="pyarrow"):
            (entry,) = table.to_pylist()
            if entry["problems"]:
                raise UserError(*entry["problems"])
            tick(entry["rows"])
            yield entry["shard"], entry["content"]


_MADE = pa.schema(
    [("shard", pa.int64()), ("rows", pa.int64()), ("content", pa.large_binary()), ("problems", pa.list_(pa.string()))]
)
EXECUTORS: dict[str, Callable[[MakeWorker, ShardRows, Tick, Run], Made]] = {"local": in_this_process, "ray": on_ray}


class _Actor:
    """Makes shards in a process of Ray's; loads what it needs once."""

    def __init__(self, make: MakeWorker, threads: int, deterministic: bool) -> None:
        prepare(threads, deterministic)
        self._make = make
        self._worker: Worker | None = None

    def __call__(self, batch: pa.Table) -> pa.Table:
        (entry,) = batch.to_pylist()
        rows = list(examples_of(_unpacked(entry["rows"])))
        content, problems = b"", []
        try:
            self._worker = self._worker or self._make()
            content = self._worker(rows, lambda _: None)
        except UserError as error:  # Ray would try again for minutes, and then say it in a hundred lines
            problems = list(error.problems)
        columns = [[entry["shard"]], [len(rows)], [content], [problems]]
        return pa.table([pa.array(column, kind) for column, kind in zip(columns, _MADE.types, strict=True)], _MADE)


def _actors(ray: Any, threads: int, run: Run, shards: int) -> int:
    """As many as `run.workers`, else as there is room for; never more than shards."""
    room = int(ray.cluster_resources().get("CPU", 1)) // threads
    return max(1, min(run.settings.workers or room, shards))


def _packed(rows: Sequence[Example]) -> bytes:
    table = table_of(rows)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue().to_pybytes())


def _unpacked(content: bytes) -> pa.Table:
    return pa.ipc.open_stream(content).read_all()
