"""Several labels a text, from file to a student that transformers loads."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tinybert
from recipes.workshop import Workshop, on_one_processor, quick_finish, read
from tinybert.errors import UserError
from tinybert.predictor import Predictor

pytestmark = [pytest.mark.usefixtures("processor"), on_one_processor]
LABELS = ("long", "warm", "wet")
SAID = {"long": "film", "warm": "good", "wet": "bad"}
FIGURES = {"micro_f1", "macro_f1", "sample_f1", "map"}


def write(place: Path, count: int, seed: int) -> Path:
    """JSON lines with a word for each label that holds."""
    rng = np.random.default_rng(seed)
    rows = [[label for label in LABELS if rng.random() < 0.4] for _ in range(count)]
    texts = [{"text": " ".join(["the", *(SAID[label] for label in row)]), "label": row} for row in rows]
    place.write_text("".join(json.dumps(row) + "\n" for row in texts))
    return place


@pytest.fixture(scope="module")
def made(tiny_tokenizer: Any, tmp_path_factory: pytest.TempPathFactory, processor: bool) -> Workshop:
    """A run by a teacher without a head, with a real export."""
    workshop = Workshop(tmp_path_factory.mktemp("multi"), tiny_tokenizer)
    parts = {
        name: write(workshop.path(f"{name}.jsonl"), n, n) for name, n in (("train", 60), ("dev", 40), ("test", 30))
    }
    with quick_finish(real_export=True):
        workshop.distill(also=("augment.method=eda", "augment.copies=1", "teacher.accept_weak=true"), **parts)
    return workshop


def test__a_run_leaves_figures_thresholds_and_answers(made: Workshop) -> None:
    run = made.path("run")
    metrics = read(run / "metrics.json")
    assert (metrics["classes"], metrics["main_metric"]) == (list(LABELS), "micro_f1")
    assert set(metrics["student"]["test"]) == set(metrics["student_int8"]["dev"]) == FIGURES
    figures = metrics["export"]
    assert (figures["quantisation"], figures["int8_batch_flips"], figures["int8_batch_difference"]) == ("static", 0, 0)
    assert len(figures["int8_flipped"]) == min(round((1 - figures["int8_agreement"]) * 40), 8)
    config = read(run / "student" / "config.json")
    assert config["problem_type"] == "multi_label_classification"
    assert set(config["thresholds"]) == set(LABELS)
    assert read(run / "export" / "config.json")["thresholds"] == config["thresholds"]
    tuned, said = read(run / "teacher" / "config.json"), metrics["per_label"]["teacher"]
    assert tuned["thresholds"] == {label: said[label]["threshold"] for label in LABELS}
    first = json.loads((run / "predictions.jsonl").read_text().splitlines()[0])
    assert set(first["scores"]) == set(LABELS) >= {*first["labels"], *first["gold"], *first["student_int8"]}
    page = (run / "report.html").read_text()
    assert "Label by label" in page
    assert "Micro-F1" in page
    card = (run / "student" / "README.md").read_text()
    assert "top_k=None" in card
    assert "| warm |" in card


def test__augmented_texts_keep_their_labels_and_can_be_read_again(made: Workshop) -> None:
    from tinybert.data.settings import DataSettings
    from tinybert.tasks.read import load_labelled

    task, examples = load_labelled(made.path("run") / "augmented" / "augmented.parquet", DataSettings(), kind=None)
    assert task.classes == LABELS
    assert len(examples) > 60


def test__augment_writes_lists_back(made: Workshop, tmp_path: Path) -> None:
    target = tmp_path / "more.jsonl"
    tinybert.augment("eda", train=made.path("train.jsonl"), output=target, copies=1)
    rows = [json.loads(line) for line in target.read_text().splitlines()]
    originals = {row["origin"]: row["label"] for row in rows if row["copy"] == 0}
    assert len(rows) > len(originals) == 60
    assert all(row["label"] == originals[row["origin"]] for row in rows)


def test__transformers_alone_gives_the_scores_of_predict(made: Workshop) -> None:
    from transformers import pipeline

    folder = made.path("run") / "student"
    texts = ["the good film", "the", "the bad good film"]
    ours = list(tinybert.predict(folder, data=[{"text": text} for text in texts]))
    theirs = pipeline("text-classification", model=str(folder), device="cpu")(texts, top_k=None)
    for one, other in zip(ours, theirs, strict=True):
        assert one["scores"] == pytest.approx({found["label"]: found["score"] for found in other}, abs=1e-5)
        limits = read(folder / "config.json")["thresholds"]
        assert one["labels"] == [label for label in LABELS if one["scores"][label] >= limits[label]]


def test__torch_and_onnx_answer_alike_and_evaluate_as_the_run_did(made: Workshop) -> None:
    run = made.path("run")
    data = str(made.path("test.jsonl"))
    figures = tinybert.evaluate(run, data=data)
    said = read(run / "metrics.json")["student"]["test"]
    assert {name: figures[name] for name in FIGURES} == pytest.approx(said, abs=1e-6)
    of_teacher = tinybert.evaluate(run / "teacher", data=data)
    assert of_teacher["micro_f1"] == pytest.approx(read(run / "metrics.json")["teacher"]["test"]["micro_f1"])
    exported = Predictor.load(run / "export/onnx/model.onnx", None, ())
    for torch_row, onnx_row in zip(tinybert.predict(run, data=data), exported.predict(data), strict=True):
        assert torch_row["scores"] == pytest.approx(onnx_row["scores"], abs=1e-4)


def test__a_teacher_whose_head_says_so_is_used_as_it_is(made: Workshop, tmp_path: Path) -> None:
    parts = {name: made.path(f"{name}.jsonl") for name in ("train", "dev", "test")}
    with quick_finish():
        made.distill("tinybert", teacher=made.path("run") / "teacher", output=tmp_path / "again", **parts)
        assert not (tmp_path / "again" / "teacher").exists()
        one = [{"text": "the good film", "label": "warm"}, {"text": "the bad film", "label": "wet"}] * 10
        with pytest.raises(UserError, match=r"several labels to a text, the data has one \(problem_type"):
            made.distill(
                "tinybert", teacher=made.path("run") / "teacher", output=tmp_path / "b", train=one, dev=None, test=None
            )


def test__lists_columns_and_parquet_are_evaluated_and_answered_alike(made: Workshop, tmp_path: Path) -> None:
    rows = read(made.path("test.jsonl"))
    pd.DataFrame(rows).to_parquet(tmp_path / "lists.parquet")
    held = [{"text": row["text"], **{label: int(label in row["label"]) for label in LABELS}} for row in rows]
    pd.DataFrame(held).to_csv(tmp_path / "columns.tsv", sep="\t", index=False)
    columns = (f"data.labels=[{', '.join(LABELS)}]",)
    forms = [("test.jsonl", ()), (tmp_path / "lists.parquet", ()), (tmp_path / "columns.tsv", columns)]
    first, *others = (tinybert.evaluate(made.path("run"), data=made.path(str(at)), set=how) for at, how in forms)
    assert others == [first, first]
    said, *others = (list(tinybert.predict(made.path("run"), data=made.path(str(at)))) for at, _ in forms)
    assert others == [said, said]
