"""What a cell of a table says, in Markdown and in HTML alike."""

import shlex
from typing import NamedTuple

from tinybert.experiments.results import Column
from tinybert.experiments.spec import Experiment
from tinybert.report import words
from tinybert.report.figures import spread

EXPLAINED = (
    "Mean over seeds, ± standard deviation, 95 % interval of the mean (Student's t). Minus the best: the difference of "
    "the first figure with its interval and p-value over seeds and test rows (bootstrap and approximate randomisation, "
    "Holm's correction over the rows of a table). Bold: better than the second by more than chance; = marks rows that "
    "cannot be told from the best."
)


class Figure(NamedTuple):
    """A mean, its deviation and interval, whether it is the best, and whether it cannot be told from the best."""

    text: str
    spread: str
    bold: bool
    tied: bool


def figure(column: Column, label: str, metric: str) -> Figure:
    """A row's figure with its spread, bold or marked as tied where it is the first of its data set."""
    cell = spread(metric, [*column.outcomes[label].figures[metric].values()])
    decides = metric == column.metrics[0] and len(column.outcomes) > 1
    bold, tied = decides and label == column.best and column.separated, decides and column.tied(label)
    return Figure(cell.text, f" {cell.details[0]} ({cell.details[1]})" if cell.details else "", bold, tied)


def minus_the_best(column: Column, label: str) -> str:
    """The difference to the best with its interval and p-value."""
    if (against := column.against.get(label)) is None:
        return ""
    metric, difference = column.metrics[0], against.test.difference
    span = words.span(metric, difference.low, difference.high)
    return f"{words.gap(metric, difference.estimate)} ({span}), {words.probability(against.adjusted)}"


def paper_figures(experiment: Experiment, label: str, data: str) -> str:
    """What the paper prints for a row."""
    values = zip(experiment.data[data].metrics, experiment.rows[label].printed.get(data, ()), strict=False)
    return " / ".join(words.score(metric, value) for metric, value in values)


def how_to_run(experiment: Experiment, data: str) -> str:
    """The command that fills the cells of a data set."""
    given = ["tinybert", "reproduce", experiment.called, "--only", data, "--budget", experiment.budget_name]
    return f"{shlex.join(given)} --seeds {experiment.budget.seeds} --data DIR --output DIR"
