import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tinybert.data.any_kind import load_any
from tinybert.data.settings import DataSettings
from tinybert.data.task import Task
from tinybert.errors import UserError
from tinybert.types import Answer, Example

SQUAD = {"data": [{"paragraphs": [{"context": "By EU.", "qas": [
    {"id": "1", "question": "Who?", "answers": [{"text": "EU", "answer_start": 3}]}]}]}]}  # fmt: skip


def test_load_any__reads_all_four_kinds(write: Callable[..., str]) -> None:
    task, examples = load_any(write("a.tsv", "text\tlabel\na\tpos\nb\tpos\n"), DataSettings(), kind=None)
    assert task == Task("classification", ("pos",))  # one class is enough to be augmented
    assert [example.label for example in examples] == [0, 0]
    task, examples = load_any([{"text_a": "a", "text_b": "b", "label": 0.5}], DataSettings(), kind=None)
    assert task == Task("regression", paired=True)
    task, examples = load_any(write("a.bio", "EU B-ORG\nrejects O\n"), DataSettings(), kind=None)
    assert task == Task("token-classification", ("B-ORG", "O"))
    assert task.outside == 1
    assert list(examples) == [Example("EU rejects", None, (0, 1), 1, 0, ("EU", "rejects"))]
    task, examples = load_any(write("a.json", json.dumps(SQUAD)), DataSettings(), kind=None)
    assert task == Task("question-answering", paired=True)
    assert task.outputs == 2
    assert list(examples) == [Example("Who?", "By EU.", Answer(3, 5), 1)]


def test_load_any__matches_the_classes_of_a_head() -> None:
    rows = [{"text": "a", "label": "NEG"}]
    assert load_any(rows, DataSettings(), kind=None, head_classes=("neg", "pos"))[0].classes == ("neg", "pos")


def test_load_any__writes_down_what_it_put_aside(write: Callable[..., str], tmp_path: Path) -> None:
    rejected = tmp_path / "rejected.jsonl"
    path = write("a.iob", "a O\n\nb\n\nc O\n")
    _, examples = load_any(path, DataSettings(skip_bad=0.4), kind=None, rejected_to=rejected)
    assert examples.rows.tolist() == [1, 3]
    assert "left out (data.skip_bad=0.4)" in examples.notes[0]
    assert json.loads(rejected.read_text())["line"] == 3


def test_load_any__refuses_what_has_no_row_left(write: Callable[..., str]) -> None:
    with pytest.raises(UserError, match="no rows"):
        load_any(write("a.iob", "-DOCSTART- O\n"), DataSettings(), kind=None)
