"""One HTML page out of run folders: no scripts, nothing fetched, everything from the runs escaped."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from tinybert.files import write_text
from tinybert.report import charts, facts, figures, judge, summary, words
from tinybert.report.augmentation import Augmentation, augmentation
from tinybert.report.compare import compare
from tinybert.report.predictions import Mistake
from tinybert.report.read import RunFiles, expand, read_run
from tinybert.report.selection import Selection, selection
from tinybert.report.statistics import Interval
from tinybert.report.table import Block, table

_MOST_DETAILED = 12  # runs shown in full; of more only the comparison, so that the page stays below a megabyte


def render(runs: Sequence[Path], output: Path) -> None:
    """Write the report of one run, or of several beside each other.

    Args:
        runs: Run folders; a folder that `--seeds` made stands for its seeds.
        output: The HTML file, written atomically.

    Raises:
        UserError: If a folder holds no run.
        ValueError: If no folder is given.
    """
    if not runs:
        raise ValueError("nothing to report: no run folders")
    views = [RunView(read_run(folder)) for folder in expand(runs)]
    write_text(output, _page(views))


@dataclass(frozen=True)
class RunView:
    """What the template shows of one run; each part is worked out when asked for."""

    run: RunFiles

    @cached_property
    def bounds(self) -> Mapping[str, Interval]:
        """Intervals of the main metric by system."""
        return judge.intervals(self.run)

    @cached_property
    def systems(self) -> list[str]:
        """Systems in the order of the table's columns."""
        return figures.systems(self.run)

    @property
    def headline(self) -> summary.Headline:
        """The sentence on top."""
        return summary.headline(self.run, self.bounds)

    @property
    def cards(self) -> list[summary.Card]:
        """Size, speed and quality as bars."""
        return summary.cards(self.run, self.bounds)

    @property
    def table(self) -> list[Block]:
        """All figures."""
        return table(self.run, self.bounds)

    @property
    def judgements(self) -> list[judge.Judgement]:
        """Paired tests: student and its int8 twin, each against the teacher, and against each other."""
        pairs = (("teacher", "student"), ("teacher", "student_int8"), ("student", "student_int8"))
        return [found for pair in pairs if (found := judge.judge(self.run, *pair)) is not None]

    @property
    def stages(self) -> list[tuple[str, list[charts.Chart]]]:
        """By stage, its loss and dev curves."""
        metric = figures.main_metric(self.run) or "dev"
        drawn = [
            (words.readable(stage.name), [charts.loss_chart(stage), charts.dev_chart(stage, metric)])
            for stage in self.run.stages
        ]
        kept = [(name, [chart for chart in pair if chart is not None]) for name, pair in drawn]
        return [(name, pair) for name, pair in kept if pair]

    @property
    def augmentation(self) -> Augmentation | None:
        """What augmentation did to the texts."""
        return augmentation(self.run)

    @property
    def selection(self) -> Selection | None:
        """What a policy chose among the samples."""
        return selection(self.run)

    @property
    def confusion(self) -> facts.Confusion | None:
        """Which classes are taken for which."""
        return facts.confusion(self.run)

    @property
    def scatters(self) -> list[charts.Scatter]:
        """Gold against predicted scores, for a regression."""
        return charts.scatters(self.run.predictions) if self.run.predictions and self.is_regression else []

    @property
    def mistakes(self) -> Sequence[Mistake]:
        """The student's worst rows."""
        return self.run.predictions.mistakes if self.run.predictions else ()

    @property
    def is_regression(self) -> bool:
        """Whether rows have scores instead of classes."""
        return self.run.predictions is not None and self.run.predictions.kind == "regression"

    @property
    def lists(self) -> list[tuple[str, list[facts.Fact]]]:
        """Two-column lists with their titles."""
        named = [
            ("Run", facts.run_facts(self.run)),
            ("Environment", facts.environment_facts(self.run)),
            ("Data", facts.data_facts(self.run)),
        ]
        return [(title, listed) for title, listed in named if listed]

    @property
    def notes(self) -> list[str]:
        """What the run noted."""
        return facts.notes(self.run)

    @property
    def origin(self) -> list[str]:
        """Recipe, preset and seed."""
        known = {key: self.run.metrics.get(key) for key in ("recipe", "preset", "seed")}
        return [f"{key} {value}" for key, value in known.items() if value is not None]


@cache  # compiling the templates takes a second
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("tinybert.report"),
        autoescape=True,  # class names, texts and settings are the user's and may hold markup
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _page(views: Sequence[RunView]) -> str:
    shared: dict[str, Any] = {"names": words.SYSTEM_NAMES, "quantity": _quantity, "version": version("tinybert")}
    template = _environment().get_template("page.html.j2")
    if len(views) == 1:
        return template.render(view=views[0], comparison=None, views=[], left_out=0, **shared)
    comparison = compare([view.run for view in views], [view.bounds for view in views])
    shown = views[:_MOST_DETAILED]
    return template.render(view=None, comparison=comparison, views=shown, left_out=len(views) - len(shown), **shared)


def _quantity(value: str | float) -> str:
    """A score with three digits, a class name as it is."""
    return words.digits(value) if isinstance(value, float) else value
