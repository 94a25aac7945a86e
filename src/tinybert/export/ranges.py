"""What goes into the products of an ONNX graph, and its ranges on training text: what static quantisation needs."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from jaxtyping import Float
from onnx import helper
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from tinybert import files
from tinybert.errors import UserError
from tinybert.export.runtime import OnnxModel
from tinybert.types import Batch

WEIGHTS = "model.safetensors"
RANGES = "int8_ranges.safetensors"  # beside the weights, so that a later export is static too
# Of each channel of what goes into products, in order, the lowest and the highest value.
Ranges = Sequence[Float[np.ndarray, "2 _"]]


def measured_ranges(fp32: Path, batches: Iterable[Batch]) -> Ranges:
    """The range of each channel that goes into a product with a constant matrix; padding counts, so give it none."""
    proto = onnx.load(fp32, load_external_data=False)
    names = list(products_by_input(proto.graph))
    proto.graph.output.extend(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in names)
    watched = fp32.with_name("watched.onnx")  # in the same folder: weights may lie beside the graph
    onnx.save(proto, watched)
    try:
        model, ranges = OnnxModel(watched, threads=1), [_NOTHING] * len(names)
        for batch in batches:
            seen = (values.reshape(-1, values.shape[-1]) for values in model.outputs(names, batch))
            ranges = [_wider(known, values) for known, values in zip(ranges, seen, strict=True)]
    finally:
        watched.unlink()
    return ranges


def write_ranges(ranges: Ranges, folder: Path) -> None:
    """Keep ranges in the folder of the model that they are of."""
    named = {str(number): known for number, known in enumerate(ranges)}
    with files.atomic_file(folder / RANGES) as temporary:
        save_file(named, temporary, metadata={"weights": files.sha256_file(folder / WEIGHTS)})


def read_ranges(folder: Path, fp32: Path) -> Ranges | None:
    """What `write_ranges` kept; None where there is nothing, or it is of other weights, or fits another graph.

    Raises:
        UserError: If it is damaged.
    """
    if not (folder / RANGES).is_file() or not (folder / WEIGHTS).is_file():
        return None
    try:
        with safe_open(folder / RANGES, framework="np") as stored:
            ranges = [stored.get_tensor(str(number)) for number in range(len(stored.keys()))]
            weights = (stored.metadata() or {}).get("weights")
    except SafetensorError as error:
        raise UserError(f"{folder / RANGES}: damaged ({error}); without it int8 is dynamic") from error
    graph = onnx.load(fp32, load_external_data=False).graph
    dims = {tensor.name: tensor.dims for tensor in graph.initializer}
    readers = (nodes[0] for nodes in products_by_input(graph).values())
    widths = [dims[node.input[1]][1 if attribute(node, "transB", 0) else 0] for node in readers]
    fits = weights == files.sha256_file(folder / WEIGHTS) and widths == [known.shape[1] for known in ranges]
    return ranges if fits else None


def products_by_input(graph: onnx.GraphProto) -> dict[str, list[onnx.NodeProto]]:
    """What is computed and goes into products with constant matrices, each with its products."""
    constants = {tensor.name: tensor for tensor in graph.initializer}
    found: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        plain = node.op_type == "MatMul" or (
            node.op_type == "Gemm"
            and (attribute(node, "transA", 0), attribute(node, "alpha", 1), attribute(node, "beta", 1)) == (0, 1, 1)
            and all(name in constants for name in node.input[2:])
        )
        matrix = constants.get(node.input[1]) if plain else None
        if matrix is not None and is_matrix(matrix) and node.input[0] not in constants:
            found.setdefault(node.input[0], []).append(node)
    return found


def is_matrix(tensor: onnx.TensorProto) -> bool:
    """Whether a constant has rows and columns of fp32."""
    return tensor.data_type == onnx.TensorProto.FLOAT and len(tensor.dims) == 2


def attribute(node: onnx.NodeProto, name: str, default: int) -> Any:
    """What a node says of itself, else what the standard says."""
    return next((helper.get_attribute_value(known) for known in node.attribute if known.name == name), default)


_NOTHING = np.zeros((2, 1), np.float32)


def _wider(
    known: Float[np.ndarray, "2 ..."], values: Float[np.ndarray, "row channel"]
) -> Float[np.ndarray, "2 channel"]:
    return np.stack([np.minimum(known[0], values.min(axis=0)), np.maximum(known[1], values.max(axis=0))])
