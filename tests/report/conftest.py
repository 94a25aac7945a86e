"""A made-up run folder that looks like a real one: BERT-base into a 4x312 student on movie reviews."""

import json
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinybert.tasks.classification import classification_metrics, confusion_counts
from tinybert.tasks.regression import regression_metrics

MakeRun = Callable[..., Path]

COSTS: dict[str, dict[str, Any]] = {
    "teacher": {
        "parameters": 109_483_778,
        "bytes": 438_007_864,
        "latency_ms": {"32": {"p50": 71.7, "p95": 80.2}, "128": {"p50": 207.5, "p95": 231.9}},
        "threads": 2,
    },
    "student": {
        "parameters": 14_350_874,
        "bytes": 57_431_310,
        "latency_ms": {"32": {"p50": 2.71, "p95": 3.3}, "128": {"p50": 7.8, "p95": 9.1}},
        "threads": 2,
    },
    "student_int8": {
        "parameters": 14_350_874,
        "bytes": 14_612_480,
        "latency_ms": {"32": {"p50": 1.29, "p95": 1.5}, "128": {"p50": 4.09, "p95": 4.7}},
        "threads": 2,
    },
}
FLOPS = {
    "teacher": {"32": 5_470_000_000, "128": 22_350_000_000},
    "student": {"32": 289_000_000, "128": 1_247_000_000},
}
CONFIG = """recipe: tinybert
config: small
seed: {seed}
train: reviews/train.tsv
test: reviews/test.tsv
teacher: bert-base-uncased
student: {student}
augment:
  method: bert_glove
  copies: 5
  probability: 0.4
intermediate:
  epochs: 5
  lr: 5.0e-05
prediction:
  epochs: 3
  lr: 3.0e-05
"""
ENVIRONMENT = {
    "tinybert": "0.1.0",
    "python": "3.11.7",
    "torch": "2.13.0",
    "transformers": "5.23.0",
    "platform": "Linux-6.1-x86_64",
    "processor": {"name": "AMD EPYC 9B14", "cores": 2},
    "threads": 2,
    "deterministic": False,
}


def write_run(
    folder: Path,
    classes: Sequence[str] = ("neg", "pos"),
    rows: int = 1067,
    seed: int = 1,
    **changes: Any,
) -> Path:
    """A finished run; `classes=()`: a regression; `changes`: other values for keys of metrics.json (None: left out)."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    student = changes.pop("student_shape", "4x312")
    answers = _scores(rows, rng) if not classes else _classes(rows, len(classes), rng)
    metrics = _metrics(answers, classes, seed)
    metrics = {key: value for key, value in {**metrics, **changes}.items() if value is not None}
    (folder / "config.yaml").write_text(CONFIG.format(seed=seed, student=student))
    (folder / "environment.json").write_text(json.dumps(ENVIRONMENT))
    (folder / "metrics.json").write_text(json.dumps(metrics))
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in _log(rng)))
    lines = _predictions(answers, classes, rng)
    (folder / "predictions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def write_general_run(folder: Path, losses: Sequence[float] = (3.5, 2.5, 2.75), seed: int = 1) -> Path:
    """A finished run of general distillation, with its held-out losses in the order of evaluation."""
    folder.mkdir(parents=True)
    best = min(range(len(losses)), key=lambda index: losses[index])
    metrics = {
        **{"recipe": "general", "preset": "small", "seed": seed, "classes": [], "teacher": COSTS["teacher"]},
        "student": {**COSTS["student"], "held_out": {"loss": losses[best]}},
        "flops": FLOPS,
        "general": {
            "updates": 300,
            "blocks": 9600,
            "tokens": 1_228_800,
            "seconds": 840.0,
            "best_update": 100 + 100 * best,
        },
        "data": {
            "blocks": {"train": 53_600, "held_out": 128},
            "tokens": {"train": 6_860_800, "held_out": 16_384},
            "digests": {"train": "9f2c" * 16, "held_out": "03ab" * 16},
        },
        "notes": ["It has learnt no task."],
    }
    log = [{"stage": "general", "step": 100 * i, "dev": -loss} for i, loss in enumerate(losses, start=1)]
    log += [{"stage": "general", "step": 20 * i, "loss": 9 / i, "terms": {"hidden": 9 / i}} for i in range(1, 16)]
    (folder / "config.yaml").write_text(f"recipe: general\nseed: {seed}\ngeneral:\n  lr: 0.0005\n")
    (folder / "environment.json").write_text(json.dumps(ENVIRONMENT))
    (folder / "metrics.json").write_text(json.dumps(metrics))
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in log))
    return folder


@pytest.fixture
def make_general_run(tmp_path: Path) -> MakeRun:
    """`make_general_run(name, **how)`: a run folder of general distillation below the test's own."""
    return lambda name="run", **how: write_general_run(tmp_path / name, **how)


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """`make_run(name, **how)`: a run folder below the test's own."""
    return lambda name="run", **how: write_run(tmp_path / name, **how)


