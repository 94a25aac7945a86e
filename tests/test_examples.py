"""The examples run as scripts, outside of pytest, each on what the one before left; one process, so that torch is
imported once."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
RUN_THEM = """
import contextlib, io, json, runpy, sys
from tinybert.report import measure
measure._MOST = 5  # calls that latency is measured on
printed = {}
for script, *arguments in json.loads(sys.argv[1]):
    sys.argv = [script, *arguments]
    with contextlib.redirect_stdout(io.StringIO()) as out:
        runpy.run_path(script, run_name="__main__")
    printed[script] = out.getvalue()
print(json.dumps(printed))
"""


class Ran(NamedTuple):
    """What the examples left and printed."""

    run: Path
    own: Path
    printed: dict[str, str]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """All examples, run once."""
    folder = tmp_path_factory.mktemp("examples")
    run, own = folder / "run", folder / "own"
    lines = {"distill_in_memory.py": [run], "predict.py": [run], "own_objective.py": [run / "teacher", own]}
    scripts = [[str(EXAMPLES / name), *map(str, arguments)] for name, arguments in lines.items()]
    done = subprocess.run(
        [sys.executable, "-c", RUN_THEM, json.dumps(scripts)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout.splitlines()[-1])
    return Ran(run, own, {Path(script).name: text for script, text in printed.items()})


def test__distill_in_memory_leaves_a_finished_run_and_shows_its_figures(ran):
    assert [line.split()[:2] for line in ran.printed["distill_in_memory.py"].splitlines()] == [
        ["teacher", "accuracy"],
        ["student", "accuracy"],
        ["student_int8", "accuracy"],
    ]
    assert {"report.html", "student", "export", "teacher"} <= {path.name for path in ran.run.iterdir()}


def test__predict_gives_the_same_answers_in_all_three_ways(ran):
    lines = [line.split() for line in ran.printed["predict.py"].splitlines()]

    ours, theirs = ([line[1:] for line in lines if line[0] == way] for way in ("tinybert", "transformers"))
    assert len(ours) == 2
    assert ours == theirs
    logits = [list(map(float, line[2:])) for line in lines if line[0] == "onnx"]
    assert [["negative", "positive"][row.index(max(row))] for row in logits] == [label for label, _ in ours]


def test__an_objective_of_ones_own_trains_a_student(ran):
    assert ran.printed["own_objective.py"].startswith("9 updates")
    assert (ran.own / "stages" / "1-prediction" / "result" / "student.safetensors").exists()


def test__every_example_is_run_here(ran):
    assert set(ran.printed) == {path.name for path in EXAMPLES.glob("*.py")}
