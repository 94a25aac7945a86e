"""Tags from file to student: read, learnt, distilled, exported, predicted; the same by other programs."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recipes.workshop import FP32, Workshop
from tinybert import distill, evaluate, predict
from tinybert.data.encode import encode
from tinybert.data.examples import Examples
from tinybert.data.settings import DataSettings
from tinybert.errors import UserError
from tinybert.tasks.load import load
from tinybert.tasks.spans import SCHEMES
from tinybert.tasks.token_classification import TokenClassification
from tinybert.types import Example

NAMES, FILLERS = ("good", "bad"), ("the", "a", "film", "is", "was", "very")
SETTINGS = DataSettings()
TASK = TokenClassification(("B-X", "I-X", "O"))
LONG = 20


def sentences(count: int, seed: int, longest: int = 9) -> list[dict[str, Any]]:
    """Texts in which good and bad are entities, of two words where they stand together."""
    rng, found = np.random.default_rng(seed), []
    for _ in range(count):
        words = [str(rng.choice(NAMES if rng.random() < 0.3 else FILLERS)) for _ in range(rng.integers(3, longest))]
        tags = ["O" if word in FILLERS else "B-X" for word in words]
        tags = ["I-X" if tag == "B-X" and n and tags[n - 1] != "O" else tag for n, tag in enumerate(tags)]
        found.append({"tokens": words, "tags": tags})
    return [*found, {"tokens": ["a", "good", "bad"], "tags": ["O", "B-X", "I-X"]}]


def json_lines(path: Path, rows: Sequence[dict[str, Any]]) -> str:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return str(path)


def conll(path: Path, rows: Sequence[dict[str, Any]]) -> str:
    blocks = ["".join(f"{w} N {t}\n" for w, t in zip(row["tokens"], row["tags"], strict=True)) for row in rows]
    path.write_text("-DOCSTART- -X- O\n\n" + "\n".join(blocks), encoding="utf-8")
    return str(path)


def run(workshop: Workshop, recipe: str = "tinybert", **changes: Any) -> dict[str, Any]:
    folder = workshop.folder
    given: dict[str, Any] = {
        "train": conll(folder / "train.conll", sentences(40, 1)),
        "dev": json_lines(folder / "dev.jsonl", sentences(12, 2)),
        "test": json_lines(folder / "test.jsonl", sentences(12, 3, LONG)),
        "teacher": str(folder / "teacher"),
        "student": "2x12",
        "output": str(folder / "run"),
    }
    stages = {"tinybert": ("intermediate", "prediction"), "augmented_kd": ("distill",), "fine_tune": ()}[recipe]
    how = [f"{stage}.{key}" for stage in stages for key in ("max_steps=4", "lr=0.003")]
    how += ["augment.copies=1", "augment.method=eda"] if stages else []
    how += [f"fine_tune.epochs={12 if stages else 1}", "fine_tune.lr=0.01", "data.max_length=12", "run.threads=1"]
    how += ["teacher.accept_weak=true", *FP32] if stages else ["run.dtype=fp32"]
    return distill(recipe, set=tuple(how), **(given | changes))


def test__a_student_answers_alike_as_folder_as_export_and_to_other_programs(bench: Workshop) -> None:
    metrics, folder = run(bench), bench.folder / "run"
    assert metrics["main_metric"] == "f1"
    assert 0 < metrics["teacher"]["test"]["f1"] <= 1
    assert set(metrics["student"]["test"]) == {"precision", "recall", "f1"}
    assert set(metrics["entities"]["teacher"]) == {"X"}
    assert metrics["data"]["rows"] == {"train": 41, "dev": 13, "test": 13}
    config = json.loads((folder / "student" / "config.json").read_text())
    assert (config["tag_scheme"], config["architectures"]) == ("IOB2", ["BertForTokenClassification"])
    rows = sentences(12, 3, LONG)
    ours, exported = (list(predict(folder / part, data=rows)) for part in ("student", "export"))
    assert [row["tags"] for row in ours] == [row["tags"] for row in exported]
    assert list(predict(folder / "student", data=conll(bench.folder / "all.conll", rows))) == ours
    bench.path("words.conll").write_text("\n\n".join("\n".join(row["tokens"]) for row in rows))
    assert list(predict(folder / "student", data=bench.path("words.conll"))) == ours
    assert [row["tokens"] for row in ours] == [row["tokens"] for row in rows]
    assert evaluate(folder / "student", data=rows)["f1"] == pytest.approx(metrics["student"]["test"]["f1"])
    written = [json.loads(line) for line in (folder / "predictions.jsonl").read_text().splitlines()]
    assert [row["tags"] for row in written] == [row["tags"] for row in ours]
    assert [row["gold"] for row in written] == [row["tags"] for row in rows]
    assert "Each type of entity" in (folder / "report.html").read_text()
    assert 'pipeline("token-classification"' in (folder / "student" / "README.md").read_text()
    _same_in_a_pipeline(folder / "teacher", rows)


def _same_in_a_pipeline(folder: Path, rows: list[dict[str, Any]]) -> None:
    """Of texts of one window: the first piece of each word says its tag."""
    from transformers import pipeline

    ask = pipeline("token-classification", model=str(folder), ignore_labels=[])
    for said in predict(folder, data=[row for row in rows if len(row["tokens"]) < 8]):
        pieces = {piece["start"]: piece["entity"] for piece in reversed(ask(" ".join(said["tokens"])))}
        assert [pieces[start] for start, _ in said["offsets"]] == said["tags"]


def test__a_plain_text_gets_words_with_their_characters(bench: Workshop) -> None:
    run(bench, "fine_tune", test=None)
    [said] = predict(bench.folder / "run" / "student", data=[{"text": "A film, good."}])
    assert said["tokens"] == ["A", "film", ",", "good", "."]
    assert said["offsets"] == [[0, 1], [2, 6], [6, 7], [8, 12], [12, 13]]
    assert len(said["tags"]) == len(said["scores"]) == 5


@pytest.mark.parametrize(
    ("dev", "said"),
    [
        ([{"tokens": ["a"], "tags": ["B-Y"]}], r"dev:1: the tag 'B-Y' is unknown; there are B-X, I-X, O"),
        ([{"tokens": ["a", "b"], "tags": ["O"]}], r"dev:1: 'tokens' has 2 entries and 'tags' 1"),
    ],
)
def test__bad_tags_are_one_line_with_file_and_row(streams: Callable[..., Any], dev: Any, said: str) -> None:
    options: dict[str, Any] = {"kind": None, "head_classes": None, "rejected_to": None}
    with pytest.raises(UserError, match=f"^{said}"):
        load(sentences(9, 1), dev, None, DataSettings(), rng=streams, **options)


def test__unknown_tags_are_put_aside_where_some_are_tolerated(streams: Callable[..., Any]) -> None:
    options: dict[str, Any] = {"kind": None, "head_classes": None, "rejected_to": None}
    dev = [{"tokens": ["a"], "tags": ["B-Y"]}, *sentences(9, 1)]
    splits = load(sentences(9, 1), dev, None, DataSettings(skip_bad=0.2), rng=streams, **options)
    assert splits.dev.rows.tolist() == list(range(2, len(dev) + 1))


@pytest.mark.parametrize("scheme", SCHEMES)
def test__a_scheme_is_told_by_train_and_travels_with_the_configuration(tiny_bert: Any, scheme: str) -> None:
    prefixes = {"IOB1": ("O", "I-X", "B-X"), "IOB2": ("B-X", "I-X", "O"), "BIOES": ("S-X", "B-X", "E-X")}
    tags = list(prefixes.get(scheme, ("DET", "NOUN", "VERB")))
    rows = TokenClassification.read(
        [{"tokens": ["a", "b", "c"], "tags": tags}], SETTINGS, labels="needed", name="train"
    )
    task, _ = TokenClassification.begin(rows, SETTINGS, None, insisted=False)
    config = tiny_bert(outputs=3).config
    task.head.describe_in(config)
    assert (task.scheme, TokenClassification.of_model(config, SETTINGS)) == (scheme, task)


def test__a_teacher_of_whole_texts_is_refused(bench: Workshop) -> None:
    bench.model("classifier", classes=("neg", "pos"))
    with pytest.raises(UserError, match=r"says something of a whole text|the tag '.*' is unknown"):
        run(bench, teacher=str(bench.folder / "classifier"))


def test__metrics_and_answers_are_of_examples_whatever_their_windows(tiny_tokenizer: Any, tmp_path: Path) -> None:
    words = ("good", "bad", "film") * 10
    examples = Examples.of([Example(" ".join(words), None, (0, 1, 2) * 10, 1, 0, words)])
    rows = encode(examples, tiny_tokenizer, 9, tmp_path / "rows.arrow")
    right = np.eye(3, dtype=np.float32)[[0, 1, 2] * 10]
    assert len(rows) > 1
    assert TASK.metrics(right, rows) == {"precision": 1, "recall": 1, "f1": 1}
    assert TASK.answers(right, rows) == TASK.gold_answers(rows) == [["B-X", "I-X", "O"] * 10]
    assert TASK.details(right, rows)["sentences"] == []
    wrong = right.copy()
    wrong[0] = [0, 0, 1]
    assert TASK.metrics(wrong, rows)["recall"] == 0.9
    assert TASK.agreement(right, wrong, rows) == pytest.approx(29 / 30)
    assert TASK.details(wrong, rows)["sentences"][0]["row"] == 1
