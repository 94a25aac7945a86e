"""Tables of experiments: Markdown, CSV, the page, and on the terminal while they grow."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from rich.table import Table

from tinybert.experiments.page import write_page
from tinybert.experiments.results import Column, Outcome, Pair, all_pairs, columns
from tinybert.experiments.runs import Cell
from tinybert.experiments.spec import Experiment
from tinybert.experiments.wording import EXPLAINED, Figure, figure, how_to_run, minus_the_best, paper_figures
from tinybert.files import write_text
from tinybert.report import words


def render(name: str, experiments: Sequence[Experiment], cells: Mapping[str, Sequence[Cell]], root: Path) -> list[str]:
    """Write the tables, and a page of all of them under a name; returns the names of the files.

    Raises:
        UserError: If a table's runs were made by different code.
    """
    tables = [(one, columns(one, cells[one.name])) for one in experiments]
    for one, found in tables:
        write_text(root / f"{one.name}.md", markdown(one, found))
        write_text(root / f"{one.name}.csv", as_csv(one, found))
        write_text(root / f"{one.name}-pairs.csv", pairs_as_csv(found))
    write_page(tables, root, f"{name}.html")
    return [f"{name}.html", *(f"{one.name}{ending}" for one in experiments for ending in (".md", ".csv", "-pairs.csv"))]


def markdown(experiment: Experiment, found: Mapping[str, Column]) -> str:
    """A section with a table for each data set."""
    budget = experiment.budget
    lines = [f"# {experiment.name}: {experiment.layout.title}", "", *_paper(experiment), ""]
    lines += [f"Budget {experiment.budget_name}, seeds 1 to {budget.seeds}. {EXPLAINED}", ""]
    for data, column in found.items():
        lines += [f"## {experiment.title_of(data)}", "", *_table(experiment, data, column), ""]
    return "\n".join(lines)


def _paper(experiment: Experiment) -> Iterator[str]:
    if experiment.paper:
        yield f"After {experiment.paper}. The paper's figures are those of another teacher and other data."


def _table(experiment: Experiment, data: str, column: Column) -> Iterator[str]:
    names = [words.metric_name(metric) for metric in column.metrics]
    printed = any(data in row.printed for row in experiment.rows.values())
    header = ["system", "parameters", *names, "minus the best", "seeds", *(["paper: size", "paper"] if printed else [])]
    yield f"| {' | '.join(header)} |"
    yield "|---" * len(header) + "|"
    for label, row in experiment.rows.items():
        if data in row.without:
            continue
        cells = [
            label,
            *_measured(column, label),
            *([row.size or "", paper_figures(experiment, label, data)] * printed),
        ]
        yield f"| {' | '.join(map(_plain, cells))} |"


def _plain(cell: str) -> str:
    """A cell whose text is no markup."""
    return cell.replace("|", "\\|").replace("<", "&lt;")


def _measured(column: Column, label: str) -> list[str]:
    outcome = column.outcomes.get(label)
    if outcome is None or not outcome.runs:
        failed = outcome is not None and bool(outcome.failed)
        return ["", "failed" if failed else "not run", *[""] * (len(column.metrics) + 1)]
    parameters = words.millions(outcome.costs["parameters"]) if "parameters" in outcome.costs else ""
    figures = [_marked(figure(column, label, metric)) for metric in column.metrics]
    lost = f", {len(outcome.failed)} failed" if outcome.failed else ""
    return [parameters, *figures, minus_the_best(column, label), f"{len(outcome.runs)}{lost}"]


def _marked(shown: Figure) -> str:
    stars = "**" * shown.bold
    return f"{stars}{shown.text}{stars}{shown.spread}{' =' * shown.tied}"


_NAMES: Final = (
    "data", "row", "metric", "mean", "deviation", "low", "high", "seeds", "values", "paper", "best", "difference",
    "difference_low", "difference_high", "p_bootstrap", "p_swaps", "p_holm", "tied", "parameters", "bytes",
    "milliseconds", "failed", "command",
)  # fmt: skip
_PAIR_NAMES: Final = ("data", "row", "minus", *_NAMES[11:18])


def as_csv(experiment: Experiment, found: Mapping[str, Column]) -> str:
    """One line for each row, data set and metric."""
    return _csv(_NAMES, (line for data, column in found.items() for line in _lines(experiment, data, column)))


def pairs_as_csv(found: Mapping[str, Column]) -> str:
    """One line for every two rows of a data set: the difference of the first metric, tested."""
    pairs = ((data, pair) for data, column in found.items() for pair in all_pairs(column))
    return _csv(_PAIR_NAMES, ({"data": data, "row": p.second, "minus": p.first, **_difference(p)} for data, p in pairs))


def _csv(names: Sequence[str], lines: Iterable[Mapping[str, Any]]) -> str:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, names, lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows(lines)
    return stream.getvalue()


def _lines(experiment: Experiment, data: str, column: Column) -> Iterator[dict[str, Any]]:
    for label, row in experiment.rows.items():
        if data in row.without:
            continue
        outcome = column.outcomes.get(label)
        for number, metric in enumerate(column.metrics):
            printed = row.printed.get(data, ())
            line: dict[str, Any] = {"data": data, "row": label, "metric": metric}
            line |= {"paper": printed[number]} if number < len(printed) else {}
            line |= {"command": how_to_run(experiment, data)} if outcome is None else _figures(outcome, metric)
            yield line | (_tested(column, label) if number == 0 and outcome is not None else {})


def _figures(outcome: Outcome, metric: str) -> dict[str, Any]:
    values, interval = outcome.figures[metric], outcome.interval(metric)
    bounds = {} if interval is None else {"low": interval.low, "high": interval.high}
    spread = {"mean": outcome.mean(metric), "deviation": outcome.deviation(metric), **bounds, "seeds": len(values)}
    known = {name: value for name, value in spread.items() if value is not None}
    by_seed = " ".join(f"{seed}:{value:.6g}" for seed, value in values.items())
    ended = {"values": by_seed, "failed": "; ".join(outcome.failed), "command": "\n".join(outcome.commands)}
    return {**known, **outcome.costs, **ended}


def _tested(column: Column, label: str) -> dict[str, Any]:
    if column.best is None:
        return {}
    pair = column.against.get(label)
    return {"best": column.best, **({} if pair is None else _difference(pair)), "tied": _word(column.tied(label))}


def _difference(pair: Pair) -> dict[str, Any]:
    difference, test = pair.test.difference, pair.test
    figures = {"difference": difference.estimate, "difference_low": difference.low, "difference_high": difference.high}
    p_values = {"p_bootstrap": test.by_bootstrap, "p_swaps": test.by_swaps, "p_holm": pair.adjusted}
    return {**figures, **p_values, "tied": _word(pair.tied)}


def _word(truth: bool) -> str:
    return str(truth).lower()


def so_far(experiment: Experiment, found: Mapping[str, Column]) -> Table:
    """The means so far, for a terminal."""
    table = Table(title=f"{experiment.name}, so far", title_justify="left")
    table.add_column("")
    for data, column in found.items():
        table.add_column(f"{experiment.title_of(data)}\n{words.metric_name(column.metrics[0])}", justify="right")
    for label in experiment.rows:
        table.add_row(label, *(_brief(column, label) for column in found.values()))
    return table


def _brief(column: Column, label: str) -> str:
    outcome = column.outcomes.get(label)
    if outcome is None or (mean := outcome.mean(column.metrics[0])) is None:
        return "failed" if outcome is not None and outcome.failed else ""
    return f"{words.score(column.metrics[0], mean)} ({len(outcome.runs)})"
