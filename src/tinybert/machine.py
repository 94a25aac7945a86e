"""The machine: device, threads, determinism, and the processes that share a run."""

import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
import torch

from tinybert.errors import ResourceError, UserError

_LOST_SAID = ("Connection closed by peer", "Connection reset by peer", "gloo/transport")  # gloo has no type for it
_INT8_INSTRUCTIONS = ("avx512_vnni", "avx_vnni", "avx512bw", "avx2", "i8mm", "asimddp")  # the fastest first
EFFICIENCY = 0.4  # share of a large matrix product's speed that a training step reaches; measured on small students
PATIENCE = timedelta(hours=6)  # one process may fill the teacher's store while the others wait


@dataclass(frozen=True)
class Processes:
    """Which of how many processes this is.

    Attributes:
        rank: From 0; the first one writes and speaks.
        world: How many there are.
    """

    rank: int = 0
    world: int = 1

    def wait(self) -> None:
        """Wait for the others."""
        if self.world > 1:
            torch.distributed.barrier()


def join_processes(device: torch.device) -> Processes:
    """Meet the other processes of `accelerate launch` or `torchrun`; alone where there are none.

    Raises:
        UserError: If the environment speaks of others without saying where they are.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return Processes()
    from accelerate import PartialState

    try:
        state = PartialState(cpu=device.type == "cpu", timeout=PATIENCE)
    except ValueError as error:
        raise UserError("WORLD_SIZE is set, but not by torchrun or accelerate launch; unset it") from error
    return Processes(state.process_index, state.num_processes)


@contextmanager
def lost_processes_as_resource_error() -> Iterator[None]:
    """Turn what a process meets when another one of its run has ended into a `ResourceError`."""
    try:
        yield
    except RuntimeError as error:
        if isinstance(error, torch.distributed.DistError) or any(said in str(error) for said in _LOST_SAID):
            raise ResourceError(
                "another process of this run has ended, and says why; once that is mended, the same command continues"
            ) from error
        raise


def choose_device(name: str | None) -> torch.device:
    """The device asked for, else the best there is.

    Raises:
        UserError: If there is no such device.
    """
    if name is None:
        if torch.cuda.is_available():
            return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"--device {name}: not usable here ({str(error).splitlines()[0]})") from error
    return device


def prepare(threads: int | None, deterministic: bool) -> None:
    """Set threads and determinism of torch for the whole process."""
    if threads is not None:
        torch.set_num_threads(threads)
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS repeats itself only with this
        # Filling fresh memory guards against reading it; nothing here does, and it costs several per cent.
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.use_deterministic_algorithms(deterministic)


def description(device: torch.device, processes: Processes) -> dict[str, Any]:
    """What `environment.json` says: versions and machine, no paths and no names."""
    import onnxruntime
    import transformers

    return {
        "tinybert": version("tinybert"),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "onnxruntime": onnxruntime.__version__,
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "int8_instructions": _int8_instructions(),
        "cores": psutil.cpu_count(logical=False) or psutil.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "device": device.type,
        "device_name": torch.cuda.get_device_name(device) if device.type == "cuda" else None,
        "threads": torch.get_num_threads(),
        "processes": processes.world,
    }


def training_speed(device: torch.device) -> float:
    """Operations a second that a device reaches in a matrix product of a student's size, and in training of that."""
    left, right = torch.randn(1024, 312, device=device), torch.randn(312, 1200, device=device)
    (left @ right).sum().item()
    started, times = time.perf_counter(), 4
    for _ in range(times):
        product = left @ right
    product.sum().item()
    return EFFICIENCY * 2 * 1024 * 312 * 1200 * times / (time.perf_counter() - started)


def _processor() -> str:
    """The processor's name where Linux tells it, else its kind."""
    return _told_by_linux("model name") or platform.processor() or platform.machine()


def _int8_instructions() -> str | None:
    """What multiplies 8-bit numbers here; without VNNI, x86 saturates. None where nobody says."""
    known = (_told_by_linux("flags") or _told_by_linux("Features")).split()
    return next((name for name in _INT8_INSTRUCTIONS if name in known), None)


def _told_by_linux(what: str) -> str:
    """A line about the first processor; "" where there is none."""
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8") as stream:
            return next((line.partition(":")[2].strip() for line in stream if line.startswith(what)), "")
    except OSError:
        return ""
