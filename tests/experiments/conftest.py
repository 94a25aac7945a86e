"""Experiments with a child that trains nothing: it says how good a system is, by its recipe and seed."""

import json
import sys
from pathlib import Path

import pytest

from tinybert.experiments import children, significance

CHILD = """
import json, os, random, sys, time
from pathlib import Path
recipe, flags = sys.argv[2], dict(zip(sys.argv[3::2], sys.argv[4::2]))
output, seed = Path(flags["--output"]), int(flags["--seed"])
with open(os.environ["STUB_LOG"], "a") as log:
    log.write(json.dumps([recipe, seed, sys.argv[3:]]) + chr(10))
if recipe in os.environ.get("STUB_FAILS", "").split():
    print("tinybert: the teacher is ill; give a better one", file=sys.stderr)
    sys.exit(2)
if recipe in os.environ.get("STUB_SLEEPS", "").split():
    time.sleep(60)
rng, share = random.Random(f"{recipe}{seed}"), {"fine_tune": 0.6, "pkd": 0.9}.get(recipe, 0.75)
gold = [n % 2 for n in range(200)]
said = [g if rng.random() < share else 1 - g for g in gold]
accuracy = sum(g == s for g, s in zip(gold, said)) / 200
output.mkdir(parents=True)
figures = {"accuracy": accuracy, "f1": accuracy / 2}
slow = {"fine_tune": 1.0, "pkd": 2.0}.get(recipe, 4.0)
busy = random.Random(output.name).random() / 10
costs = {"parameters": slow * 7e6, "bytes": 3e7, "latency_ms": {"32": {"p50": slow + busy, "p95": 9.0}}}
system = {"dev": figures, "test": figures, **costs}
metrics = {"recipe": recipe, "seed": seed, "classes": ["0", "1"], "main_metric": "accuracy", "student": system}
(output / "metrics.json").write_text(json.dumps(metrics))
lines = ({"row": n, "label": str(s), "gold": str(g)} for n, (g, s) in enumerate(zip(gold, said), 1))
(output / "predictions.jsonl").write_text("".join(json.dumps(line) + chr(10) for line in lines))
Path(dict(x.split("=", 1) for x in sys.argv if x.startswith("run."))["run.store"]).mkdir(parents=True, exist_ok=True)
"""


class Stub:
    """A folder for an experiment, and what its children were told."""

    def __init__(self, folder: Path):
        self.folder, self.log = folder, folder / "calls.jsonl"

    def write(self, text: str, name: str = "mine.yaml") -> str:
        (self.folder / name).write_text(text, encoding="utf-8")
        return str(self.folder / name)

    @property
    def calls(self) -> list:
        """Recipe, seed and arguments of each child so far."""
        return [json.loads(line) for line in self.log.read_text().splitlines()] if self.log.exists() else []


@pytest.fixture
def stub(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    for name in ("train", "test", "other"):
        (tmp_path / "data" / f"{name}.tsv").write_text("text\tlabel\ngood\t1\nbad\t0\n")
    (tmp_path / "child.py").write_text(CHILD)
    monkeypatch.setattr(significance, "RESAMPLES", 200)
    monkeypatch.setenv("STUB_LOG", str(tmp_path / "calls.jsonl"))
    monkeypatch.setattr(children, "PROGRAM", (sys.executable, "-S", str(tmp_path / "child.py")))
    return Stub(tmp_path)
