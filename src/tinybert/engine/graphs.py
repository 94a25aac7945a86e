"""Updates as CUDA graphs: one piece of work for the host to launch, instead of a thousand kernels.

A recording holds for one shape of batch, so lengths are padded to a multiple of `MULTIPLE`. The first update of a shape
is made as ever, which readies what libraries ready once; the second is recorded, and from then on the recording reads
whatever batch is copied to where that one lay. Its random draws begin at torch's seed of the moment, as ever.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from typing import NamedTuple, Protocol

import torch
from jaxtyping import Float
from torch import Tensor

from tinybert.errors import ResourceError
from tinybert.types import Batch

MULTIPLE = 8  # pieces
Sums = dict[str, Tensor]
Replay = Callable[[], None]


class Recorder(Protocol):
    """Makes work repeatable."""

    def ready(self, work: Callable[[], Sums]) -> Sums:
        """Do the work as it will be recorded, for the first time."""

    def record(self, work: Callable[[], Float[Tensor, " sum"]]) -> tuple[Replay, Float[Tensor, " sum"]]:
        """What does the work again, and where it leaves its result each time; the work itself is not done yet."""


class CudaGraphs:
    """CUDA's recordings. They share their memory, for one at a time is replayed."""

    def __init__(self, device: torch.device) -> None:
        """A stream beside the usual one, as recording wants it."""
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._memory = torch.cuda.graph_pool_handle()

    def ready(self, work: Callable[[], Sums]) -> Sums:
        """See `Recorder`."""
        usual = torch.cuda.current_stream(self._stream.device)
        self._stream.wait_stream(usual)
        with torch.cuda.stream(self._stream):
            made = work()
        usual.wait_stream(self._stream)
        return made

    def record(self, work: Callable[[], Float[Tensor, " sum"]]) -> tuple[Replay, Float[Tensor, " sum"]]:
        """See `Recorder`."""
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._memory, stream=self._stream):
            left = work()
        return graph.replay, left


class Recording(NamedTuple):
    """An update that can be made again: what to call, where it reads its batch, what it leaves, by name, and where."""

    replay: Replay
    batch: Batch
    names: tuple[str, ...]
    left: Float[Tensor, " sum"]


class Recordings:
    """The recordings of one stage, by shape of batch."""

    def __init__(self, recorder: Recorder) -> None:
        """None yet."""
        self._recorder = recorder
        self._of_shape: dict[torch.Size, Recording | None] = {}

    def sums(self, batch: Batch, work: Callable[[Batch], Sums]) -> Sums:
        """Do the work on a batch; replayed where one of its shape came before.

        Args:
            batch: On the device.
            work: An update that asks the device for nothing; the same at every call.

        Raises:
            ResourceError: If it cannot be recorded, or does not fit the device.
        """
        shape = batch.input_ids.shape
        if shape not in self._of_shape:
            self._of_shape[shape] = None
            with _or_without(torch.OutOfMemoryError):
                return self._recorder.ready(lambda: work(batch))
        recording = self._of_shape[shape] or self._recorded(batch, work)
        self._of_shape[shape] = recording
        _copy(batch, recording.batch)
        recording.replay()
        return dict(zip(recording.names, recording.left.clone().unbind(), strict=True))

    def _recorded(self, batch: Batch, work: Callable[[Batch], Sums]) -> Recording:
        names: list[str] = []

        def stacked() -> Float[Tensor, " sum"]:
            sums = work(batch)
            names[:] = sums
            return torch.stack([*sums.values()])

        with _or_without(RuntimeError):
            replay, left = self._recorder.record(stacked)
        return Recording(replay, batch, tuple(names), left)


@contextmanager
def _or_without(kind: type[RuntimeError]) -> Iterator[None]:
    """Say how to go on; CUDA does not promise to be usable after such an error."""
    try:
        yield
    except kind as error:
        cause = str(error.__context__ or error).splitlines()[0]  # what ends a recording hides why
        raise ResourceError(f"an update cannot be recorded ({cause}); go on with --set run.graphs=false") from error


def _copy(batch: Batch, target: Batch) -> None:
    for part in fields(Batch):
        value = getattr(batch, part.name)
        if value is not None and value is not getattr(target, part.name):
            getattr(target, part.name).copy_(value)
