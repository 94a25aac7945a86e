"""Answers from file to student: read, learnt, distilled, exported, predicted; the same by other programs."""

import io
import json
import re
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from transformers import BertConfig

from recipes.workshop import FP32, Workshop
from tinybert import distill, evaluate, predict
from tinybert.data.encode import encode
from tinybert.data.settings import DataSettings
from tinybert.errors import UserError
from tinybert.tasks.load import load
from tinybert.tasks.question_answering import QuestionAnswering
from tinybert.tasks.read import load_for, load_labelled

NAMES, FILLERS = ("good", "bad"), ("the", "a", "film", "is", "was", "very")


def questions(count: int, seed: int, *, silent: float = 0.3, words: int = 12) -> list[dict[str, Any]]:
    """What stands behind the word that is asked for; some contexts do not have it."""
    rng, found = np.random.default_rng(seed), []
    for number in range(count):
        context = [str(word) for word in rng.choice(FILLERS, rng.integers(6, words))]
        answers: list[dict[str, Any]] = []
        if rng.random() >= silent:
            place, answer = int(rng.integers(len(context))), str(rng.choice(NAMES))
            context[place] = answer
            answers = [{"text": answer, "answer_start": len(" ".join([*context[:place], ""]))}] * 2
        text = " ".join(context)
        found.append({"id": f"q{number}", "question": "what is it", "context": text, "answers": answers})
    return found


def squad(path: Path, rows: list[dict[str, Any]]) -> str:
    parts = [
        {"context": row["context"], "qas": [{**row, "is_impossible": not row["answers"], "context": None}]}
        for row in rows
    ]
    path.write_text(json.dumps({"version": "v2.0", "data": [{"title": "t", "paragraphs": parts}]}))
    return str(path)


def run(workshop: Workshop, **changes: Any) -> dict[str, Any]:
    folder = workshop.folder
    given: dict[str, Any] = {
        "train": squad(folder / "train.json", questions(60, 1)),
        "dev": squad(folder / "dev.json", questions(20, 2)),
        "test": questions(20, 3, words=24),
        "teacher": str(folder / "teacher"),
        "student": "2x12",
        "output": str(folder / "run"),
    }
    how = [f"{stage}.{key}" for stage in ("intermediate", "prediction") for key in ("max_steps=4", "lr=0.003")]
    how += ["augment.copies=1", "augment.method=eda", "fine_tune.epochs=10", "fine_tune.lr=0.01", "data.max_length=18"]
    return distill("tinybert", set=(*how, "run.threads=1", *FP32), **(given | changes))


def test__a_student_answers_alike_as_folder_as_export_and_to_other_programs(bench: Workshop) -> None:
    metrics, folder = run(bench), bench.folder / "run"
    assert metrics["main_metric"] == "f1"
    assert 0.5 < metrics["teacher"]["test"]["f1"] <= 1
    assert set(metrics["student_int8"]["test"]) == {"exact_match", "f1"}
    assert metrics["data"]["rows"] == {"train": 60, "dev": 20, "test": 20}
    assert set(metrics["questions"]["student"]) == {"with an answer", "without an answer"}
    config = json.loads((folder / "student" / "config.json").read_text())
    assert config["no_answer_threshold"] == metrics["no_answer_threshold"]["student"]
    assert config["architectures"] == ["BertForQuestionAnswering"]
    rows = questions(20, 3, words=24)
    ours, exported = (list(predict(folder / part, data=rows)) for part in ("student", "export"))
    assert [row["answer"] for row in ours] == [row["answer"] for row in exported]
    for row, said in zip(rows, ours, strict=True):
        assert said["id"] == row["id"]
        assert said["answer"] == ("" if said["offsets"] is None else row["context"][slice(*said["offsets"])])
        assert len({one["answer"] for one in said["n_best"]}) == len(said["n_best"]) == 5
        assert said["score"] <= said["n_best"][0]["score"] <= 1
    assert evaluate(folder / "student", data=rows)["f1"] == pytest.approx(metrics["student"]["test"]["f1"])
    written = [json.loads(line) for line in (folder / "predictions.jsonl").read_text().splitlines()]
    assert [row["answer"] for row in written] == [row["answer"] for row in ours]
    assert [row["gold"] for row in written] == [[answer["text"] for answer in row["answers"]] for row in rows]
    report = (folder / "report.html").read_text()
    assert "Questions with and without an answer" in report
    assert "Answers in their sentences" in report
    assert "No answer is given where its score is above" in report
    card = (folder / "student" / "README.md").read_text()
    assert "answering questions about texts" in card
    _augmented_texts_read_again(folder / "augmented" / "augmented.parquet")
    _same_as_the_card_says(card, folder / "teacher", rows)
    _learnt_without_answers(bench, folder / "teacher")


def _learnt_without_answers(bench: Workshop, teacher: Path) -> None:
    """By what the teacher says, who also says what is right in dev."""
    rows = [{name: text for name, text in row.items() if name != "answers"} for row in questions(30, 4)]
    given = {"train": None, "dev": None, "test": None, "unlabeled": rows, "teacher": str(teacher)}
    how = ("distill.max_steps=2", "data.max_length=18", "run.threads=1", *FP32)
    output = str(bench.folder / "unlabelled")
    metrics = distill("augmented_kd", student="2x12", kind="question-answering", output=output, set=how, **given)
    assert metrics["dev_labels"] == "teacher"
    assert 0 <= metrics["student"]["dev"]["f1"] <= 1
    losses = [json.loads(line) for line in (bench.folder / "unlabelled" / "metrics.jsonl").read_text().splitlines()]
    assert all(line["loss"] > 0 for line in losses if "loss" in line)


