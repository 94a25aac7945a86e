"""`export/predict.py`: the answers of `tinybert predict`, with onnxruntime and tokenizers alone."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, pre_tokenizers, processors

import tinybert
from tinybert.export import predict
from tinybert.export.hub import save_description
from tinybert.export.layout import MODEL, PREDICT
from tinybert.export.predict import Model
from tinybert.models.heads import Head, note_reading

TEXTS = ["a good film", "the film is, very dull.", "not bad and not great", "it was a movie"]
LONG = " ".join(TEXTS * 3)
ROWS = [{"text": text} for text in (*TEXTS, LONG)]
PAIRS = [
    {"text_a": one, "text_b": other}
    for one, other in (*pairwise(TEXTS), (LONG, TEXTS[0]), (TEXTS[1], LONG), (LONG, LONG[9:]))
]
WORDS = [{"tokens": text.split()} for text in (*TEXTS, LONG, "the \u0003 film")]
QUESTIONS = [{"question": pair["text_a"], "context": pair["text_b"]} for pair in PAIRS if pair["text_a"] != LONG]


class Kind(NamedTuple):
    """A model of one kind, rows that it reads, and what is noted in its configuration."""

    classes: tuple[str, ...]
    rows: list[dict[str, Any]]
    problem: str | None = None
    ending: str = "SequenceClassification"
    noted: dict[str, Any] = {}  # noqa: RUF012


KINDS = {
    "classes": Kind(("neg", "neutral", "pos"), ROWS, "single_label_classification"),
    "classes with a threshold": Kind(
        ("no", "yes"), ROWS, "single_label_classification", noted={"thresholds": {"yes": 0.7}}
    ),
    "classes of pairs": Kind(("no", "yes"), PAIRS, "single_label_classification"),
    "scores": Kind((), PAIRS, "regression"),
    "labels": Kind(
        ("joy", "fear"), ROWS, "multi_label_classification", noted={"thresholds": {"joy": 0.4, "fear": 0.6}}
    ),
    "tags": Kind(("B-X", "I-X", "O"), WORDS, None, "TokenClassification"),
    "tags of texts": Kind(("B-X", "I-X", "O"), ROWS, None, "TokenClassification"),
    "answers": Kind(("start", "end"), QUESTIONS, None, "QuestionAnswering"),
    "answers or none": Kind(("start", "end"), QUESTIONS, None, "QuestionAnswering", {"no_answer_threshold": 0.1}),
}


@pytest.fixture
def model_of(tiny_model: Callable[..., Any], tiny_tokenizer: Any, tmp_path: Path) -> Callable[..., Path]:
    """`model_of(kind, windows, stride)`: an export folder whose graph takes no exporter."""

    def make(kind: Kind, windows: str = "off", stride: int | None = None) -> Path:
        auto = f"AutoModelFor{kind.ending}"
        head = {"TokenClassification": "tags", "QuestionAnswering": "answers"}.get(kind.ending, "classifier")
        network = tiny_model("bert", outputs=len(kind.classes) or 1, head=head)
        Head(kind.classes, kind.problem, auto).describe_in(network.config)
        note_reading(
            network.config, paired={"text_b", "context"} & {*kind.rows[0]} != set(), pooling=windows, stride=stride
        )
        for name, value in kind.noted.items():
            setattr(network.config, name, value)
        (tmp_path / MODEL).parent.mkdir()
        save_description(network, tiny_tokenizer, tmp_path, max_length=16, cuts=True)
        sizes = (network.config.vocab_size, network.config.num_labels)
        onnx.save(graph(*sizes, of_pieces=head != "classifier"), tmp_path / MODEL)
        return tmp_path

    return make


def graph(vocabulary: int, outputs: int, *, of_pieces: bool) -> onnx.ModelProto:
    """Logits that are sums over pieces and types: of all pieces that are not padding, or of those up to each."""
    rng = np.random.default_rng(0)
    tables = {"of_pieces": rng.normal(0, 0.3, (vocabulary, outputs)), "of_types": rng.normal(0, 0.3, (2, outputs))}
    constants = [numpy_helper.from_array(table.astype(np.float32), name) for name, table in tables.items()]
    constants += [numpy_helper.from_array(np.array([number]), name) for name, number in (("one", 1), ("two", 2))]
    steps = [
        ("Gather", ["of_pieces", "input_ids"], "pieces"),
        ("Gather", ["of_types", "token_type_ids"], "types"),
        ("Add", ["pieces", "types"], "both"),
        ("Unsqueeze", ["attention_mask", "two"], "mask"),
        ("CastLike", ["mask", "both"], "real"),
        ("Mul", ["both", "real"], "values"),
        ("CumSum" if of_pieces else "ReduceSum", ["values", "one"], "logits"),
    ]
    nodes = [helper.make_node(operator, given, [made]) for operator, given, made in steps]
    if not of_pieces:
        nodes[-1].attribute.append(helper.make_attribute("keepdims", 0))
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, ["b", "s"]) for name in predict.INPUTS]
    axes = ["b", "s", outputs] if of_pieces else ["b", outputs]
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, axes)
    made = helper.make_graph(nodes, "table", inputs, [logits], constants)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def same(ours: Any, theirs: Any) -> None:
    """Equal but for the last digit of a number."""
    if isinstance(ours, dict):
        assert ours.keys() == theirs.keys()
        ours, theirs = list(ours.values()), list(theirs.values())
    if isinstance(ours, list):
        for one, other in zip(ours, theirs, strict=True):
            same(one, other)
    else:
        assert ours == (pytest.approx(theirs, abs=1e-6) if isinstance(theirs, float) else theirs)


@pytest.mark.parametrize(
    ("kind", "windows", "stride"),
    [(name, "off", None) for name in KINDS]
    + [(name, "mean", None) for name in ("classes", "classes of pairs", "labels")]
    + [("classes of pairs", "max", 3), ("tags", "off", 3), ("answers", "off", 3)],
)
def test__the_answers_are_those_of_tinybert(
    model_of: Callable[..., Path], kind: str, windows: str, stride: int | None
) -> None:
    folder, rows = model_of(KINDS[kind], windows, stride), KINDS[kind].rows
    if kind.startswith("answers"):
        rows = [{**row, "id": f"number {number}"} for number, row in enumerate(rows)]
    ours = [{key: one[key] for key in one if key != "row"} for one in tinybert.predict(folder, data=rows)]
    same(ours, Model(folder, threads=1)(rows))
    same(ours[:1], Model(folder, threads=1)(rows[:1]))  # whatever shares its batch


def test__the_space_that_is_part_of_a_piece_is_cut_off_once(model_of: Callable[..., Path]) -> None:
    """As RoBERTa has it; `b` would be no character at all the second time."""
    folder = model_of(KINDS["tags of texts"])
    backend = Tokenizer(models.BPE({"<s>": 0, "</s>": 1, "a": 2, "b": 3, "Ġ": 4, "Ġb": 5}, [("Ġ", "b")]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.post_processor = processors.RobertaProcessing(("</s>", 1), ("<s>", 0), add_prefix_space=False)
    backend.enable_truncation(16)
    backend.save(str(folder / "tokenizer.json"))
    (window,) = Model(folder, threads=1).windows(["a ba"])
    assert list(predict.pieces_of(window, "a ba")) == [(1, 0, 1), (2, 2, 3), (3, 3, 4)]


WITHOUT = """
import runpy, sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("tinybert", "torch", "transformers", "onnx", "safetensors", "scipy"):
            raise ImportError(f"{name} is not there")
