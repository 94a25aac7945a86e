"""What an export folder holds, and where other programs look for it: transformers.js, fastembed, optimum."""

from pathlib import Path

from tinybert.errors import UserError

MODEL = "onnx/model.onnx"
MODEL_INT8 = "onnx/model_quantized.onnx"
PREDICT = "predict.py"
WEB = "web"  # the folder of the live page; npm brings more into it
DATA = "_data"  # ending of the file beside a model that is too large for one
_OURS = frozenset(
    {MODEL, MODEL_INT8, MODEL + DATA, PREDICT, "config.json", "README.md"}
    | {"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt"}
)


def model_folder(path: Path) -> Path:
    """Where configuration and tokenizer of a model are: in the folder above the one of an ONNX file, or in itself."""
    return path.parent.parent if path.suffix == ".onnx" else path


def check_export_folder(output: Path) -> None:
    """Refuse to replace anything but an earlier export.

    Raises:
        UserError: If the folder is something else.
    """
    if output.is_file():
        raise UserError(f"{output}: is a file; --output takes a folder")
    names = {path.relative_to(output).as_posix() for path in output.rglob("*") if not path.is_dir()}
    if f"{WEB}/index.html" in names:
        names = {name for name in names if not name.startswith(f"{WEB}/")}
    if names and not (MODEL in names and names <= _OURS):
        raise UserError(f"{output}: holds other files than an earlier export; give a new or empty folder")
