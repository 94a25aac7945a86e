import io
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tinybert.data.settings import DataSettings
from tinybert.errors import UserError
from tinybert.tasks import TASKS
from tinybert.tasks.base import Task
from tinybert.tasks.classification import Classification
from tinybert.tasks.question_answering import QuestionAnswering
from tinybert.tasks.read import load_labelled, task_class_of
from tinybert.tasks.regression import Regression
from tinybert.tasks.token_classification import TokenClassification
from tinybert.types import Answer, Example, Kind

SQUAD = {"data": [{"paragraphs": [{"context": "By EU.", "qas": [
    {"id": "1", "question": "Who?", "answers": [{"text": "EU", "answer_start": 3}]}]}]}]}  # fmt: skip
TOKENS = '{"tokens": ["a"], "tags": ["O"]}\n'
CONLL = "EU B-ORG\nrejects O\n"


def test_load_labelled__reads_all_four_kinds(write: Callable[..., str]) -> None:
    task, examples = load_labelled(write("a.tsv", "text\tlabel\na\tpos\nb\tpos\n"), DataSettings(), kind=None)
    assert task == Classification(("pos",))  # one class is enough to be augmented
    assert [example.label for example in examples] == [0, 0]
    task, examples = load_labelled([{"text_a": "a", "text_b": "b", "label": 0.5}], DataSettings(), kind=None)
    assert task == Regression(paired=True)
    task, examples = load_labelled(write("a.bio", "EU B-ORG\nrejects O\n"), DataSettings(), kind=None)
    assert task == TokenClassification(("B-ORG", "O"))
    assert task.outside == 1
    assert list(examples) == [Example("EU rejects", None, (0, 1), 1, 0, ("EU", "rejects"))]
    task, examples = load_labelled(write("a.json", json.dumps(SQUAD)), DataSettings(), kind=None)
    assert task == QuestionAnswering()
    assert list(examples) == [Example("Who?", "By EU.", Answer(3, 5), 1)]


def test_load_labelled__matches_the_classes_of_a_head() -> None:
    rows = [{"text": "a", "label": "NEG"}]
    assert load_labelled(rows, DataSettings(), kind=None, head_classes=("neg", "pos"))[0].classes == ("neg", "pos")


def test_load_labelled__writes_down_what_it_put_aside(write: Callable[..., str], tmp_path: Path) -> None:
    rejected = tmp_path / "rejected.jsonl"
    path = write("a.iob", "a O\n\nb\n\nc O\n")
    _, examples = load_labelled(path, DataSettings(skip_bad=0.4), kind=None, rejected_to=rejected)
    assert examples.rows.tolist() == [1, 3]
    assert "left out (data.skip_bad=0.4)" in examples.notes[0]
    assert json.loads(rejected.read_text())["line"] == 3


def test_load_labelled__refuses_what_has_no_row_left(write: Callable[..., str]) -> None:
    with pytest.raises(UserError, match="no rows"):
        load_labelled(write("a.iob", "-DOCSTART- O\n"), DataSettings(), kind=None)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.tsv", "text\tlabel\na\tb\n", Classification),
        ("a.jsonl", '{"text": "a", "label": 1}', Classification),
        ("a.jsonl", TOKENS, TokenClassification),
        ("a.conll2003", CONLL, TokenClassification),
        ("a.json", "{}", QuestionAnswering),
    ],
)
def test_task_class_of__goes_by_ending_and_columns(
    write: Callable[..., str], name: str, text: str, expected: type[Task]
) -> None:
    assert task_class_of(write(name, text), DataSettings(), None) is expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ([{"tokens": ["a"], "tags": ["O"]}], TokenClassification),
        ([{"text": "a", "label": "b"}], Classification),
        ("-", Classification),
    ],
)
def test_task_class_of__knows_what_is_no_file(source: Any, expected: type[Task]) -> None:
    assert task_class_of(source, DataSettings(), None) is expected


@pytest.mark.parametrize(
    ("name", "text"), [("eng.train", "NN O\n"), ("a.tsv", CONLL), ("a.jsonl", TOKENS), ("a.conll", CONLL)]
)
def test_token_classification__reads_columns_and_lists(write: Callable[..., str], name: str, text: str) -> None:
    task, _ = load_labelled(write(name, text), DataSettings(), kind="token-classification")
    assert "O" in task.classes


def test_load_labelled__takes_a_table_where_the_kind_says_so(write: Callable[..., str]) -> None:
    with pytest.raises(UserError, match="tokens, tags"):
        load_labelled(write("a.jsonl", TOKENS), DataSettings(), kind="classification")


@pytest.mark.parametrize(
    ("name", "text", "kind", "message"),
    [
        ("a.tsv", "text\tlabel\na\tb\n", "token-classification", "does not look like CoNLL columns"),
        (
            "a.tsv",
            "text\tlabel\na\tb\n",
            "question-answering",
            "no column 'question'; there are: text, label; say which one with data.text_a=NAME",
        ),
        ("eng.train", CONLL, None, "seems to be token classification .*--kind"),
    ],
)
def test_load_labelled__refuses_a_kind_that_is_not_there(
    write: Callable[..., str], name: str, text: str, kind: Kind | None, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        load_labelled(write(name, text), DataSettings(), kind=kind)


@pytest.mark.parametrize(
    ("kind", "text", "found"),
    [
        ("classification", "good\nEU O\n", ["good", "EU O"]),
        ("multi-label", '{"text": "good", "label": []}\n{"text": "bad"}\n', ["good", "bad"]),
        ("token-classification", "Mr. EU\nwins\n", ["Mr. EU", "wins"]),
        ("token-classification", "EU NNP B-ORG\nwins VB O\n\nso RB O\n", ["EU wins", "so"]),
        ("token-classification", "\nEU\r\nwins\r\n\r\nso\r\n", ["EU wins", "so"]),
        ("token-classification", "EU NNP\n", ["EU NNP"]),
        ("token-classification", '{"tokens": ["EU", "wins"]}\n', ["EU wins"]),
        ("question-answering", json.dumps(SQUAD), ["Who?"]),
        ("question-answering", json.dumps(SQUAD, indent=1), ["Who?"]),
        ("question-answering", '{"question": "Who?", "context": "By EU."}\n', ["Who?"]),
    ],
)
def test_read__takes_each_form_of_a_kind_from_standard_input(
    monkeypatch: pytest.MonkeyPatch, kind: Kind, text: str, found: list[str]
) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(text.encode())))
    assert TASKS[kind].read("-", DataSettings(), labels="none", name="data").table["text"].to_pylist() == found


def test_read__does_not_take_json_lines_with_a_gap_for_words(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = b'{"tokens": ["EU"]}\n\n{"tokens": ["so"]}\n'
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(lines)))
    with pytest.raises(UserError, match=r"^stdin:2: an empty line"):
        TASKS["token-classification"].read("-", DataSettings(), labels="none", name="data").problems.settle(2)
