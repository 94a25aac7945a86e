"""Exports as other programs read them, which are installed for that: `make test-deploy`, not part of `make test`.

EXPORTS="runs/a/export runs/b/export" make test-deploy   looks at trained students instead of random ones.
"""

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinybert
from tinybert.export.layout import MODEL, MODEL_INT8, PREDICT
from tinybert.export.predict import Model
from tinybert.web.page import write_page

pytestmark = pytest.mark.hub

TEXTS = [
    "A gorgeous, witty film.",
    "Ann Lee met Tim in Paris.",
    "it is too long, and too dull",
    "The shops in Lyon & Nice.",
]
PAIRS = [list(pair) for pair in zip(TEXTS, [*TEXTS[1:], TEXTS[0]], strict=True)]
LENGTH = 64  # no row is longer: transformers.js cuts off the last special piece too, and the second text of a pair
NEAR = 1e-5  # of a score or logit; what was measured is far below, see docs/deployment.md
ROUNDED = 0.05  # of int8 in another engine: what lies between two whole numbers may become either
ALONE = ("onnxruntime", "tokenizers")


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory, tiny_tokenizer: Any) -> list[Path]:
    """Folders to be read: of classes, of pairs and of tags, or those that the environment names."""
    if named := os.environ.get("EXPORTS"):
        return [Path(name).absolute() for name in named.split()]
    return [
        made(tmp_path_factory.mktemp(kind) / "export", tiny_tokenizer, kind) for kind in ("classes", "pairs", "tags")
    ]


def made(folder: Path, tokenizer: Any, kind: str) -> Path:
    """The export of a random student."""
    from conftest import make_tiny_model
    from tinybert.export.hub import save_student
    from tinybert.export.onnx import export_onnx
    from tinybert.models.heads import note_reading

    model = make_tiny_model("bert", outputs=3, head="tags" if kind == "tags" else "classifier")
    note_reading(model.config, paired=kind == "pairs", pooling="off", stride=None)
    save_student(model, tokenizer, folder.parent / "student", max_length=LENGTH)
    export_onnx(model, tokenizer, folder, max_length=LENGTH)
    described = folder / "tokenizer_config.json"  # of other classes transformers.js gives no token types
    named = json.loads(described.read_text(encoding="utf-8")) | {"tokenizer_class": "BertTokenizer"}
    described.write_text(json.dumps(named), encoding="utf-8")
    return folder


def config_of(folder: Path) -> Any:
    return json.loads((folder / "config.json").read_text(encoding="utf-8"))


def rows_of(folder: Path) -> list[Any]:
    return PAIRS if config_of(folder)["text_pairs"] else TEXTS


def ours(folder: Path, file: str = MODEL) -> list[dict[str, Any]]:
    """What `tinybert predict` says of each row, asked alone."""
    return [next(iter(tinybert.predict(folder / file, data=[row]))) for row in mappings_of(folder)]


def mappings_of(folder: Path) -> list[dict[str, str]]:
    columns = ("text_a", "text_b") if config_of(folder)["text_pairs"] else ("text",)
    return [dict(zip(columns, [row] if isinstance(row, str) else row, strict=True)) for row in rows_of(folder)]


def agree(what: str, theirs: list[Any], said: list[dict[str, Any]], near: float = NEAR) -> None:
    """Their scores are ours, and their labels; the largest difference is printed."""
    pairs = [(scores_in(one, other), scores_in(other, other)) for one, other in zip(theirs, said, strict=True)]
    difference = max(np.abs(np.subtract(*pair)).max() for pair in pairs)
    print(f"{what}: largest difference of a score {difference:.1e}")
    assert difference < near


def scores_in(found: Any, said: dict[str, Any]) -> list[float]:
    """What some program found, as numbers in the order in which `said` has them."""
    if isinstance(found, dict):
        scores = found.get("scores", [found.get("score")])
        return list(scores.values()) if isinstance(scores, dict) else scores
    if "tags" in said:  # of pieces; words begin with those that are not marked
        firsts = [piece for piece in found if not piece["word"].startswith("##")]
        assert [piece["entity"] for piece in firsts] == said["tags"]
        return [piece["score"] for piece in firsts]
    if isinstance(found[0], dict):
        by_label = {part["label"]: part["score"] for part in found}
        return [by_label[name] for name in said["scores"]] if "scores" in said else [found[0]["score"]]
    return found if "score" in said else list(np.exp(found) / np.exp(found).sum())  # logits


