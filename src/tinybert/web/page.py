"""The folder of a live page: the int8 student, the page, and what tells npm which runtime to bring."""

import shutil
from pathlib import Path
from typing import Any

import onnxruntime

from tinybert.export.layout import MODEL_INT8, WEB
from tinybert.files import atomic_folder
from tinybert.report import figures
from tinybert.report.read import read_run
from tinybert.report.render import environment

_READ = ("config.json", "tokenizer.json", "tokenizer_config.json", MODEL_INT8)
_LICENCES = {"LICENSE": "onnxruntime.txt", "ThirdPartyNotices.txt": "onnxruntime-third-parties.txt"}


def write_page(model: Path, export: Path) -> Path:
    """Write the live page of an export, whole or not at all.

    Args:
        model: The folder that was exported; where it is the student of a run, the page says what that run measured.
        export: The export, with int8; the page becomes a folder in it, which needs nothing else of it.

    Returns:
        The page's folder.

    Raises:
        ResourceError: If the disk is full.
    """
    facts = {"bytes": float((export / MODEL_INT8).stat().st_size), **_measured(model)}
    with atomic_folder(export / WEB) as temporary:
        shutil.copytree(Path(__file__).with_name("static"), temporary, dirs_exist_ok=True)
        (temporary / "model").mkdir()
        for name in _READ:
            shutil.copyfile(export / name, temporary / "model" / Path(name).name)
        (temporary / "licences").mkdir()
        for name, copied in _LICENCES.items():  # the package on npm has none; it is of the same project
            if (licence := Path(onnxruntime.__file__).with_name(name)).exists():
                shutil.copyfile(licence, temporary / "licences" / copied)
        page = environment("tinybert.web").get_template("web.html.j2").render(facts)
        (temporary / "index.html").write_text(page, encoding="utf-8")
    return export / WEB


def _measured(model: Path) -> dict[str, Any]:
    """What the run of a student says of it and its teacher, as the page shows it."""
    if model.name != "student" or not (model.parent / "metrics.json").exists():
        return {"view": None, "teacher_ms": {}, "processor": None, "threads": None}
    run = read_run(model.parent)
    latency = figures.latency_cost(run, run.quoted_length)
    return {
        "view": {
            "run": run,
            "model_file": figures.model_file(run),
            "latency": latency,
            "share_kept": figures.share_kept(run),
        },
        "teacher_ms": {length: time for length in run.lengths if (time := run.latency("teacher", length))},
        "processor": run.environment.get("device_name") or run.environment.get("processor"),
        "threads": run.number(run.smallest, "threads"),
    }