def _classes(rows: int, classes: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    gold = rng.integers(0, classes, rows)

    def wrong(base: np.ndarray, share: float) -> np.ndarray:
        return np.where(rng.random(rows) < share, rng.integers(0, classes, rows), base)

    teacher = wrong(gold, 0.26)
    student = wrong(teacher, 0.05)
    return {"gold": gold, "teacher": teacher, "student": student, "student_int8": wrong(student, 0.01)}


def _scores(rows: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    gold = np.round(rng.uniform(0, 5, rows), 1)
    teacher = gold + rng.normal(0, 0.7, rows)
    student = 0.8 * teacher + 0.2 * gold.mean() + rng.normal(0, 0.4, rows)
    return {"gold": gold, "teacher": teacher, "student": student, "student_int8": student + rng.normal(0, 0.03, rows)}


def _metrics(answers: dict[str, np.ndarray], classes: Sequence[str], seed: int) -> dict[str, Any]:
    gold = answers["gold"]

    def scores_of(system: str) -> dict[str, float]:
        if not classes:
            return regression_metrics(gold, answers[system])
        return classification_metrics(gold, answers[system], classes, 1)

    metrics: dict[str, Any] = {"recipe": "tinybert", "preset": "small", "seed": seed, "classes": list(classes)}
    for system, costs in COSTS.items():
        dev = {name: value + 0.008 for name, value in scores_of(system).items()}
        metrics[system] = {"dev": dev, "test": scores_of(system), **costs}
    metrics["evaluated_on"] = "test"
    if classes:
        metrics["confusion"] = {s: confusion_counts(gold, answers[s], len(classes)) for s in ("teacher", "student")}
    metrics["flops"] = {**FLOPS, "student_int8": FLOPS["student"]}
    flipped = [{"row": 5, "text": "so-so, <b>really</b>", "student": "positive", "student_int8": "negative"}]
    metrics["export"] = {"parity_difference": 8.6e-7, "int8_agreement": 0.9944, "int8_batch_flips": 0.0125}
    metrics["export"]["int8_flipped"] = flipped
    metrics["data"] = {
        "rows": {"train": 8635, "dev": 960, "test": len(gold)},
        "truncated": {"train": 3, "dev": 0},
        "unknown_pieces": {"train": 0.0125},
        "overlap": {"rows": 8635, "drop": "none", "dropped": 0, "dev": {"exact": 4}, "test": {"exact": 0}},
        "digests": {"train": "9f2c" * 16, "test": "03ab" * 16},
    }
    metrics["notes"] = ["quoting none: 12 rows of train.tsv do not parse as CSV, quotes are taken as letters"]
    metrics["seconds"] = {
        "fine_tune": 1260.0,
        "augment": 840.5,
        "intermediate": 2750.0,
        "prediction": 415.0,
        "export": 11.2,
    }
    return metrics


def _log(rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    yield {"event": "start", "seed": 1}
    for step in range(20, 2001, 20):
        fall = math.exp(-step / 450)
        terms = {
            "embedding": 0.9 * fall + 0.11 + 0.02 * rng.random(),
            "hidden": 8 * fall + 1.1 + 0.2 * rng.random(),
            "attention": 26 * fall + 2.2 + 0.6 * rng.random(),
        }
        common = {"stage": "intermediate", "step": step, "epoch": step // 400, "lr": 5e-5}
        yield {**common, "loss": sum(terms.values()), "terms": terms, "seconds": step / 2, "examples_per_second": 61.0}
    for step in range(10, 801, 10):
        loss = 0.32 + 0.35 * math.exp(-step / 160) + 0.03 * rng.random()
        yield {"stage": "prediction", "step": step, "epoch": step // 270, "loss": loss, "terms": {"soft": loss}}
        if step % 100 == 0:
            yield {
                "stage": "prediction",
                "step": step,
                "dev": 0.83 - 0.12 * math.exp(-step / 200) + 0.006 * rng.random(),
            }


def _predictions(
    answers: dict[str, np.ndarray], classes: Sequence[str], rng: np.random.Generator
) -> Iterator[dict[str, Any]]:
    for row in range(len(answers["gold"])):
        if not classes:
            values = {name: round(float(column[row]), 4) for name, column in answers.items()}
            yield {"row": row + 1, "score": values.pop("student"), **values}
            continue
        said = {name: classes[int(column[row])] for name, column in answers.items()}
        label, sure = said.pop("student"), 0.5 + 0.5 * float(rng.random())
        rest = (1 - sure) / max(1, len(classes) - 1)
        scores = {name: round(sure if name == label else rest, 4) for name in classes}
        yield {"row": row + 1, "label": label, "scores": scores, **said}
