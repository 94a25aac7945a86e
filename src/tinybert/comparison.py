"""Two models on the same rows: which answers differ, and whether one of them is better."""

from collections.abc import Sequence
from os import PathLike
from typing import Any, Final

import numpy as np

from tinybert.data.read import is_stdin
from tinybert.errors import UserError
from tinybert.predictor import Answers, Predictor
from tinybert.statistics import LEVEL
from tinybert.tasks.base import Task
from tinybert.types import Kind

_SEED: Final = 0  # the same models compared twice differ by as much


def compare(
    models: Sequence[str | PathLike[str]], data: Any, kind: Kind | None, overrides: Sequence[str], max_flips: int | None
) -> dict[str, Any]:
    """Ask two models the same.

    Args:
        models: The two.
        data: The rows; where they have labels, figures are compared too.
        kind: What the models are taken for; None = what they are.
        overrides: `key=value` of the groups data and run.
        max_flips: More different answers than these are too many; None = any number will do.

    Returns:
        See `api.compare`.

    Raises:
        UserError: If they are of different kinds, or do not fit the data.
    """
    if is_stdin(data):
        raise UserError("--data -: is read once for each model; give a file")
    first, second = (Predictor.load(model, kind, overrides) for model in models)
    if (ours := first.task.kind) != (theirs := second.task.kind):
        raise UserError(f"{first.model} is a model for {ours}, {second.model} for {theirs}; compare two of one kind")
    said = first.answers(data), second.answers(data)
    flips = first.task.flipped(said[0].answers, said[1].answers)
    if flips is None and max_flips is not None:
        raise UserError(f"--max-flips {max_flips}: answers of {ours} are scores, which always differ; leave it out")
    found: dict[str, Any] = {"rows": len(said[0].answers)}
    if flips is None:
        found["largest_difference"] = float(np.abs(np.subtract(said[0].answers, said[1].answers)).max())
    else:
        found |= {"flips": len(flips), "agreement": 1 - len(flips) / found["rows"]}
    found |= {} if max_flips is None else {"passed": found["flips"] <= max_flips}
    found |= {
        name: {"model": one.model, **answers.figures}
        for name, one, answers in zip(("first", "second"), (first, second), said, strict=True)
    }
    found |= _tested(first.task, *said)
    return found | {"flipped": [_flip(*said, row) for row in flips or ()]}


def _tested(task: Task, first: Answers, second: Answers) -> dict[str, Any]:
    """How much better the second is, and whether that can be chance, where there are labels."""
    if first.gold is None:
        return {}
    test = task.compared(first.gold, first.answers, second.answers, np.random.default_rng(_SEED))
    return {
        "second_minus_first": {**test.difference._asdict(), "p_value": test.p_value},
        "differ": test.p_value < LEVEL,
    }


def _flip(first: Answers, second: Answers, number: int) -> dict[str, Any]:
    example = first.examples[number]
    told = {"row": example.row, "text": example.text} | ({} if example.pair is None else {"pair": example.pair})
    told |= {"first": first.answers[number], "second": second.answers[number]}
    return told | ({} if first.gold is None else {"gold": first.gold[number]})
