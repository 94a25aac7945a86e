"""Question answering: SQuAD 1.1 and 2.0 JSON, and tables as the hub has of it. A row is a question, in their order."""

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from itertools import zip_longest
from numbers import Integral
from typing import Any, NamedTuple

import pyarrow as pa

from tinybert.data.columns import Columns, Header, Labels, require
from tinybert.data.example_table import ANSWERED, ASKED
from tinybert.data.examples import Examples
from tinybert.data.problems import BadRow, Problems, one_line, shown
from tinybert.data.read import ROW_SCHEMA, DataInput, RawRows, gathered, open_rows
from tinybert.data.rows import text_problem
from tinybert.data.settings import DataSettings
from tinybert.errors import UserError
from tinybert.types import Answer, Example

COLUMNS = Columns("question", "context", "answers")  # of a table, unless settings name others; it may have an `id`
_TEXTS = [*(ROW_SCHEMA.field(name) for name in ("text", "pair")), pa.field("id", ASKED["id"])]
_GOLD = [*ANSWERED.items(), ("answers", ASKED["answers"])]
_NUMBERS = [ROW_SCHEMA.field(name) for name in ("row", "line")]
_ADVICE = "; correct or remove the question"
_KEYS = ("text_a", "text_b", "label")  # settings that name the columns
_FORM = 'SQuAD JSON is {"version": ..., "data": [{"title": ..., "paragraphs": [{"context": ..., "qas": [...]}]}]}'


class Question(NamedTuple):
    """An entry of `qas`, and the context it stands with."""

    context: Any
    entry: Mapping[str, Any]


def read_squad(lines: Iterable[str], name: str, settings: DataSettings, labels: Labels = "needed") -> RawRows:
    """Read SQuAD JSON; of several answers the first is the label, an impossible question has none.

    Raises:
        UserError: If the file is of another form, or a question cannot be used.
    """
    articles = content(lines, name)["data"]
    questions = [question for article in articles for part in article["paragraphs"] for question in questions_of(part)]
    known = any(isinstance(one, Question) and {"answers", "is_impossible"} & {*one.entry} for one in questions)
    gold = labels == "needed" or (labels == "optional" and known)
    return _rows(enumerate(questions, start=1), name, settings, gold)


def read_questions(source: DataInput, settings: DataSettings, labels: Labels, name: str) -> RawRows:
    """Read a table of questions; one whose list of answers is empty is impossible.

    Raises:
        UserError: If a column is missing, or a question cannot be used.
    """
    reader = open_rows(source, settings, name)
    columns = question_columns(reader.header, settings, labels)
    wanted = [*(["id"] if "id" in reader.header.names else []), *columns.wanted]
    records = (
        (line, row if isinstance(row, BadRow) else _question(row, columns)) for line, row in reader.records(wanted)
    )
    return _rows(records, reader.header.name, settings, columns.label is not None, columns)


def question_columns(header: Header, settings: DataSettings, labels: Labels = "needed") -> Columns:
    """The columns of questions, contexts and, where they are wanted, answers.

    Raises:
        UserError: If one is missing.
    """
    columns = Columns(settings.text_a or COLUMNS.text, settings.text_b or COLUMNS.pair, settings.label or COLUMNS.label)
    if labels == "none" or (labels == "optional" and columns.label not in header.names):
        columns = columns._replace(label=None)
    for key, name in zip(_KEYS, columns.wanted, strict=False):
        require(header, key, name)
    return columns


def _question(row: Mapping[str, Any], columns: Columns) -> Question:
    """A row as SQuAD JSON has it."""
    found: Any = row.get(columns.label or "")
    match found:
        case {"text": texts, "answer_start": starts}:
            both = zip_longest(texts, starts)
            found = [{"text": text, "answer_start": start} for text, start in both]
    found = list(found) if hasattr(found, "tolist") else found
    said = {"answers": found, "is_impossible": isinstance(found, list) and not found}
    return Question(row.get(str(columns.pair)), {**row, "question": row.get(columns.text), **said})


def _rows(
    questions: Iterable[tuple[int, Any]], name: str, settings: DataSettings, gold: bool, columns: Columns = COLUMNS
) -> RawRows:
    problems = Problems(name, settings.skip_bad)
    schema = pa.schema([*_TEXTS, *(_GOLD if gold else []), *_NUMBERS])
    check = partial(checked_question, gold=gold, columns=columns)
    return RawRows(gathered(questions, check, schema, problems), True, problems, ())


def examples_of(rows: RawRows) -> Examples:
    """The examples of rows that `read_squad` or `read_questions` gave.

    Raises:
        UserError: If more rows are bad than are tolerated.
    """
    return Examples(rows.table, None, (*rows.notes, *rows.problems.settle(len(rows.table))), rows.name)


