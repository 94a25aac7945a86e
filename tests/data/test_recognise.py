from collections.abc import Callable
from pathlib import Path

import pytest

from tinybert.data.columns import Header
from tinybert.data.recognise import check_recognised, looks_like_conll, wrong_form
from tinybert.data.settings import DataSettings
from tinybert.errors import UserError

CONLL = "-DOCSTART- -X- O O\n\nEU NNP I-NP I-ORG\nrejects VBZ I-VP O\n"
SQUAD = '{"version": "1.1", "data": [{"title": "x", "paragraphs": []}]}'


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("eng.train", CONLL, "seems to be token classification (CoNLL columns)"),
        ("a.conll", "x", "seems to be token classification"),
        ("dev.json", SQUAD, "seems to be question answering (SQuAD JSON)"),
        ("dev.json", "[1]", "with the ending .jsonl; convert an array of rows: jq -c '.[]' OLD > NEW.jsonl"),
        ("dev.json", '{"id": 1, "data": "a text", "label": ["good"]}', "with the ending .jsonl"),
        ("dev.csv.gz", "x", "is packed; unpack it first"),
        ("dev.xlsx", "x", "unknown ending '.xlsx'; data is read from .tsv, .csv, .jsonl and .parquet"),
    ],
)
def test_refusal__says_what_a_file_seems_to_be(
    write: Callable[..., str], name: str, content: str, message: str
) -> None:
    path = write(name, content)
    assert str(wrong_form(Path(path))).startswith(f"{path}: ")
    assert message in str(wrong_form(Path(path)))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (CONLL, True),
        ("EU\tB-ORG\nrejects\tO\n\nPeter\tB-PER\n", True),
        ("text\tlabel\ngood\tO\n", False),
        ("# origin=1 copy=0\nEU B-ORG\nrejects O\n", True),
        ("", False),
        ("good\nbad\n", False),
    ],
)
def test_looks_like_conll__by_its_tags(write: Callable[..., str], content: str, expected: bool) -> None:
    assert looks_like_conll(Path(write("x.tsv", content))) is expected


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            ("tokens", "tags", "id"),
            r"^f.jsonl: seems to be token classification \(tokens, tags\): say --kind token-classification",
        ),
        (("version", "data"), r"^f.jsonl: seems to be question answering"),
        (("text", "paragraphs"), r"^f.jsonl: seems to be question answering"),
    ],
)
def test_refuse_columns__knows_other_tasks_by_their_columns(names: tuple[str, ...], message: str) -> None:
    with pytest.raises(UserError, match=message):
        check_recognised(Header("f.jsonl", names), DataSettings())


def test_refuse_columns__says_how_to_take_annotations_out_of_label_studio() -> None:
    with pytest.raises(UserError, match=r"^f.jsonl: seems to be Label Studio's own JSON .* export CSV there$"):
        check_recognised(Header("f.jsonl", ("id", "data", "annotations")), DataSettings())


@pytest.mark.parametrize(
    ("names", "settings"),
    [
        (("text", "data"), DataSettings()),
        (("id", "data", "label"), DataSettings()),  # what doccano writes
        (("data",), DataSettings(text="data")),
        (("text", "tokens", "tags"), DataSettings()),
        (("note", "tokens", "tags"), DataSettings(text="note")),
    ],
)
def test_refuse_columns__lets_a_text_pass(names: tuple[str, ...], settings: DataSettings) -> None:
    check_recognised(Header("f.jsonl", names), settings)
