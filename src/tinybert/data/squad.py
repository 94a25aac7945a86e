"""Question answering: SQuAD 1.1 and 2.0 JSON. A row is a question, in the order of the file."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from tinybert.data.dialect import lines_of
from tinybert.data.example_table import ANSWERED
from tinybert.data.examples import Examples
from tinybert.data.problems import BadRow, Problems, one_line, shown
from tinybert.data.read import ROW_SCHEMA, RawRows, gathered
from tinybert.data.rows import text_problem
from tinybert.data.settings import DataSettings
from tinybert.errors import UserError
from tinybert.types import Answer, Example

_SCHEMA = pa.schema(
    [
        *(ROW_SCHEMA.field(name) for name in ("text", "pair")),
        *((name, kind) for name, kind in ANSWERED.items()),
        *(ROW_SCHEMA.field(name) for name in ("row", "line")),
    ]
)
_ADVICE = "; correct or remove the question"
_FORM = 'SQuAD JSON is {"version": ..., "data": [{"title": ..., "paragraphs": [{"context": ..., "qas": [...]}]}]}'


class Question(NamedTuple):
    """An entry of `qas`, and the context it stands with."""

    context: Any
    entry: Mapping[str, Any]


def read_squad(path: Path, settings: DataSettings) -> RawRows:
    """Read SQuAD JSON; of several answers the first, of an impossible question none.

    Raises:
        UserError: If the file is of another form, or a question cannot be used.
    """
    problems = Problems(str(path), settings.skip_bad)
    questions = (
        question for article in articles(path) for part in article["paragraphs"] for question in questions_of(part)
    )
    table = gathered(enumerate(questions, start=1), checked_question, _SCHEMA, problems)
    return RawRows(table, True, problems, ())


def answered(rows: RawRows) -> Examples:
    """The examples of rows that `read_squad` gave.

    Raises:
        UserError: If more rows are bad than are tolerated.
    """
    return Examples(rows.table, notes=(*rows.notes, *rows.problems.settle(len(rows.table))))


def articles(path: Path) -> Sequence[Mapping[str, Any]]:
    """The articles of a file, each with its paragraphs, each of these with its questions.

    Raises:
        UserError: If the file is of another form.
    """
    return content(path)["data"]  # type: ignore[no-any-return]


def content(path: Path) -> Mapping[str, Any]:
    """Everything in a file; its form is checked down to the lists of questions.

    Raises:
        UserError: If it is of another form.
    """
    try:
        found = json.loads("".join(lines_of(path)))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not valid JSON ({one_line(error)}); write or download the file again") from error
    if not isinstance(found, dict) or not _lists(found, "data"):
        raise UserError(f"{path}: {_FORM}; rows with a text each are read from .jsonl, .csv, .tsv and .parquet")
    for number, article in enumerate(found["data"], start=1):
        parts = article["paragraphs"] if _lists(article, "paragraphs") else [None]
        if not all(_lists(part, "qas") for part in parts):
            raise UserError(f"{path}: article {number} of 'data' is of another form; {_FORM}")
    return found


def _lists(value: Any, key: str) -> bool:
    return isinstance(value, dict) and isinstance(value.get(key), list)


def questions_of(part: Mapping[str, Any]) -> Iterator[Question | BadRow]:
    """The questions of a paragraph."""
    for entry in part["qas"]:
        yield (
            Question(part.get("context"), entry) if isinstance(entry, dict) else BadRow(f"no question{_ADVICE}", entry)
        )


def checked_question(question: Question) -> tuple[str, str, int | None, int | None] | BadRow:
    """Check a question.

    Returns:
        Question, context, where the first answer begins and ends (None: there is none); or why it cannot be used.
    """
    context, entry = question
    for name, value in (("question", entry.get("question")), ("context", context)):
        if (reason := text_problem(value, name)) is not None:
            return BadRow(reason + _ADVICE, dict(entry))
    answers = entry.get("answers")
    if entry.get("is_impossible") is True:
        return (entry["question"], context, None, None)
    if not isinstance(answers, list) or not answers:
        return BadRow(f"no answer, though the question is not marked is_impossible{_ADVICE}", dict(entry))
    spans = [_span(answer, context) for answer in answers]
    for answer, span in zip(answers, spans, strict=True):
        if span is None:
            return BadRow(f"the answer {shown(answer)} does not stand there in the context{_ADVICE}", dict(entry))
    first = spans[0] or Answer(0, 0)
    return (entry["question"], context, first.start, first.end)


def _span(answer: Any, context: str) -> Answer | None:
    match answer:
        case {"text": str(text), "answer_start": int(start)} if start >= 0 and text.strip():
            return Answer(start, start + len(text)) if context.startswith(text, start) else None
    return None


def marked_entry(entry: Mapping[str, Any], row: int) -> dict[str, Any]:
    """An original question, with the mark that it is one."""
    return {**entry, "origin": row, "copy": 0}


def paragraph_of(question: Question, copy: Example) -> dict[str, Any]:
    """A copy as a paragraph of its own: its context is another one.

    Its question has an id of its own. It keeps the one answer that a copy has; plausible answers of an impossible
    question stood in the old context, and are left out.
    """
    entry = {key: value for key, value in question.entry.items() if key != "plausible_answers"}
    context = copy.pair or ""
    answers = []
    if isinstance(copy.label, Answer):
        answers = [{"text": context[slice(*copy.label)], "answer_start": copy.label.start}]
    changed = {"question": copy.text, "id": f"{entry.get('id', copy.row)}-copy-{copy.copy}", "answers": answers}
    return {"context": context, "qas": [{**entry, **changed, "origin": copy.row, "copy": copy.copy}]}
