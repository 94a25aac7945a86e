import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinybert.data.columns import Labels
from tinybert.data.dialect import lines_of
from tinybert.data.read import RawRows
from tinybert.data.settings import DataSettings
from tinybert.data.squad import Question, content, examples_of, paragraph_of, read_questions, read_squad
from tinybert.errors import UserError
from tinybert.types import Answer, Example


def read(path: str | Path, settings: DataSettings, labels: Labels = "needed") -> RawRows:
    return read_squad(lines_of(Path(path)), str(path), settings, labels)


CONTEXT = "EU rejects German call."


def asked(question: str = "Who?", *answers: tuple[str, Any], **others: Any) -> dict[str, Any]:
    found = [{"text": text, "answer_start": start} for text, start in answers]
    return {"id": question, "question": question, "answers": found, **others}


def file_of(*qas: Any, context: Any = CONTEXT) -> str:
    return json.dumps({"version": "2.0", "data": [{"title": "x", "paragraphs": [{"context": context, "qas": qas}]}]})


def test_read_squad__takes_the_first_answer_and_none_of_the_impossible(write: Callable[..., str]) -> None:
    impossible = asked("Why?", is_impossible=True, plausible_answers=[{"text": "EU", "answer_start": 0}])
    path = write("a.json", file_of(asked("Who?", ("EU", 0), ("EU rejects", 0)), impossible))
    rows = read(path, DataSettings())
    assert list(examples_of(rows)) == [
        Example("Who?", CONTEXT, Answer(0, 2), 1),
        Example("Why?", CONTEXT, None, 2),
    ]


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (asked("Who?", ("EU", 1)), "does not stand there"),
        (asked("Who?", ("EU", 0), ("German", 0)), "does not stand there"),
        (asked("Who?", ("EU", "0")), "does not stand there"),
        (asked("Who?", ("EU", -23)), "does not stand there"),
        (asked("Who?", ("", 0)), "does not stand there"),
        (asked("Who?"), "no answer, though the question is not marked"),
        (asked(" ", ("EU", 0)), "'question' is empty"),
        ({"id": "1"}, "'question' is missing"),
        ("Who?", "no question"),
    ],
)
def test_read_squad__names_the_question_that_is_wrong(write: Callable[..., str], entry: Any, reason: str) -> None:
    path = write("a.json", file_of(asked("Who?", ("EU", 0)), entry))
    with pytest.raises(UserError, match=rf"^{path}:2: .*{reason}"):
        read(path, DataSettings())
    rows = read(path, DataSettings(skip_bad=0.5))
    assert len(examples_of(rows)) == 1
    assert rows.problems.rejected[0]["row"] == 2


def test_read_squad__names_a_context_that_is_missing(write: Callable[..., str]) -> None:
    with pytest.raises(UserError, match=r":1: 'context' is missing"):
        read(write("a.json", file_of(asked("Who?", ("EU", 0)), context=None)), DataSettings())


@pytest.mark.parametrize(
    "text",
    ["[]", "{", '{"data": 1}', '{"data": [{}]}', '{"data": [{"paragraphs": [{"context": "x"}]}]}', '{"data": [1]}'],
)
def test_content__refuses_other_forms(write: Callable[..., str], text: str) -> None:
    path = write("a.json", text)
    with pytest.raises(UserError, match=rf"^{path}: ") as caught:
        content(lines_of(Path(path)), path)
    assert "\n" not in str(caught.value)


def test_paragraph_of__has_a_question_of_its_own() -> None:
    entry = asked("Who?", ("EU", 0), ("EU rejects", 0), plausible_answers=[], level=3)
    copy = Example("Who?", "The EU rejects it.", Answer(4, 6), 7, 2)
    assert paragraph_of(Question(CONTEXT, entry), copy) == {
        "context": "The EU rejects it.",
        "qas": [
            {
                "id": "Who?-copy-2",
                "question": "Who?",
                "answers": [{"text": "EU", "answer_start": 4}],
                "level": 3,
                "origin": 7,
                "copy": 2,
            }
        ],
    }
    impossible = paragraph_of(Question(CONTEXT, asked("Why?", is_impossible=True)), Example("Why?", "x", None, 1, 1))
    assert impossible["qas"][0]["answers"] == []


@pytest.mark.parametrize(
    ("answers", "found"),
    [
        ({"text": ["EU", "EU rejects"], "answer_start": [0, 0]}, ["EU", "EU rejects"]),
        ({"text": np.array(["EU"], object), "answer_start": np.array([0], np.int32)}, ["EU"]),
        ([{"text": "EU", "answer_start": 0}], ["EU"]),
        (np.array([{"text": "EU", "answer_start": 0}]), ["EU"]),
        ({"text": [], "answer_start": []}, []),
        ([], []),
    ],
)
def test_read_questions__takes_answers_as_the_hub_has_them(answers: Any, found: list[str]) -> None:
    rows = [{"question": "Who?", "context": CONTEXT, "answers": answers}]
    examples = examples_of(read_questions(rows, DataSettings(), "needed", "train"))
    assert list(examples) == [Example("Who?", CONTEXT, Answer(0, 2) if found else None, 1)]
    assert (examples.gold_texts, examples.ids) == ([found], ["1"])
    renamed = [{"q": "Who?", "passage": CONTEXT, "answers": "not these", "gold": answers}]
    named = DataSettings(text_a="q", text_b="passage", label="gold")
    assert list(examples_of(read_questions(renamed, named, "needed", "train"))) == list(examples)
    with pytest.raises(UserError, match="train:1: 'passage' is missing"):
        examples_of(read_questions([{**renamed[0], "passage": None}], named, "none", "train"))


def test_read_squad__of_a_test_set_may_have_no_answers(write: Callable[..., str]) -> None:
    path = Path(write("a.json", file_of({"id": "x", "question": "Who?"})))
    examples = examples_of(read(path, DataSettings(), "optional"))
    assert (examples.labelled, examples.ids) == (False, ["x"])
    some = Path(write("b.json", file_of({"id": "x", "question": "Who?"}, asked("Who?", ("EU", 0)))))
    with pytest.raises(UserError, match=r"b.json:1: no answer, though"):
        examples_of(read(some, DataSettings(), "optional"))
    assert not examples_of(read(some, DataSettings(), "none")).labelled