def environment(folder: Path, *packages: str) -> Path:
    """The Python of a new environment that holds some packages and what they bring."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages], check=True)
    return python


def test__predict_py_where_only_two_packages_are(exports: list[Path], tmp_path: Path) -> None:
    python = environment(tmp_path / "environment", *ALONE)
    subprocess.run([python, "-m", "pip", "uninstall", "--quiet", "--yes", "setuptools", "pip"], check=True)
    sizes = [path.lstat().st_size for path in (tmp_path / "environment").rglob("*") if not path.is_symlink()]
    print(f"{' and '.join(ALONE)}, installed: {sum(sizes) / 1e6:.0f} MB")
    for folder in exports:
        for file in (MODEL, MODEL_INT8):
            said, found = ours(folder, file), []
            for row in rows_of(folder):
                command = [python, folder / PREDICT, "--model", file, *([row] if isinstance(row, str) else row)]
                found.append(json.loads(subprocess.run(command, capture_output=True, check=True).stdout))
            agree(f"predict.py, {folder.parent.name}, {file}", found, said)
            for name in {"label", "labels", "tags", "offsets", "answer"} & {*said[0]}:
                assert [one[name] for one in found] == [one[name] for one in said]


def test__transformers_js(exports: list[Path], tmp_path: Path) -> None:
    install = ["npm", "install", "--ignore-scripts", "--silent", "@huggingface/transformers"]
    subprocess.run(install, cwd=tmp_path, check=True)
    script, rows = tmp_path / "ask.mjs", tmp_path / "rows.json"
    script.write_bytes(Path(__file__).with_name("ask.mjs").read_bytes())  # it imports what is installed beside it
    for folder in exports:
        rows.write_text(json.dumps(rows_of(folder)), encoding="utf-8")
        command = ["node", script, folder, rows, "fp32", "q8"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout.splitlines()[-1])
        for dtype, file in (("fp32", MODEL), ("q8", MODEL_INT8)):
            agree(f"transformers.js, {folder.parent.name}, {dtype}", found[dtype], ours(folder, file))


def test__pipeline_of_transformers(exports: list[Path]) -> None:
    """With the weights of the student beside the export."""
    from transformers import pipeline

    for folder in exports:
        task, options = "text-classification", {"top_k": None, "truncation": True}
        if config_of(folder)["architectures"][0].endswith("ForTokenClassification"):
            task, options = "token-classification", {"ignore_labels": []}
        ask = pipeline(task, model=str(folder.parent / "student"), tokenizer=str(folder), device="cpu")
        rows = [
            row if isinstance(row, str) else dict(zip(("text", "text_pair"), row, strict=True))
            for row in rows_of(folder)
        ]
        agree(f"pipeline(), {folder.parent.name}", [ask(row, **options) for row in rows], ours(folder))


FASTEMBED = """
import json, sys
from fastembed.common.model_description import ModelSource
from fastembed.rerank.cross_encoder import TextCrossEncoder
folder, file, pairs = sys.argv[1:]
TextCrossEncoder.add_custom_model("own", sources=ModelSource(hf="own"), model_file=file)
ask = TextCrossEncoder("own", specific_model_path=folder)
print(json.dumps([float(next(iter(ask.rerank_pairs([pair])))) for pair in json.loads(pairs)]))
"""


def test__fastembed_scores_pairs(exports: list[Path], tmp_path: Path) -> None:
    """As a cross-encoder, which gives the first logit of a pair."""
    python = environment(tmp_path / "environment", "fastembed")
    for folder in (folder for folder in exports if config_of(folder)["text_pairs"]):
        for file in (MODEL, MODEL_INT8):
            command = [python, "-c", FASTEMBED, folder, file, json.dumps(PAIRS)]
            found = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
            model = Model(folder, file, threads=1)
            logits = [float(next(model.logits(model.windows(pair)))[0]) for pair in PAIRS]
            agree(
                f"fastembed, {folder.parent.name}, {file}",
                [{"score": one} for one in found],
                [{"score": one} for one in logits],
            )


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Not on the screen."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.skipif(not (CHROMIUM := shutil.which(os.environ.get("CHROMIUM", "chromium"))), reason="no Chromium here")
def test__the_live_page(exports: list[Path], tmp_path: Path) -> None:
    """With the fp32 file in place of the other too: of that every digit must be ours."""
    subprocess.run(["npm", "install", "--ignore-scripts", "--silent", "puppeteer-core"], cwd=tmp_path, check=True)
    script = shutil.copy(Path(__file__).with_name("browse.mjs"), tmp_path)
    for number, folder in enumerate(exports):
        name, copied = folder.parent.name, tmp_path / str(number)
        page = write_page(folder.parent / "student", shutil.copytree(folder, copied / "export"))
        (copied / "rows.json").write_text(json.dumps(mappings_of(folder)), encoding="utf-8")

        def browse(page: Path = page, copied: Path = copied) -> Any:
            with served(page) as url:
                command = ["node", script, url, copied / "rows.json", copied]
                environment = {**os.environ, "CHROMIUM": CHROMIUM}
                done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
                assert done.returncode == 0, done.stderr
                found = json.loads(done.stdout.splitlines()[-1])
                assert found["widths"] == {"1280": 1280, "400": 400}  # there is nothing to scroll to
                assert url.endswith("".join(found["asked"]))
                assert found["troubles"] == []
                return found

        assert "npm install" in browse()["notice"]
        subprocess.run(["npm", "install", "--silent"], cwd=page, check=True)
        assert (page / "licences" / "tokenizers.txt").exists()
        for file, near in ((MODEL_INT8, ROUNDED), (MODEL, NEAR)):
            shutil.copyfile(folder / file, page / "model" / "model_quantized.onnx")
            said, found = ours(folder, file), browse()
            agree(f"live page, {name}, {file}", found["answers"], said, near)
            for key in {"label", "labels", "tags", "offsets"} & {*said[0]}:
                assert [one[key] for one in found["answers"]] == [one[key] for one in said]
            assert found["verdict"] == said[0].get("label", found["verdict"])
        print(f"live page, {name}: pictures in {copied}")
