"""Where a model comes from, and what is in it, read as data before transformers opens anything.

A local folder first, else the hub (its local cache only where HF_HUB_OFFLINE is set, or the name begins with a folder
that is here). Only safetensors and JSON are
touched; a configuration that asks for code of its own, or for another kind of network, is refused before any weight is
read: a configuration file has been enough to run code before (CVE-2026-4372).
"""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from huggingface_hub import constants, hf_hub_download, snapshot_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
)
from safetensors import SafetensorError, safe_open

from tinybert.errors import ResourceError, UserError
from tinybert.families import family_named
from tinybert.files import full_disk_as_resource_error
from tinybert.models import embedded

_FETCHED = ("*.json", "model*.safetensors", "vocab.txt", "merges.txt")


def folder_of(source: str | Path) -> Path:
    """The folder a model lies in: `source` itself, or the hub model of that name in the hub's cache.

    `minilm-mlm` is no folder of its own: what it lies in is the network it is made from; see `embedded`.

    Raises:
        UserError: If there is neither; the error names the path tried.
    """
    if embedded.is_named(source):
        return embedded.folder_of_minilm()
    folder = Path(source).expanduser()
    if folder.is_dir():
        return folder
    if folder.exists():
        raise UserError(f"{folder}: is a file; give the folder that holds config.json and model.safetensors")
    if isinstance(source, Path) or source.startswith((".", "~")) or folder.is_absolute():
        raise UserError(f"{folder.absolute()}: no such folder")
    return _from_hub(source, local_files_only=len(folder.parts) > 1 and Path(folder.parts[0]).is_dir())


def read_config(folder: Path) -> dict[str, Any]:
    """The checked content of config.json.

    Raises:
        UserError: If it is missing, no JSON object, asks for code of its own, is quantised, or is no supported encoder.
    """
    path = folder / "config.json"
    of_run = (folder / "student", folder / "seed-1" / "student")
    if not path.exists() and (student := next((one for one in of_run if (one / path.name).exists()), None)):
        raise UserError(f"{folder}: is the folder of a run, not of a model; give {student}")
    config = read_object(path)
    family_named(config.get("model_type"), str(path))
    if "quantization_config" in config:
        raise UserError(f"{path}: the weights are quantised; give the model they were made from")
    if config.get("is_decoder") or config.get("is_encoder_decoder"):
        raise UserError(f"{path}: is set up as a decoder; give an encoder")
    return config


def saved_as(config: dict[str, Any]) -> str:
    """The class a network was saved as, or nothing."""
    architectures = config.get("architectures")
    return str(architectures[0]) if isinstance(architectures, list) and architectures else ""


def read_object(path: Path) -> dict[str, Any]:
    """A JSON object that refers to no code of its own (`auto_map`)."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file; give the folder of a model saved by transformers") from error
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: cannot be read as JSON: {first_line(error)}") from error
    if not isinstance(content, dict):
        raise UserError(f"{path}: must hold a JSON object")
    if "auto_map" in content:
        raise UserError(f"{path}: asks to run code that comes with the model (auto_map), which is never done")
    return content


def weight_names(folder: Path) -> frozenset[str]:
    """The names of all stored tensors; opens each safetensors file, so a damaged or missing one is found here.

    Raises:
        UserError: If there are no safetensors weights, or they are damaged.
    """
    return frozenset(name for stored in _stored(folder) for name in stored.keys())  # noqa: SIM118  # no mapping


def weight_shape(folder: Path, name: str) -> tuple[int, ...]:
    """The sizes of a stored tensor.

    Raises:
        KeyError: If there is no such tensor.
        UserError: As `weight_names`.
    """
    for stored in _stored(folder):
        if name in stored.keys():  # noqa: SIM118
            return tuple(stored.get_slice(name).get_shape())
    raise KeyError(name)


def stored_bytes(source: str | Path) -> int:
    """The size of a model's weights on the disk, however many files they are in."""
    return sum(path.stat().st_size for path in _weight_files(folder_of(source)))


def first_line(error: BaseException) -> str:
    """The first line of an error's text, or its type where it says nothing."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def _stored(folder: Path) -> Iterator[Any]:
    """Each safetensors file of a model, open."""
    for path in _weight_files(folder):
        try:
            with safe_open(path, framework="pt") as stored:
                yield stored
        except (SafetensorError, OSError) as error:
            raise UserError(f"{path}: damaged or not readable ({first_line(error)}); copy it again") from error


def _weight_files(folder: Path) -> list[Path]:
    whole, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if whole.is_file():
        return [whole]
    if index.is_file():
        placed = read_object(index).get("weight_map")
        names = sorted({str(name) for name in placed.values()}) if isinstance(placed, dict) else []
        if not names or any(Path(name).name != name for name in names):
            raise UserError(f"{index}: weight_map must map each tensor to a file of this folder")
        return [folder / name for name in names]
    if list(folder.glob("pytorch_model*.bin")):
        raise UserError(_how_to_convert(folder))
    raise UserError(f"{whole}: no such file; give the folder of a model saved by transformers")


def _how_to_convert(folder: Path) -> str:
    name = saved_as(read_config(folder))
    model = name if name.isidentifier() else "AutoModel"
    command = (
        f"from transformers import {model} as M; M.from_pretrained({str(folder)!r}).save_pretrained({str(folder)!r})"
    )
    return (
        f"{folder}: holds only pytorch_model.bin, a pickle, which can run code when it is opened; "
        f'if you trust it, convert it: python -c "{command}"'
    )


@cache
def _from_hub(name: str, local_files_only: bool) -> Path:
    """Fetch config.json, refuse what cannot be used, then fetch weights and tokenizer of the same revision."""
    tried = Path(name)
    where: dict[str, Any] = {"local_files_only": local_files_only}
    try:
        with full_disk_as_resource_error(Path(constants.HF_HUB_CACHE)):
            config = Path(hf_hub_download(name, "config.json", **where))
            read_config(config.parent)
            return Path(snapshot_download(name, revision=config.parent.name, allow_patterns=list(_FETCHED), **where))
    except (UserError, ResourceError):
        raise
    except Exception as error:  # the hub's client lets the errors of its HTTP library through
        why = f"the hub is not asked, since {tried.parts[0]} is a folder here" if local_files_only else _why(error)
        raise UserError(f"{tried.absolute()}: no such folder, and {why}") from error


def _why(error: Exception) -> str:
    """Why the hub could not help."""
    if isinstance(error, HFValidationError):
        return "it cannot be the name of a hub model either"
    if isinstance(error, GatedRepoError):
        return "the hub model asks for permission; accept its terms on its page and log in"
    if isinstance(error, RepositoryNotFoundError):
        return "the hub has no model of that name (a private one needs a login)"
    if isinstance(error, LocalEntryNotFoundError | OfflineModeIsEnabled):
        offline = "HF_HUB_OFFLINE is set" if constants.HF_HUB_OFFLINE else "the hub cannot be reached"
        return f"the hub's local cache does not hold it and {offline}"
    if isinstance(error, EntryNotFoundError):
        return "the hub model of that name has no config.json"
    return f"asking the hub failed: {first_line(error)}"
