"""The examples run as scripts, outside of pytest, each on what the one before left; one process, so that torch is
imported once."""

import json
import os
import re
import runpy
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
RUN_THEM = """
import contextlib, io, json, runpy, sys
from recipes.workshop import quick_finish
printed = {}
for script, *arguments in json.loads(sys.argv[1]):
    sys.argv = [script, *arguments]
    exported = not script.endswith(("own_recipe.py", "own_augmenter.py"))  # what the others export is used
    with contextlib.redirect_stdout(io.StringIO()) as out, quick_finish(real_export=exported):
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
    run, own, teacher = folder / "run", folder / "own", folder / "run" / "teacher"
    lines = {
        "distill_in_memory.py": [run],
        "predict.py": [run],
        "own_objective.py": [teacher],
        "own_recipe.py": [teacher, own],
        "own_augmenter.py": [teacher, folder / "copies"],
        "own_family.py": [teacher, folder / "family"],
    }
    scripts = [[str(EXAMPLES / name), *map(str, arguments)] for name, arguments in lines.items()]
    done = subprocess.run(
        [sys.executable, "-c", RUN_THEM, json.dumps(scripts)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
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
    int8 = [line[2:] for line in lines if line[0] == "onnx"]
    assert [label for label, _ in int8] == [label for label, _ in ours]
    assert [float(score) for _, score in int8] == pytest.approx([float(score) for _, score in ours], abs=0.1)


def test__an_objective_of_ones_own_falls(ran):
    terms = [re.findall(r"(\w+) (\d.\d+)", line) for line in ran.printed["own_objective.py"].splitlines()]
    assert [[name for name, _ in line] for line in terms] == [["prediction", "states"]] * 5
    assert float(terms[-1][1][1]) < float(terms[0][1][1]) / 2


def test__a_recipe_of_ones_own_leaves_a_run_like_any_other(ran):
    assert [line.split()[:2] for line in ran.printed["own_recipe.py"].splitlines()] == [
        ["teacher", "accuracy"],
        ["student", "accuracy"],
    ]
    metrics = json.loads((ran.own / "metrics.json").read_text())
    assert (metrics["recipe"], metrics["preset"]) == ("states_and_soft", "defaults")
    assert {"report.html", "student", "export", "config.yaml"} <= {path.name for path in ran.own.iterdir()}


def test__an_augmenter_of_ones_own_is_compared_with_none(ran):
    said = ran.printed["own_augmenter.py"].splitlines()
    assert re.fullmatch(r"40 originals, 120 copies, \d+ of them distinct", said[0])
    assert [line.split()[:2] for line in said[1:]] == [["originals", "accuracy"], ["with-copies", "accuracy"]]


def test__a_family_of_ones_own_is_distilled_exported_and_evaluated(ran):
    said = ran.printed["own_family.py"].splitlines()
    assert [line.split()[:2] for line in said[:2]] == [["teacher", "accuracy"], ["student", "accuracy"]]
    torch_says, onnx_says = (float(line.split()[-2]) for line in said[2:])
    assert torch_says == onnx_says


@pytest.mark.parametrize("name", [path.name for path in EXAMPLES.glob("own_*.py")])
def test__what_is_ones_own_takes_six_imports_at_most(name):
    lines = (EXAMPLES / name).read_text(encoding="utf-8").splitlines()
    assert len([line for line in lines if line.startswith(("import ", "from "))]) <= 6


def test__every_example_is_run_here(ran):
    assert {*ran.printed, "serve.py"} == {path.name for path in EXAMPLES.glob("*.py")}


@pytest.fixture
def served() -> Iterator[tuple[str, Any, list[list[Any]]]]:
    """The address of `serve.py`, its queue, and the rows of each pass of a model whose first one takes its time."""
    passes: list[list[Any]] = []
    others = threading.Event()

    def model(rows: list[Any]) -> list[Any]:
        passes.append(rows)
        assert len(passes) > 1 or others.wait(30)
        if "bad" in rows:
            raise ValueError("the model reads no such thing")
        return [{"label": row} for row in rows]

    server = runpy.run_path(str(EXAMPLES / "serve.py"))["Server"](("127.0.0.1", 0), model)
    threading.Thread(target=server.serve_forever, args=[0.01]).start()
    yield f"http://127.0.0.1:{server.server_port}", (server.ask.waiting, others), passes
    server.shutdown()
    server.server_close()


def post(address: str, rows: Any) -> tuple[int, Any]:
    request = urllib.request.Request(address, json.dumps(rows).encode())
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def test__serve_answers_in_one_pass_what_comes_together_and_a_bad_row_harms_nobody(served):
    address, (waiting, others), passes = served
    with ThreadPoolExecutor(7) as pool:
        first = pool.submit(post, address, ["alone"])
        wait_until(lambda: passes)
        asked = [[str(number), "and"] for number in range(5)] + [["bad"]]
        answers = [pool.submit(post, address, rows) for rows in asked]
        wait_until(lambda: waiting.qsize() == len(asked))
        others.set()
        assert first.result() == (200, [{"label": "alone"}])
        assert [one.result() for one in answers[:5]] == [(200, [{"label": row} for row in rows]) for rows in asked[:5]]
        assert answers[5].result() == (400, {"error": "the model reads no such thing"})
    assert [len(rows) for rows in passes[:2]] == [1, 11]
    assert post(address, {"text": "no list"})[0] == 400


def wait_until(true: Callable[[], Any]) -> None:
    ends = time.monotonic() + 30
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.005)
