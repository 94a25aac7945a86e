"""Checkpoints: a folder made elsewhere, then renamed; safetensors and JSON only.

A checkpoint without a valid manifest does not exist. The two newest are kept; where the newest is damaged, the one
before it serves, with a line that says so.
"""

import platform
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from tinybert import files
from tinybert.artifacts import Artifact
from tinybert.errors import ResourceError
from tinybert.run import Run

KEPT = 2
Tensors = Mapping[str, Mapping[str, Tensor]]  # file name (without ending) → tensors


@dataclass(frozen=True)
class Checkpoint:
    """What a resumed stage starts from.

    Attributes:
        tensors: As they were saved, on the processor.
        counters: As they were saved.
    """

    tensors: Tensors
    counters: Mapping[str, Any]


def save(artifact: Artifact, run: Run, step: int, tensors: Tensors, counters: Mapping[str, Any]) -> None:
    """Write the checkpoint of `step`, then delete all but the newest two.

    Raises:
        ResourceError: If the disk has no room; the checkpoints before stay.
    """
    _ensure_room(artifact.work, tensors)
    with files.atomic_folder(artifact.work / f"step-{step:08d}") as folder:
        write_tensors(folder, tensors)
        files.write_json(folder / "state.json", {"counters": counters, "machine": _machine(run)})
        files.write_manifest(folder)
    for old in _newest_first(artifact.work)[KEPT:]:
        shutil.rmtree(old)


def newest(artifact: Artifact, run: Run) -> Checkpoint | None:
    """The newest whole checkpoint of an unfinished artifact; None where there is none."""
    for folder in _newest_first(artifact.work):
        if not files.is_whole(folder):
            run.log.say(f"{artifact.name}: checkpoint {folder.name} is damaged; the one before it is used")
            continue
        state = files.read_json(folder / "state.json")
        if state["machine"] != _machine(run):
            where = "another machine, build or number of processes"
            run.log.say(f"{artifact.name}: the checkpoint is from {where}; the last bits may differ")
        return Checkpoint(read_tensors(folder), state["counters"])
    return None


def write_tensors(folder: Path, tensors: Tensors) -> None:
    """Write each group of tensors as one safetensors file."""
    for name, group in tensors.items():
        with files.full_disk_as_resource_error(folder):
            save_file(_unshared(group), folder / f"{name}.safetensors")


def read_tensors(folder: Path) -> Tensors:
    """Read what `write_tensors` wrote, on the processor."""
    return {path.stem: load_file(path) for path in sorted(folder.glob("*.safetensors"))}


def _unshared(group: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors as a file can hold them: safetensors refuses two names for one memory, as masked-LM heads have them."""
    seen: set[int] = set()
    plain: dict[str, Tensor] = {}
    for name, tensor in group.items():
        value = tensor.detach().contiguous().cpu()
        plain[name] = value.clone() if value.data_ptr() in seen else value
        seen.add(value.data_ptr())
    return plain


def _machine(run: Run) -> dict[str, Any]:
    """What must be the same for a resume to be equal bit for bit."""
    build = {"torch": torch.__version__, "cpu": platform.machine(), "dtype": str(run.student_dtype)}
    return {**build, "threads": torch.get_num_threads(), "world": run.world}


def _newest_first(folder: Path) -> list[Path]:
    return sorted(folder.glob("step-*"), reverse=True)


def _ensure_room(folder: Path, tensors: Tensors) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    needed = 1.2 * sum(_bytes(group.values()) for group in tensors.values())
    free = shutil.disk_usage(folder).free
    if free < needed:
        wanted = f"a checkpoint needs {needed / 1e6:.0f} MB, {free / 1e6:.0f} MB are free"
        raise ResourceError(f"{folder}: {wanted}; free some and run the same command again")


def _bytes(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)