def _augmented_texts_read_again(path: Path) -> None:
    """With the answers of their originals, untouched."""
    _, examples = load_labelled(path, DataSettings(), kind=None)
    assert len(examples) > 60
    assert {text for gold in examples.gold_texts for text in gold} == set(NAMES)


def _same_as_the_card_says(card: str, folder: Path, rows: list[dict[str, Any]]) -> None:
    """On contexts of one window, where there is an answer; the card's own program, with another question."""
    [code] = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    code = code.replace("path/to/this/folder", str(folder))
    known = [(row, said) for row, said in zip(rows, predict(folder, data=rows), strict=True) if said["answer"]]
    short = [(row, said) for row, said in known if len(row["context"].split()) < 12][:2]
    assert short
    for row, said in short:
        given = code.replace("one question", row["question"]).replace("a text with the answer", row["context"])
        with redirect_stdout(io.StringIO()) as shown:
            exec(given, {})
        assert shown.getvalue().strip() == said["answer"]


def test__where_every_question_has_an_answer_one_is_always_given(tiny_tokenizer: Any, tmp_path: Path) -> None:
    task, examples = load_labelled(questions(4, 1, silent=0), DataSettings(), kind=None)
    rows = encode(examples, tiny_tokenizer, 64, tmp_path / "rows.arrow")
    logits = np.zeros((sum(len(characters) for _, characters in rows.positions()), 2), np.float32)
    starts = np.cumsum([0, *(len(characters) for _, characters in rows.positions())])[:-1]
    logits[starts] = 99  # for no answer
    assert isinstance(task, QuestionAnswering)
    assert task.threshold is None
    assert task.fitted(logits, rows) == task
    assert all(task.answers(logits, rows))
    assert not any(replace(task, threshold=0.0).answers(logits, rows))
    config = BertConfig()
    task.note_in(config)
    assert QuestionAnswering.of_model(config, DataSettings()) == task


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"answers": {"text": ["bad"], "answer_start": [1]}}, r"dev:2: the answer .* does not stand there"),
        ({"answers": {"text": ["bad"], "answer_start": []}}, r"dev:2: the answer .* does not stand there"),
        ({"answers": None}, r"dev:2: no answer, though the question is not marked"),
        ({"context": ""}, r"dev:2: 'context' is empty"),
        ({"question": None}, r"dev:2: 'question' is missing"),
    ],
)
def test__bad_questions_are_one_line_with_file_and_row(streams: Callable[..., Any], change: Any, said: str) -> None:
    rows = questions(4, 1, silent=0)
    options: dict[str, Any] = {"kind": None, "head_classes": None, "rejected_to": None, "rng": streams}
    with pytest.raises(UserError, match=f"^{said}"):
        load(rows, [rows[0], {**rows[1], **change}], None, DataSettings(), **options)


def test__a_question_as_long_as_a_window_is_refused(tiny_tokenizer: Any, tmp_path: Path) -> None:
    rows = questions(3, 1)
    rows[1]["question"] = "is it " * 9
    task, examples = load_labelled(squad(tmp_path / "a.json", rows), DataSettings(), kind=None)
    assert isinstance(task, QuestionAnswering)
    said = r"a.json:2: the question leaves no room .*21 pieces of 20.*; raise data.max_length"
    with pytest.raises(UserError, match=said):
        encode(examples, tiny_tokenizer, 20, tmp_path / "rows.arrow")


def test__the_size_of_record_batches_changes_nothing(tiny_tokenizer: Any, tmp_path: Path) -> None:
    _, examples = load_labelled(questions(7, 1), DataSettings(), kind=None)
    whole, parts = (encode(examples, tiny_tokenizer, 16, tmp_path / f"{size}.arrow", size) for size in (4096, 2))
    assert whole.digest == parts.digest
    assert len(whole) > 7
    assert [window.tolist() for _, window in whole.positions()] == [window.tolist() for _, window in parts.positions()]
    with pytest.raises(ValueError, match="not all of a file"):
        next(whole.select(np.array([0])).positions())


def test__a_test_set_may_lack_answers_and_a_prediction_needs_none(streams: Callable[..., Any]) -> None:
    rows = [{"question": row["question"], "context": row["context"]} for row in questions(3, 1)]
    options: dict[str, Any] = {"kind": None, "head_classes": None, "rejected_to": None, "rng": streams}
    splits = load(questions(9, 1), questions(9, 2), rows, DataSettings(), **options)
    assert splits.test is not None
    assert not splits.test.labelled
    assert splits.test.ids == ["1", "2", "3"]
    assert load_for(rows, DataSettings(), splits.task, labels="none").asked
    with pytest.raises(UserError, match=r"^data:1: no column 'answers'; there are: question, context"):
        load_for(rows, DataSettings(), splits.task, labels="needed")


def test__questions_about_one_context_stay_together(streams: Callable[..., Any]) -> None:
    rows = [{**row, "question": question} for row in questions(40, 1) for question in ("what is it", "is it good")]
    options: dict[str, Any] = {"kind": None, "head_classes": None, "rejected_to": None, "rng": streams}
    splits = load(rows, None, None, DataSettings(), **options)
    learnt, held_out = ({example.pair for example in part} for part in (splits.train, splits.dev))
    assert len(splits.dev) == 8
    assert not learnt & held_out


def test__a_model_of_another_kind_is_refused(bench: Workshop) -> None:
    bench.model("classifier", classes=("a", "b"))
    with pytest.raises(UserError, match="says something of a whole text"):
        run(bench, teacher=str(bench.folder / "classifier"))


def test__the_threshold_of_a_model_is_a_number() -> None:
    config = BertConfig(no_answer_threshold="high")
    with pytest.raises(UserError, match="no_answer_threshold must be a number"):
        QuestionAnswering.of_model(config, DataSettings())
