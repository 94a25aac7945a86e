"""The whole job on data that come with the package, offline: a real teacher, fine-tuned, distilled, exported."""

from importlib.resources import files as resources
from pathlib import Path
from typing import Any

from tinybert.launch import launch
from tinybert.models.embedded import folder_of_minilm
from tinybert.plan import plan
from tinybert.request import request_for

DATA = "demo_data"
# Four hundred rows: the teacher's head learns better at a higher rate, and four copies keep the whole job to minutes.
SETTINGS = {"fine_tune": {"lr": 1e-4}, "augment": {"copies": 4}}


def demonstrate(output: Path, *, dry_run: bool = False) -> dict[str, Any]:
    """Run the demonstration; returns what `metrics.json` says, or with `dry_run` the plan.

    Raises:
        UserError: If the extra `demo` is missing or its weights are not the ones expected.
    """
    data = resources("tinybert") / DATA
    splits = {name: str(data / f"kitchen_{name}.tsv") for name in ("train", "dev", "test")}
    flags = {**splits, "teacher": str(folder_of_minilm()), "student": "4x192", "output": str(output)}
    request = request_for("tinybert", flags=flags, config=None, settings=SETTINGS, overrides=())
    return plan(request) if dry_run else launch(request)
