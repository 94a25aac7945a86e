"""A workshop for whole runs: tiny teachers, a made-up task that words decide, and the public API at its quickest.

Nothing of tinybert is imported at the top: conftest.py files read this before the import hook that checks shapes.
"""

import hashlib
import json
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from filelock import FileLock

FILLERS = ("the", "a", "film", "movie", "plot", "is", "was", "very", "and", "it")
CLASSES = ("neg", "pos")
SIGNS = {"neg": "bad", "pos": "good"}  # the word that decides a text's class
SHAPE = "2x12"
AS_WIDE_AS_THE_TEACHER = {
    "pkd": "2x24",
    "distilbert": "2x24",
}  # by recipe, where a student has to be; then teacher layers are copied
SHAPES = {**AS_WIDE_AS_THE_TEACHER, "static": "0x12", "tfidf": "2x50"}
REPOSITORY = Path(__file__).parents[2]
PICKLES = {".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".npy", ".npz"}
Rows = list[dict[str, Any]]
# Where nothing is computed, or as in bf16, in which test_conformance.py and test_general.py go through every recipe.
on_one_processor = pytest.mark.parametrize("processor", [False], indirect=True, ids=["without bf16"])
with_bf16 = pytest.mark.parametrize("processor", [True], indirect=True, ids=["with bf16"])
FP32 = ("teacher.dtype=fp32", "run.dtype=fp32")  # where numbers are compared more closely than bf16 repeats them


@dataclass(frozen=True)
class Workshop:
    """A folder with models, data and runs in it; the models are of one `kind`, whose pieces `tokenizer` gives."""

    folder: Path
    tokenizer: Any
    kind: str = "bert"

    def path(self, name: str) -> Path:
        return self.folder / name

    def model(self, name: str = "teacher", classes: Sequence[str] | None = None, layers: int = 4, **how: Any) -> Path:
        """A tiny network's folder; without `classes` it has no head, and `classes=()` is a regression.

        Args:
            name: Of the folder.
            classes: In the order of the head's outputs.
            layers: Number of layers.
            how: `width`, `heads`, `seed`, `dropout`; `bias`: the head always gives these logits.
        """
        sizes = (layers, how.get("width", 24), how.get("heads", 3))
        model = self.network(classes, *sizes, seed=how.get("seed", 0), dropout=how.get("dropout", 0.1))
        if "bias" in how:
            model.classifier.weight.data.zero_()
            model.classifier.bias.data = torch.tensor(how["bias"])
        with _silence():
            model.save_pretrained(self.path(name))
            self.tokenizer.save_pretrained(self.path(name))
        return self.path(name)

    def masked_lm(self, name: str = "mlm", layers: int = 2) -> Path:
        """A tiny network with a masked-LM head that was never trained."""
        with _silence():
            self.network(None, layers, 24, 3, seed=5, masked_lm=True).save_pretrained(self.path(name))
            self.tokenizer.save_pretrained(self.path(name))
        return self.path(name)

    def network(
        self,
        classes: Sequence[str] | None,
        layers: int,
        width: int,
        heads: int,
        seed: int,
        masked_lm: bool = False,
        dropout: float = 0.1,
    ) -> Any:
        """Random weights and biases; room for 130 pieces, because latency is measured at 128."""
        from transformers import AutoConfig, AutoModel, AutoModelForMaskedLM, AutoModelForSequenceClassification

        from tinybert.families import FAMILIES

        config = AutoConfig.for_model(
            self.kind,
            vocab_size=max(self.tokenizer.get_vocab().values()) + 1,
            hidden_size=width,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            intermediate_size=41,
            max_position_embeddings=130 if (padding := FAMILIES[self.kind].padding) is None else 131 + padding,
            pad_token_id=self.tokenizer.pad_token_id,
            type_vocab_size=2 if self.kind == "bert" else 1,
            initializer_range=0.2,
            hidden_dropout_prob=dropout,
            attention_probs_dropout_prob=dropout,
        )
        if classes is not None:
            config.num_labels = len(classes) or 1
            config.problem_type = None if classes else "regression"
        if classes:
            config.id2label, config.label2id = dict(enumerate(classes)), {name: n for n, name in enumerate(classes)}
        headless = AutoModelForMaskedLM if masked_lm else AutoModel
        auto = headless if classes is None else AutoModelForSequenceClassification
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = auto.from_config(config)
            for parameter in model.parameters():
                parameter.data += 0.1 * torch.randn_like(parameter)
        return model.eval()

    def data(self, name: str, rows: Rows) -> Path:
        """Rows as a TSV file."""
        lines = ["\t".join(rows[0]), *("\t".join(str(value) for value in row.values()) for row in rows)]
        self.path(name).write_text("\n".join(lines) + "\n", encoding="utf-8")
        return self.path(name)

    def splits(self, make: Callable[..., Rows] | None = None) -> dict[str, Path]:
        """Train, dev and test of 24, 12 and 12 rows; made once."""
        made = make or reviews
        sizes = {"train": 24, "dev": 12, "test": 12}
        return {
            name: self.path(f"{name}.tsv")
            if self.path(f"{name}.tsv").exists()
            else self.data(f"{name}.tsv", made(n, seed))
            for seed, (name, n) in enumerate(sizes.items(), 1)
        }

    def corpus(self, name: str = "corpus.txt", lines: int = 100, seed: int = 0) -> Path:
        """Plain text, a review a line; made once."""
        if not self.path(name).exists():
            texts = [row["text"] for row in reviews(lines, seed)]
            self.path(name).write_text("\n".join(texts) + "\n", encoding="utf-8")
        return self.path(name)

    def arguments(self, recipe: str = "tinybert", **changes: Any) -> dict[str, Any]:
        """What `tinybert.distill` is called with: everything tiny; `changes` win, None leaves an argument out."""

        shape = SHAPES.get(recipe, SHAPE)
        given: dict[str, Any] = {"teacher": self.path("teacher"), "student": shape, "output": self.path("run")}
        given |= {"train": self.corpus()} if reads_text(recipe, changes.get("train")) else self.splits()
        if recipe == "tfidf":
            del given["teacher"]
        also = changes.pop("also", ())
        files = {name: (given | changes).get(name) for name in ("train", "unlabeled", "teacher_scores")}
        given["set"] = (*quickest(recipe, also, files), *also)
        if recipe == "l2a":
            given |= {"mlm": self.path("mlm"), "source": self.path("source.tsv")}
        return {name: value for name, value in (given | changes).items() if value is not None}

    def distill(self, recipe: str = "tinybert", **changes: Any) -> dict[str, Any]:
        """A run through the public API."""
        import tinybert

        if "teacher" not in changes and not self.path("teacher").exists():
            self.model()
        if recipe == "l2a" and not self.path("mlm").exists():
            self.masked_lm()
            self.data("source.tsv", reviews(24, seed=4))
        return tinybert.distill(recipe, **self.arguments(recipe, **changes))


def with_other_pieces(folder: Path) -> Path:
    """The same network with a tokenizer that numbers two letters the other way round."""
    path = folder / "tokenizer.json"
    content = json.loads(path.read_text())
    pieces = content["model"]["vocab"]
    pieces["a"], pieces["b"] = pieces["b"], pieces["a"]
    path.write_text(json.dumps(content))
    return folder


def finished_in(folder: Path, tokenizer: Any, **changes: Any) -> Workshop:
    """A workshop with a finished run of TinyBERT by a teacher that has a head."""
    made = Workshop(folder, tokenizer)
    made.model(classes=CLASSES)
    with quick_finish():
        made.distill(**changes)
    return made


def reviews(count: int, seed: int = 0) -> Rows:
    """Texts whose class is that of one word in them; as many of each class."""
    rng = np.random.default_rng(seed)
    return [{"text": _text(rng, SIGNS[label]), "label": label} for label in (CLASSES[n % 2] for n in range(count))]


def ratings(count: int, seed: int = 0) -> Rows:
    """Texts with a score."""
    rows = reviews(count, seed)
    scores = np.random.default_rng(seed).uniform(0, 0.9, count).round(2)
    return [{"text": row["text"], "label": 2.05 * n + float(scores[n])} for n, row in enumerate(rows)]


def pairs(count: int, seed: int = 0) -> Rows:
    """Pairs of texts with a class."""
    first, second = reviews(count, seed), reviews(count, seed + 100)
    return [{"text_a": a["text"], "text_b": b["text"], "label": a["label"]} for a, b in zip(first, second, strict=True)]


def reads_text(recipe: str, train: Any = None) -> bool:
    """Whether a recipe is given plain text, and not a task."""
    from tinybert.recipes import RECIPES
    from tinybert.stages.common_settings import split_data

    return bool(RECIPES[recipe].config(train=split_data({"train": train}, ("train",))[0]["train"]).reads_text)


def quickest(recipe: str, also: Sequence[str] = (), files: Mapping[str, Any] | None = None) -> tuple[str, ...]:
    """Settings under which every stage of a recipe makes six updates that show; on plain text, as many as that has.

    Those that a run with `also` and these files does not read are left out.
    """
    from tinybert.config import resolve, unread_keys
    from tinybert.errors import UserError
    from tinybert.recipes import RECIPES
    from tinybert.stages.common_settings import split_data
    from tinybert.types import Stage

    defaults = RECIPES[recipe].config()
    stages = [field.name for field in fields(defaults) if isinstance(getattr(defaults, field.name), Stage)]
    each = {"epochs": 2, "batch_size": 8, "lr": 3e-3}
    plain = ("augment.method=none",) if hasattr(defaults, "augment") else ()
    if recipe == "l2a":
        plain = ("l2a.target_samples=2", "l2a.balanced=false", "l2a.reward_eval_size=8", "l2a.policy.significance=1")
    if recipe in AS_WIDE_AS_THE_TEACHER:
        plain = (*plain, "student.inner=41")
    shortest = (f"{stage}.{key}={value}" for stage in stages for key, value in each.items())
    plain_text = reads_text(recipe, (files or {}).get("train"))
    length = "general.block_length=16" if plain_text else "data.max_length=32"
    every, base = (length, *plain, *shortest), plain if hasattr(defaults, "augment") else ()
    try:
        how = {
            "flags": split_data(files or {}, files or ())[0],
            "overrides": [*base, *also],
            "default": RECIPES[recipe].preset,
        }
        found = resolve(RECIPES[recipe].config, recipe, **how)
    except UserError:
        return every  # the run itself says what is wrong
    unread = tuple(".".join(path) for path, _ in unread_keys(found.settings))
    return tuple(one for one in every if not f"{one.partition('=')[0]}.".startswith(tuple(f"{key}." for key in unread)))


def contents(folder: Path, *left_out: str) -> dict[str, tuple[str, int]]:
    """Hash and time of change of every file below a folder, by relative path."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name not in (".lock", *left_out)]
    return {path.relative_to(folder).as_posix(): (sha256(path), path.stat().st_mtime_ns) for path in paths}


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read(path: Path) -> Any:
    """A JSON file, or all lines of a JSON-lines file."""
    text = path.read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()] if path.suffix == ".jsonl" else json.loads(text)


def steps_of(run: Path) -> list[str]:
    """The names of the steps that a run has begun, in order."""
    from tinybert.folders import Record

    return [step.name for step in Record(run).steps]


def inputs_of(run: Path, name: str) -> dict[str, Any]:
    """What a step of a run was begun with."""
    from tinybert.folders import Record

    (found,) = (step for step in Record(run).steps if step.name == name)
    return dict(found.inputs)


def stage(run: Path, name: str) -> Path:
    """The folder of a step of a run, in its own store or in that of its seeds."""
    from tinybert.artifacts import folder_name
    from tinybert.folders import Record

    (found,) = (step for step in Record(run).steps if step.name == name)
    own, shared = (folder / "stages" / folder_name(found.name, found.key) for folder in (run, run.parent))
    return own if own.exists() else shared


def trained(run: Path, name: str) -> dict[str, torch.Tensor]:
    """The weights a stage ended with, under the names that transformers gives them."""
    from safetensors.torch import load_file

    weights = load_file(stage(run, name) / "result" / "student.safetensors")
    return {key.removeprefix("model."): value for key, value in weights.items()}


def equal(first: Mapping[str, torch.Tensor], second: Mapping[str, torch.Tensor]) -> bool:
    """Whether two sets of weights are the same to the bit."""
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def pickles(run: Path) -> list[Path]:
    """Files of a run that look like pickles."""
    return [path for path in run.rglob("*") if path.suffix in PICKLES]


def that_know_their_place(run: Path, *folders: str) -> set[str]:
    """Files of a run in which one of these folders is named, or another that only this machine has."""
    known = [folder.encode() for folder in (*folders, str(Path.home()), str(REPOSITORY), sys.prefix) if len(folder) > 2]
    files = (path for path in run.rglob("*") if path.is_file())
    return {str(path.relative_to(run)) for path in files if any(folder in path.read_bytes() for folder in known)}


@contextmanager
def quick_finish(real_export: bool = False) -> Iterator[None]:
    """Inside, every finish is quick."""
    with pytest.MonkeyPatch.context() as patch:
        hurry_finish(patch, real_export)
        yield


def hurry_finish(patch: pytest.MonkeyPatch, real_export: bool = False) -> None:
    """Measure latency on a handful of calls, and let stand-ins be ONNX files: the exporter takes seconds."""
    import importlib

    from tinybert.report import measure

    patch.setattr(measure, "_MOST", 5)
    if not real_export:
        patch.setattr(importlib.import_module("tinybert.stages.finish"), "export_onnx", _stand_in)


def _stand_in(model: Any, tokenizer: Any, folder: Path, *, max_length: int, **_: Any) -> Any:
    """An export that takes and gives what a real one does; its logits mean nothing."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    from tinybert.export.hub import save_description
    from tinybert.export.layout import MODEL, MODEL_INT8
    from tinybert.export.onnx import ExportReport

    outputs = model.config.num_labels
    taken = [helper.make_tensor_value_info(n, TensorProto.INT64, ["b", "s"]) for n in ("input_ids", "attention_mask")]
    given = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["b", outputs])
    numbers = {"axis": np.array([1]), "weights": np.linspace(-0.1, 0.1, outputs, dtype=np.float32)[None]}
    nodes = [
        helper.make_node("Mul", ["input_ids", "attention_mask"], ["pieces"]),
        helper.make_node("ReduceSum", ["pieces", "axis"], ["sum"]),
        helper.make_node("Cast", ["sum"], ["number"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["number", "weights"], ["logits"]),
    ]
    constants = [numpy_helper.from_array(value, name) for name, value in numbers.items()]
    graph = helper.make_graph(nodes, "stand-in", taken, [given], constants)
    shutil.rmtree(folder, ignore_errors=True)
    (folder / MODEL).parent.mkdir(parents=True)
    for name in (MODEL, MODEL_INT8):
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), folder / name)
    save_description(model, tokenizer, folder, max_length=max_length, cuts=True)
    size = (folder / MODEL).stat().st_size
    return ExportReport(folder / MODEL, folder / MODEL_INT8, size, size, 0.0)


def made_once(folder: Path, make: Callable[[Path], None]) -> Path:
    """A folder that the processes sharing the tests make only once; the others wait for it."""
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            unfinished = folder.with_name(f"{folder.name}.unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir()
            make(unfinished)
            unfinished.rename(folder)
    return folder


def _text(rng: np.random.Generator, sign: str) -> str:
    words = list(rng.choice(FILLERS, size=rng.integers(2, 9)))
    words.insert(int(rng.integers(len(words) + 1)), sign)
    return " ".join(words)


@contextmanager
def _silence() -> Iterator[None]:
    from tinybert.export.quiet import quiet

    with quiet():
        yield