sys.meta_path.insert(0, Blocked())
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def ask(folder: Path, *arguments: str, said: str = "") -> subprocess.CompletedProcess[str]:
    """Run the file of an export folder where nothing of ours, torch and transformers can be imported."""
    command = [sys.executable, "-c", f"import sys; del sys.argv[0]{WITHOUT}", str(folder / PREDICT), *arguments]
    return subprocess.run(command, input=said, capture_output=True, text=True, check=False, timeout=120)


def test__it_runs_without_torch_and_transformers(exported: Any) -> None:
    folder = exported.report.model.parents[1]
    ours = [json.loads(json.dumps(one)) for one in tinybert.predict(exported.report.model_int8, data=ROWS[:1])]
    for arguments, said in (([ROWS[0]["text"]], ""), (["--file", "-"], json.dumps(ROWS[0]))):
        done = ask(folder, *arguments, said=said)
        assert done.returncode == 0, done.stderr
        same(ours, [json.loads(line) for line in done.stdout.splitlines()])


def test__a_row_that_the_model_does_not_read_is_one_line(model_of: Callable[..., Path]) -> None:
    model = Model(model_of(KINDS["classes"]), threads=1)
    with pytest.raises(ValueError, match="the model reads single texts"):
        model([("a", "b")])
    with pytest.raises(ValueError, match="a row is a text"):
        model([{"sentence": "a"}])
    with pytest.raises(ValueError, match="a row without a text"):
        model(["  "])


@pytest.mark.parametrize(("quota", "threads"), [("max 100000", 4), ("250000 100000", 2), ("50000 100000", 1)])
def test__threads_follow_the_share_of_the_container(monkeypatch: pytest.MonkeyPatch, quota: str, threads: int) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(4), raising=False)
    monkeypatch.setattr(
        Path, "read_text", lambda path, **_: quota if path.name == "cpu.max" else pytest.fail(str(path))
    )
    assert predict.cores() == threads
