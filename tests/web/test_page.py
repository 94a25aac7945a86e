"""What is written: a whole folder that names nobody outside. What it does in a browser: tests/export/test_deploy.py."""

import json
import re
from pathlib import Path

import pytest

from tinybert.errors import UserError
from tinybert.export.layout import MODEL, MODEL_INT8, check_export_folder
from tinybert.web.page import write_page

EVIL = "<script>alert(1)</script>"
METRICS = {
    "recipe": EVIL,
    "teacher": {"test": {"accuracy": 0.9}, "bytes": 90_000_000, "latency_ms": {"32": {"p50": 11.5}}},
    "student_int8": {"test": {"accuracy": 0.81}, "bytes": 7_900_000, "latency_ms": {"32": {"p50": 0.5}}, "threads": 1},
}


@pytest.fixture
def export(tmp_path: Path) -> Path:
    folder = tmp_path / "run" / "export"
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json", MODEL, MODEL_INT8):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


def words_of(page: Path) -> str:
    return " ".join(
        re.sub(r"<style>.*?</style>|<[^>]+>", " ", page.read_text(encoding="utf-8"), flags=re.DOTALL).split()
    )


def test__the_folder_needs_nothing_from_elsewhere(export: Path) -> None:
    page = write_page(export.parent / "student", export)
    written = {path.relative_to(page).as_posix() for path in page.rglob("*") if path.is_file()}
    assert written >= {"index.html", "page.js", "model.js", "bring.mjs", "package.json", "licences/onnxruntime.txt"}
    assert {name for name in written if name.startswith("model/")} == {
        "model/config.json",
        "model/tokenizer.json",
        "model/tokenizer_config.json",
        "model/model_quantized.onnx",
    }
    for name in ("index.html", "page.js", "model.js"):
        said = (page / name).read_text(encoding="utf-8")
        assert not re.search(r"https?:|(src|href)=\"//", said)
        for part in re.findall(r"(?:from |import\(|src=)\"([^\"]+)\"", said):
            assert (page / part).exists() or part.startswith("./runtime/")
    for version in json.loads((page / "package.json").read_text(encoding="utf-8"))["dependencies"].values():
        assert re.fullmatch(r"[\d.]+", version)


def test__what_the_run_measured_stands_beside_it(export: Path) -> None:
    page = write_page(export.parent / "student", export) / "index.html"
    assert "teacher" not in words_of(page)
    (export.parent / "metrics.json").write_text(json.dumps(METRICS), encoding="utf-8")
    write_page(export.parent / "student", export)
    assert "Teacher 11.5 ms" in words_of(page)
    assert "90.0 % kept" in words_of(page)
    assert 'data-teacher="{&#34;32&#34;: 11.5}"' in page.read_text(encoding="utf-8")
    assert EVIL not in page.read_text(encoding="utf-8")
    write_page(export.parent / "teacher", export)
    assert "Teacher" not in words_of(page)


def test__an_export_with_a_page_and_its_runtime_is_replaced(export: Path) -> None:
    runtime = write_page(export.parent / "student", export) / "runtime"
    runtime.mkdir()
    (runtime / "ort.wasm.min.mjs").touch()
    check_export_folder(export)
    (export / "thesis.txt").touch()
    with pytest.raises(UserError, match="other files"):
        check_export_folder(export)
