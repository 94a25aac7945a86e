import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tinybert.data.any_kind import Form, form_of, load_any, path_of
from tinybert.data.settings import DataSettings
from tinybert.data.task import Task
from tinybert.errors import UserError
from tinybert.types import Answer, Example, Kind

SQUAD = {"data": [{"paragraphs": [{"context": "By EU.", "qas": [
    {"id": "1", "question": "Who?", "answers": [{"text": "EU", "answer_start": 3}]}]}]}]}  # fmt: skip
TOKENS = '{"tokens": ["a"], "tags": ["O"]}\n'
CONLL = "EU B-ORG\nrejects O\n"


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


@pytest.mark.parametrize(
    ("name", "text", "kind", "form"),
    [
        ("a.tsv", "text\tlabel\na\tb\n", None, "table"),
        ("a.jsonl", '{"text": "a", "label": 1}', None, "table"),
        ("a.jsonl", TOKENS, None, "lists"),
        ("a.jsonl", TOKENS, "token-classification", "lists"),
        ("a.jsonl", TOKENS, "classification", "table"),
        ("a.conll2003", CONLL, None, "conll"),
        ("eng.train", "NN\n", "token-classification", "conll"),
        ("a.tsv", CONLL, "token-classification", "conll"),
        ("a.json", "{}", None, "squad"),
        ("squad", "{}", "question-answering", "squad"),
    ],
)
def test_form_of__goes_by_kind_ending_and_columns(
    write: Callable[..., str], name: str, text: str, kind: Kind | None, form: Form
) -> None:
    assert form_of(write(name, text), DataSettings(), kind) == form


@pytest.mark.parametrize(
    ("source", "kind", "form"),
    [
        ([{"tokens": ["a"], "tags": ["O"]}], None, "lists"),
        ([{"words": ["a"], "ner": ["O"]}], "token-classification", "lists"),
        ([{"text": "a", "label": "b"}], None, "table"),
        ("hf:conll2003", "token-classification", "lists"),
        ("-", None, "table"),
    ],
)
def test_form_of__knows_what_is_no_file(source: Any, kind: Kind | None, form: Form) -> None:
    assert form_of(source, DataSettings(), kind) == form


@pytest.mark.parametrize(
    ("name", "text", "kind", "message"),
    [
        ("a.tsv", "text\tlabel\na\tb\n", "token-classification", "does not look like CoNLL columns"),
        ("a.tsv", "text\tlabel\na\tb\n", "question-answering", "is read from SQuAD JSON"),
        ("eng.train", CONLL, None, "seems to be token classification .*--kind"),
    ],
)
def test_form_of__refuses_a_kind_that_is_not_there(
    write: Callable[..., str], name: str, text: str, kind: Kind | None, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        form_of(write(name, text), DataSettings(), kind)


def test_path_of__is_of_files_only() -> None:
    assert path_of("a/b.tsv") == path_of(Path("a/b.tsv")) == Path("a/b.tsv")
    assert path_of("hf:glue") is path_of("-") is path_of([{}]) is None
