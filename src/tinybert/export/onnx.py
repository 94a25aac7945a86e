"""A model as ONNX files: fp32, checked against the model it comes from, and int8."""

import copy
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import torch
from transformers import PreTrainedTokenizerFast

from tinybert.errors import UserError
from tinybert.export.hub import save_description
from tinybert.export.layout import DATA, MODEL, MODEL_INT8, PREDICT, check_export_folder
from tinybert.export.parity import parity_difference, random_batch
from tinybert.export.quantise import quantise_dynamic, quantise_static
from tinybert.export.quiet import quiet
from tinybert.export.ranges import Ranges, read_ranges
from tinybert.export.runtime import OnnxModel
from tinybert.families.network import Network
from tinybert.files import atomic_folder
from tinybert.models.inference import evaluation_mode
from tinybert.models.loading import load_classifier, load_tokenizer
from tinybert.models.source import first_line

AVX2 = "avx2"  # 8-bit products that are added in pairs must fit 16 bits
# A protobuf message ends at 2 GiB; the rest is for the graph.
LARGEST_FILE = 2**31 - 2**25
# Sizes above 1, all different: the exporter takes a size of 1, or two equal ones, for a constant.
_EXAMPLE = (2, 7)


@dataclass(frozen=True)
class ExportReport:
    """What was written, and how well it agrees.

    Attributes:
        model: The fp32 file.
        model_int8: The int8 file, where it was asked for.
        bytes: Size of the fp32 model.
        bytes_int8: Size of the int8 model.
        parity_difference: Largest difference of a logit between torch and ONNX fp32 over random shapes.
        quantisation: Of the int8 file: static or dynamic.
    """

    model: Path
    model_int8: Path | None
    bytes: int
    bytes_int8: int | None
    parity_difference: float
    quantisation: str | None = None


def export(model: Path, output: Path, *, int8: bool = False, cpu: str | None = None) -> ExportReport:
    """Export a model folder; what `tinybert export` does.

    Args:
        model: A transformers folder with a task head, such as a run's `student`.
        output: Folder for the files; new, empty, or an earlier export, which is replaced.
        int8: Also write `onnx/model_quantized.onnx`; static where the folder holds the ranges that its run measured.
        cpu: `avx2` for int8 on processors without VNNI.

    Raises:
        UserError: If the model cannot be read, or the output folder holds something else.
    """
    if cpu not in (None, AVX2):
        raise UserError(f"--cpu {cpu}: there is only {AVX2}, for processors without VNNI")
    if cpu is not None and not int8:
        raise UserError(f"--cpu {cpu}: only int8 depends on the processor; add --int8")
    check_export_folder(output)
    network, tokenizer = load_classifier(model).model, load_tokenizer(model)
    longest = min(int(tokenizer.model_max_length), network.longest)
    known = partial(read_ranges, model)
    return export_onnx(network, tokenizer, output, max_length=longest, int8=int8, ranges=known, cpu=cpu)


def export_onnx(
    model: Network,
    tokenizer: PreTrainedTokenizerFast,
    folder: Path,
    *,
    max_length: int,
    int8: bool = True,
    ranges: Callable[[Path], Ranges | None] | None = None,
    cpu: str | None = None,
) -> ExportReport:
    """Write a model, on request in int8 too, its tokenizer and configuration (see `layout`); whole and checked, or not.

    Batch and sequence length stay free, up to the positions that the model has; inputs are `input_ids`,
    `attention_mask` and, where the model has more than one type, `token_type_ids`; the output is `logits`.

    Args:
        model: A classifier or regressor of a supported architecture.
        tokenizer: Its tokenizer.
        folder: Where to; replaced if it exists.
        max_length: Pieces per text or pair; tokenizer.json cuts there, and everybody who reads it.
        int8: Also write the int8 file, see `quantise`.
        ranges: Gives those for static quantisation of the fp32 file; dynamic without it, or where it gives None.
        cpu: `avx2` for int8 on processors without VNNI.

    Raises:
        UserError: If the architecture is not supported, or the exporter cannot express it.
        RuntimeError: If torch and ONNX disagree.
        ResourceError: If the disk is full.
    """
    original = _on_cpu(model)
    with atomic_folder(folder) as temporary:
        save_description(original, tokenizer, temporary, max_length=max_length, cuts=True)
        shutil.copyfile(Path(__file__).with_name(PREDICT), temporary / PREDICT)
        (temporary / MODEL).parent.mkdir()
        graph = to_onnx(original)
        _save(graph, temporary / MODEL)
        fp32 = OnnxModel(temporary / MODEL, torch.get_num_threads())
        parity = parity_difference(original, fp32, np.random.default_rng(0))
        report = ExportReport(folder / MODEL, None, _bytes(temporary / MODEL), None, parity)
        if int8:
            known = None if ranges is None else ranges(temporary / MODEL)
            how = quantise_dynamic if known is None else partial(quantise_static, ranges=known)
            how(temporary / MODEL, temporary / MODEL_INT8, reduce_range=cpu == AVX2)
            report = replace(report, model_int8=folder / MODEL_INT8, bytes_int8=_bytes(temporary / MODEL_INT8))
            report = replace(report, quantisation="dynamic" if known is None else "static")
        return report


def to_onnx(model: Network) -> onnx.ModelProto:
    """The graph of a model; nothing in it tells on which machine it was made, and the same model gives the same bytes.

    Raises:
        UserError: If the exporter cannot express the model.
    """
    inputs = model.inputs(random_batch(model, _EXAMPLE, np.random.default_rng(0)))
    axes = {name: {0: "batch", 1: "sequence"} for name in inputs}
    try:
        with quiet(), evaluation_mode(model):
            program = torch.onnx.export(
                model.for_onnx(),
                kwargs=inputs,
                dynamo=True,
                output_names=["logits"],
                dynamic_shapes=axes,
                verbose=False,
            )
    except torch.onnx.errors.OnnxExporterError as error:
        raise UserError(f"onnx: the exporter cannot express this {model.family} model: {first_line(error)}") from error
    assert program is not None
    return _without_talk(program.model_proto)


def _without_talk(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Drop the exporter's notes: its stack traces hold local paths, and the quantiser trips over its shapes."""
    graph = proto.graph
    del graph.value_info[:]
    for part in (proto, graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        del part.metadata_props[:]
    return proto


def _save(proto: onnx.ModelProto, path: Path) -> None:
    weights = sum(len(tensor.raw_data) for tensor in proto.graph.initializer)
    onnx.save(proto, path, save_as_external_data=weights > LARGEST_FILE, location=path.name + DATA)


def _bytes(path: Path) -> int:
    return sum(part.stat().st_size for part in (path, path.with_name(path.name + DATA)) if part.exists())


def _on_cpu(model: Network) -> Network:
    """The model itself where it is float32 on the CPU, otherwise a copy that is."""
    if model.dtype == torch.float32 and model.device.type == "cpu":
        return model
    return copy.deepcopy(model).float().cpu()
