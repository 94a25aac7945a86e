"""An ONNX file in int8: static, so that an answer depends on its text only, or dynamic.

Static, in the standard's QuantizeLinear and DequantizeLinear (QDQ):

- What goes into a product with a constant matrix has one fixed scale, of ranges measured on training text; what comes
  out stays fp32, as do the products of attention. Matrices have one scale per output neuron.
- Before that, each input channel is divided by a factor, which its row of the matrix is multiplied with: SmoothQuant,
  https://arxiv.org/abs/2211.10438, equation 4, with alpha 0.8. We differ in that no norm before it takes up the
  factor, since that output is read by the residual too: it is one Mul.
- Tables of embeddings have a scale per column.
- LSTMs have 8-bit weights, and compute in fp32: ONNX Runtime has no static kernel for them.

docs/decisions.md has what each choice was measured against.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
from jaxtyping import Float
from onnx import helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

from tinybert.export.quiet import quiet
from tinybert.export.ranges import Ranges, attribute, is_matrix, products_by_input

ALPHA = 0.8
SMALLEST_TABLE = 64  # rows; a smaller one stays fp32


def quantise_dynamic(fp32: Path, int8: Path, *, reduce_range: bool = False) -> None:
    """Activations are quantised while running, by one scale for the whole batch and its padding.

    Args:
        fp32: The file to read.
        int8: The file to write.
        reduce_range: 7-bit weights, see `quantise_static`.
    """
    with quiet():
        quantize_dynamic(fp32, int8, weight_type=QuantType.QInt8, per_channel=True, reduce_range=reduce_range)


def quantise_static(fp32: Path, int8: Path, ranges: Ranges, *, reduce_range: bool = False) -> None:
    """Activations are quantised by scales that are fixed here.

    Args:
        fp32: The file to read.
        int8: The file to write.
        ranges: As `ranges.measured_ranges` gives them for this file.
        reduce_range: 7-bit weights. Without VNNI, x86 adds products of 8 bits in pairs, in 16 bits that overflow.
    """
    proto = onnx.load(fp32)
    proto.graph.CopyFrom(_Quantised(proto.graph, ranges, 63 if reduce_range else 127).graph)
    onnx.save(proto, int8)


class _Quantised:
    """A graph rewritten node by node; `graph` is the new one."""

    def __init__(self, graph: onnx.GraphProto, ranges: Ranges, largest: int) -> None:
        self.constants = {tensor.name: tensor for tensor in graph.initializer}
        self.largest = largest
        self.nodes: list[onnx.NodeProto] = []
        inputs = products_by_input(graph)
        self.steps = {
            name: steps_of(known, [self._matrix(node) for node in readers])
            for (name, readers), known in zip(inputs.items(), ranges, strict=True)
        }
        self.quantised = {node.output[0] for readers in inputs.values() for node in readers}
        self.shared: dict[str, str] = {}  # from what goes into products to its quantised form
        for node in graph.node:
            self._rewrite(node)
        used = {name for node in self.nodes for name in node.input}
        self.graph = onnx.GraphProto()
        self.graph.CopyFrom(graph)
        for part in (self.graph.node, self.graph.initializer):
            del part[:]
        self.graph.node.extend(self.nodes)
        self.graph.initializer.extend(tensor for name, tensor in self.constants.items() if name in used)

    def _rewrite(self, node: onnx.NodeProto) -> None:
        if node.output[0] in self.quantised:
            self._product(node)
        elif node.op_type == "Gather" and self._is_table(node.input[0]):
            self._lookup(node)
        else:
            if node.op_type == "LSTM":
                for place in (1, 2):
                    eight, scales = _eight_bits(self._array(node.input[place]), 1, self.largest)
                    node.input[place] = self._stored(node.input[place], eight, scales, axis=1)
            self.nodes.append(node)

    def _product(self, node: onnx.NodeProto) -> None:
        """MatMul, or Gemm with a bias of 32 bits: with one in fp32 the runtime would compute the product in fp32."""
        name, result = node.input[0], node.output[0]
        steps = self.steps[name]
        matrix, scale = self._matrix(node) * steps.factors[:, None], np.float32(steps.scale)
        bias = self._array(node.input[2]) if len(node.input) > 2 else np.zeros(1, np.float32)
        eight, scales = _eight_bits(matrix, 1, self.largest, np.abs(bias) / (scale * _LARGEST_BIAS))
        inputs = [self._activation(name), self._stored(f"{result}_matrix", eight, scales, axis=1)]
        if len(node.input) > 2:
            whole = np.round(bias / (scales * scale)).astype(np.int32)
            inputs.append(self._stored(f"{result}_bias", whole, scales * scale, axis=0))
        self._add(node.op_type, inputs, result)

    def _activation(self, name: str) -> str:
        """What goes into products, through eight bits; once for all that read it."""
        if name not in self.shared:
            smooth, (factors, scale, zero) = name, self.steps[name]
            of_scale = [
                self._constant(f"{name}_scale", np.float32(scale)),
                self._constant(f"{name}_zero", np.uint8(zero)),
            ]
            if not np.all(factors == 1):
                smooth = self._add("Mul", [name, self._constant(f"{name}_factors", 1 / factors)], f"{name}_smooth")
            eight = self._add("QuantizeLinear", [smooth, *of_scale], f"{name}_int8")
            self.shared[name] = self._add("DequantizeLinear", [eight, *of_scale], f"{name}_quantised")
        return self.shared[name]

    def _lookup(self, node: onnx.NodeProto) -> None:
        """Gather(table, ids), then scales of columns: DequantizeLinear(table) would make all of it fp32 each time."""
        table, result = node.input[0], node.output[0]
        eight, scales = _eight_bits(self._array(table), 1, 127)
        rows = self._add("Gather", [self._constant(f"{table}_int8", eight), node.input[1]], f"{result}_int8")
        cast = self._add("Cast", [rows], f"{result}_cast", to=onnx.TensorProto.FLOAT)
        self._add("Mul", [cast, self._constant(f"{table}_scale", scales)], result)

    def _stored(self, name: str, whole: np.ndarray, scales: Float[np.ndarray, " index"], axis: int) -> str:
        """The name of weights that are stored as whole numbers, with a scale for each index of an axis."""
        inputs = [self._constant(f"{name}_whole", whole), self._constant(f"{name}_scale", scales)]
        inputs.append(self._constant(f"{name}_zero", np.zeros(len(scales), whole.dtype)))
        return self._add("DequantizeLinear", inputs, f"{name}_stored", axis=axis)

    def _add(self, kind: str, inputs: Sequence[str], output: str, **settings: int) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], name=f"{output}_node", **settings))
        return output

    def _constant(self, name: str, value: np.ndarray | np.generic) -> str:
        self.constants[name] = numpy_helper.from_array(np.asarray(value), name)
        return name

    def _array(self, name: str) -> np.ndarray:
        return np.asarray(numpy_helper.to_array(self.constants[name]))

    def _matrix(self, node: onnx.NodeProto) -> Float[np.ndarray, "input output"]:
        matrix = self._array(node.input[1])
        return matrix.T if attribute(node, "transB", 0) else matrix

    def _is_table(self, name: str) -> bool:
        tensor = self.constants.get(name)
        return tensor is not None and is_matrix(tensor) and tensor.dims[0] >= SMALLEST_TABLE


class Steps(NamedTuple):
    """How what goes into products becomes whole numbers from 0 to 255.

    Attributes:
        factors: What each channel is divided by before.
        scale: How far two neighbours are apart.
        zero: Which of them stands for 0.
    """

    factors: Float[np.ndarray, " channel"]
    scale: float
    zero: int


def steps_of(known: Float[np.ndarray, "2 channel"], matrices: Sequence[Float[np.ndarray, "channel _"]]) -> Steps:
    """The steps of an input of products, by the range of each channel and the matrices that it meets; 0 is exact."""
    factors = smoothing_factors(known, matrices)
    low, high = known / factors
    lowest, highest = min(float(low.min()), 0.0), max(float(high.max()), 0.0)
    scale = (highest - lowest) / 255 or 1.0
    return Steps(factors, scale, round(-lowest / scale))


def smoothing_factors(
    known: Float[np.ndarray, "2 channel"], matrices: Sequence[Float[np.ndarray, "channel _"]]
) -> Float[np.ndarray, " channel"]:
    """What each input channel is divided by: the larger its values and the smaller its weights, the more.

    Example:
        >>> smoothing_factors(np.float32([[-1, 0], [1, 32]]), [np.ones((2, 1), np.float32)]).tolist()
        [0.25, 4.0]
    """
    reach = np.abs(known).max(axis=0)
    if not reach.all():  # nothing is known of a channel that was 0 throughout, such as a word that did not occur
        return np.ones_like(reach)
    weights = np.max([np.abs(matrix).max(axis=1) for matrix in matrices], axis=0)
    factors = reach**ALPHA / np.maximum(weights, 1e-5) ** (1 - ALPHA)
    return np.asarray(factors / np.exp(np.log(factors).mean()), np.float32)


_LARGEST_BIAS = 2**30
SMALLEST_SCALE = 1e-9  # of weights that are all 0


def _eight_bits(
    weights: np.ndarray, axis: int, largest: int, least: Float[np.ndarray, " _"] | float = 0.0
) -> tuple[np.ndarray, Float[np.ndarray, " index"]]:
    """Whole numbers up to `largest`, and what to multiply them with at each index of an axis, no less than `least`."""
    others = tuple(other for other in range(weights.ndim) if other != axis)
    reach = np.abs(weights).max(axis=others)
    scales = np.maximum(np.maximum(reach / largest, least), SMALLEST_SCALE).astype(np.float32)
    return np.round(weights / np.expand_dims(scales, others)).astype(np.int8), scales