def content(lines: Iterable[str], name: str) -> Mapping[str, Any]:
    """Everything in SQuAD JSON; its form is checked down to the lists of questions.

    Args:
        lines: All of it.
        name: What messages call it.

    Raises:
        UserError: If it is of another form.
    """
    try:
        found = json.loads("".join(lines))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{name}: not valid JSON ({one_line(error)}); write or download the file again") from error
    if not isinstance(found, dict) or not _lists(found, "data"):
        raise UserError(f"{name}: {_FORM}; rows with a text each are read from .jsonl, .csv, .tsv and .parquet")
    for number, article in enumerate(found["data"], start=1):
        parts = article["paragraphs"] if _lists(article, "paragraphs") else [None]
        if not all(_lists(part, "qas") for part in parts):
            raise UserError(f"{name}: article {number} of 'data' is of another form; {_FORM}")
    return found


def _lists(value: Any, key: str) -> bool:
    return isinstance(value, dict) and isinstance(value.get(key), list)


def questions_of(part: Mapping[str, Any]) -> Iterator[Question | BadRow]:
    """The questions of a paragraph."""
    for entry in part["qas"]:
        yield (
            Question(part.get("context"), entry) if isinstance(entry, dict) else BadRow(f"no question{_ADVICE}", entry)
        )


def checked_question(question: Question, *, gold: bool = True, columns: Columns = COLUMNS) -> tuple[Any, ...] | BadRow:
    """Check a question; messages call question and context as `columns` does.

    Returns:
        Question, context, id (None: there is none); where its answers matter, where the first begins and ends (None: it
        is impossible), and the words of all; or why it cannot be used.
    """
    context, entry = question
    for column, value in zip(columns, (entry.get("question"), context), strict=False):
        if (reason := text_problem(value, str(column))) is not None:
            return BadRow(reason + _ADVICE, dict(entry))
    context, name = str(context), entry.get("id")
    found = (str(entry["question"]), context, None if name is None else str(name))
    if not gold:
        return found
    answers = entry.get("answers")
    if entry.get("is_impossible") is True:
        return (*found, None, None, [])
    if not isinstance(answers, list) or not answers:
        return BadRow(f"no answer, though the question is not marked is_impossible{_ADVICE}", dict(entry))
    spans = [_span(answer, context) for answer in answers]
    for answer, span in zip(answers, spans, strict=True):
        if span is None:
            return BadRow(f"the answer {shown(answer)} does not stand there in the context{_ADVICE}", dict(entry))
    first = spans[0] or Answer(0, 0)
    return (*found, *first, [answer["text"] for answer in answers])


def _span(answer: Any, context: str) -> Answer | None:
    match answer:
        case {"text": str(text), "answer_start": Integral() as begin} if (start := int(begin)) >= 0 and text.strip():
            return Answer(start, start + len(text)) if context.startswith(text, start) else None
    return None


def answer_lists(context: str, label: Any) -> dict[str, list[Any]]:
    """An answer as a table has it; empty lists where there is none."""
    spans = [label] if isinstance(label, Answer) else []
    return {"text": [context[slice(*span)] for span in spans], "answer_start": [span.start for span in spans]}


def marked_entry(entry: Mapping[str, Any], row: int) -> dict[str, Any]:
    """An original question, with the mark that it is one."""
    return {**entry, "origin": row, "copy": 0}


def copied_row(columns: Columns, original: Mapping[str, Any], copy: Example) -> dict[str, Any]:
    """From a row of a table and a copy to the copy's row, with an id of its own."""
    context, label = copy.pair or "", str(columns.label)
    answers: Any = answer_lists(context, copy.label)
    if not isinstance(original[label], Mapping):
        answers = [dict(zip(answers, both, strict=True)) for both in zip(*answers.values(), strict=True)]
    name = {"id": f"{original['id']}-copy-{copy.copy}"} if original.get("id") is not None else {}
    return {**original, **name, columns.text: copy.text, str(columns.pair): context, label: answers}


def paragraph_of(question: Question, copy: Example) -> dict[str, Any]:
    """A copy as a paragraph of its own: its context is another one.

    Its question has an id of its own. It keeps the one answer that a copy has; plausible answers of an impossible
    question stood in the old context, and are left out.
    """
    entry = {key: value for key, value in question.entry.items() if key != "plausible_answers"}
    changed = copied_row(COLUMNS, {"id": copy.row, "answers": [], **entry}, copy)
    return {"context": changed.pop("context"), "qas": [{**changed, "origin": copy.row, "copy": copy.copy}]}
