import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from tokenizers import Tokenizer
from transformers import AutoTokenizer

from tinybert.errors import UserError
from tinybert.export import onnx as under_test
from tinybert.export.hub import save_student
from tinybert.export.onnx import export, export_onnx, to_onnx
from tinybert.export.parity import random_batch
from tinybert.export.quantise import quantise_static
from tinybert.export.ranges import measured_ranges, write_ranges
from tinybert.export.runtime import OnnxModel
from tinybert.families import TRANSFORMERS
from tinybert.report.measure import count_parameters
from tinybert.stages import budget


@pytest.fixture
def ready_graph(exported: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The graph of the shared export in place of a slow new one; a test may damage it."""
    graph = onnx.load(exported.report.model)
    monkeypatch.setattr(under_test, "to_onnx", lambda model: graph)
    return graph


def test__the_folder_holds_both_models_tokenizer_and_config(exported: Any) -> None:
    folder = exported.report.model.parents[1]
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    read_by_all = {"config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"}
    assert names == {"onnx/model.onnx", "onnx/model_quantized.onnx", "predict.py", *read_by_all}
    assert exported.report.model_int8 == folder / "onnx/model_quantized.onnx"
    assert exported.report.bytes == exported.report.model.stat().st_size
    assert exported.report.bytes_int8 == exported.report.model_int8.stat().st_size < exported.report.bytes
    assert AutoTokenizer.from_pretrained(folder).model_max_length == 48
    assert json.loads((folder / "config.json").read_text())["architectures"] == ["BertForSequenceClassification"]


def test__whoever_reads_the_tokenizer_file_cuts_where_the_student_did(exported: Any) -> None:
    """With the packages onnxruntime and tokenizers alone, too: 702 pieces are more than the model has positions for."""
    tokenizer = Tokenizer.from_file(str(exported.report.model.parents[1] / "tokenizer.json"))
    single, pair = tokenizer.encode("good " * 700), tokenizer.encode("good " * 700, "bad film")
    assert (len(single.ids), len(pair.ids)) == (48, 48)
    assert pair.type_ids.count(1) == 3, "the longer side is cut first"
    ids = np.array([single.ids])
    assert OnnxModel(exported.report.model, threads=1).logits(ids, np.ones_like(ids)).shape == (1, 3)
    assert len(tokenizer.encode("a good film").ids) == 5, "nothing is padded"


def test__int8_is_near_fp32_and_the_report_says_how_near_fp32_is_to_torch(exported: Any) -> None:
    assert 0 < exported.report.parity_difference < 1e-5
    batch = random_batch(exported.model, (4, 12), np.random.default_rng(0))
    fp32, int8 = (
        OnnxModel(path, 1).batch_logits(batch) for path in (exported.report.model, exported.report.model_int8)
    )
    assert 0 < (fp32 - int8).abs().max() < 1


@pytest.mark.parametrize("shape", [(1, 1), (5, 1), (1, 2), (2, 2), (1, 70), (7, 7), (9, 33)])
def test__batch_and_length_are_free_and_logits_those_of_torch(exported: Any, shape: tuple[int, int]) -> None:
    batch = random_batch(exported.model, shape, np.random.default_rng(sum(shape)))
    logits = OnnxModel(exported.report.model, threads=1).batch_logits(batch)
    with torch.no_grad():
        expected = copy.deepcopy(exported.model).eval()(**exported.model.inputs(batch))
    torch.testing.assert_close(logits, expected, atol=1e-5, rtol=1e-5)
    assert OnnxModel(exported.report.model_int8, threads=1).batch_logits(batch).shape == expected.shape


def test__padding_changes_nothing(exported: Any) -> None:
    model = OnnxModel(exported.report.model, threads=1)
    ids = np.arange(5, 14)[None]
    padded = np.pad(ids, ((0, 0), (0, 6)))
    mask = (padded > 0).astype(np.int64)
    np.testing.assert_allclose(model.logits(padded, mask), model.logits(ids, np.ones_like(ids)), atol=1e-5)


def test__axes_have_names_and_inputs_the_usual_order(exported: Any) -> None:
    for path in (exported.report.model, exported.report.model_int8):
        graph = onnx.load(path).graph
        assert [given.name for given in graph.input] == ["input_ids", "attention_mask", "token_type_ids"]
        assert [given.name for given in graph.output] == ["logits"]
        for given in graph.input:
            assert [axis.dim_param for axis in given.type.tensor_type.shape.dim] == ["batch", "sequence"]


def test__the_files_name_no_folder_of_this_machine(exported: Any) -> None:
    for path in filter(Path.is_file, exported.report.model.parents[1].rglob("*")):
        content = path.read_bytes()
        for word in (b"site-packages", b"stack_trace", str(Path.home()).encode() + b"/", str(Path.cwd()).encode()):
            assert word not in content, (path.name, word)


def test__the_caller_s_model_stays_in_training_mode(exported: Any) -> None:
    assert exported.model.training
    assert all(parameter.requires_grad for parameter in exported.model.parameters())


def test__every_matrix_is_int8_with_a_scale_per_output(exported: Any) -> None:
    graph = onnx.load(exported.report.model_int8).graph
    stored = {tensor.name: tensor for tensor in graph.initializer}
    matrices = [node.input[1] for node in graph.node if node.op_type == "MatMulInteger"]
    assert len(matrices) == 2 * 6 + 2  # six matrices a layer, the pooler's and the head's
    for name in matrices:
        assert stored[name].data_type == onnx.TensorProto.INT8
        assert stored[name.removesuffix("_quantized") + "_scale"].dims == stored[name].dims[1:]


def test__a_wrong_graph_is_not_kept(exported: Any, ready_graph: Any, tmp_path: Path) -> None:
    bias = next(tensor for tensor in ready_graph.graph.initializer if tensor.name == "model.classifier.bias")
    bias.raw_data = np.array([0, 0.5, 0], dtype=np.float32).tobytes()
    with pytest.raises(RuntimeError, match="was not kept"):
        export_onnx(exported.model, exported.tokenizer, tmp_path / "export", max_length=64, int8=False)
    assert list(tmp_path.iterdir()) == []


def test__without_int8_there_is_one_model(exported: Any, ready_graph: Any, tmp_path: Path) -> None:
    report = export_onnx(exported.model, exported.tokenizer, tmp_path / "export", max_length=64, int8=False)
    assert not (tmp_path / "export/onnx/model_quantized.onnx").exists()
    assert (report.model_int8, report.bytes_int8) == (None, None)


@pytest.mark.parametrize("quantisation", ["dynamic", "static"])
def test__a_budget_is_measured_on_such_a_file(
    exported: Any, ready_graph: Any, monkeypatch: pytest.MonkeyPatch, quantisation: str
) -> None:
    monkeypatch.setattr(budget, "to_onnx", lambda model: ready_graph)
    monkeypatch.setattr(budget, "SECONDS", 0.0)
    found = budget.cost(exported.model, quantisation, 8)
    assert quantisation == "static" or found.mb * 1e6 == exported.report.bytes_int8
    assert count_parameters(exported.model) < found.mb * 1e6 < exported.report.bytes
    assert found.ms > 0


def test__weights_too_large_for_one_file_lie_beside_it(
    exported: Any, ready_graph: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(under_test, "LARGEST_FILE", 0)
    report = export_onnx(exported.model, exported.tokenizer, tmp_path / "export", max_length=64, int8=True)
    assert (tmp_path / "export/onnx/model.onnx_data").exists()
    assert report.bytes > (tmp_path / "export/onnx/model.onnx_data").stat().st_size
    assert report.model_int8 is not None
    moved = (tmp_path / "export").rename(tmp_path / "moved")
    ids = np.arange(5, 14)[None]
    found = OnnxModel(moved / "onnx/model.onnx", 1).logits(ids, np.ones_like(ids))
    assert np.array_equal(found, OnnxModel(exported.report.model, 1).logits(ids, np.ones_like(ids)))


def test__another_dtype_is_exported_as_float32(exported: Any, ready_graph: Any, tmp_path: Path) -> None:
    double = copy.deepcopy(exported.model).double()
    report = export_onnx(double, exported.tokenizer, tmp_path / "export", max_length=64, int8=False)
    assert report.parity_difference < 1e-5
    assert double.dtype == torch.float64
    assert json.loads((tmp_path / "export/config.json").read_text())["dtype"] == "float32"


def test__what_the_exporter_cannot_express_is_one_line(exported: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **settings: Any) -> None:
        raise torch.onnx.errors.OnnxExporterError("first\nsecond")

    monkeypatch.setattr(torch.onnx, "export", fail)
    with pytest.raises(UserError, match=r"cannot express this bert model: first$"):
        to_onnx(exported.model)


def test__the_command_exports_a_saved_student(exported: Any, ready_graph: Any, tmp_path: Path) -> None:
    save_student(exported.model, exported.tokenizer, tmp_path / "student", max_length=48)
    ranges = measured_ranges(exported.report.model, [random_batch(exported.model, (1, 9), np.random.default_rng(0))])
    assert export(tmp_path / "student", tmp_path / "export", int8=True).quantisation == "dynamic"
    write_ranges(ranges, tmp_path / "student")
    first = export(tmp_path / "student", tmp_path / "export", int8=True)
    assert first.quantisation == "static"
    again = export(tmp_path / "student", tmp_path / "export", int8=True)  # an earlier export is replaced
    assert first == again
    assert AutoTokenizer.from_pretrained(tmp_path / "export").model_max_length == 48


def test__an_output_with_other_files_is_left_alone(exported: Any, ready_graph: Any, tmp_path: Path) -> None:
    save_student(exported.model, exported.tokenizer, tmp_path / "student", max_length=48)
    (tmp_path / "mine/onnx").mkdir(parents=True)
    (tmp_path / "mine/onnx/model.onnx").write_text("somebody's")
    (tmp_path / "mine/thesis.txt").write_text("years of work")
    for output in (tmp_path / "mine", tmp_path / "student"):
        with pytest.raises(UserError, match="new or empty folder"):
            export(tmp_path / "student", output)
    with pytest.raises(UserError, match="is a file"):
        export(tmp_path / "student", tmp_path / "mine/thesis.txt")
    assert (tmp_path / "mine/thesis.txt").read_text() == "years of work"
    assert (tmp_path / "student/model.safetensors").exists()


@pytest.mark.slow
@pytest.mark.parametrize("model_type", [name for name in TRANSFORMERS if name != "bert"])
def test__every_architecture_is_exported(
    tiny_model: Callable[..., Any], tiny_tokenizer: Any, tmp_path: Path, model_type: str
) -> None:
    model = tiny_model(model_type, outputs=2)
    batch = random_batch(model, (16, 20), np.random.default_rng(0))
    report = export_onnx(model, tiny_tokenizer, tmp_path / "export", max_length=64)
    assert report.parity_difference < 1e-5
    ranges = measured_ranges(report.model, (random_batch(model, (1, 20), np.random.default_rng(n)) for n in range(20)))
    quantise_static(report.model, tmp_path / "static.onnx", ranges)
    static = OnnxModel(tmp_path / "static.onnx", 1)
    fp32, *int8 = (OnnxModel(path, 1).batch_logits(batch) for path in (report.model, report.model_int8, static.path))
    for logits in int8:
        assert (fp32.argmax(dim=1) == logits.argmax(dim=1)).float().mean() >= 0.75
    first = int(batch.real[1].sum())
    alone = static.logits(batch.input_ids[1:2, :first].numpy(), np.ones((1, first), np.int64))
    if "token_type_ids" not in static.inputs:
        assert np.array_equal(alone[0], int8[1][1].numpy()), "the same alone as in a batch, with padding"
    inputs = OnnxModel(report.model, 1).inputs
    assert ("token_type_ids" in inputs) == (model_type in ("electra", "ernie", "albert", "nomic_bert"))


@pytest.mark.slow
def test__the_same_model_gives_the_same_bytes(exported: Any, tmp_path: Path) -> None:
    export_onnx(exported.model, exported.tokenizer, tmp_path / "export", max_length=64)
    for path in filter(Path.is_file, (tmp_path / "export").rglob("*")):
        twin = exported.report.model.parents[1] / path.relative_to(tmp_path / "export")
        assert path.read_bytes() == twin.read_bytes(), path.name
