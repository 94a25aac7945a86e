from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tinybert.data.forms import Form, form_of, path_of
from tinybert.data.settings import DataSettings
from tinybert.errors import UserError
from tinybert.types import Kind

TOKENS = '{"tokens": ["a"], "tags": ["O"]}\n'
CONLL = "EU B-ORG\nrejects O\n"


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
