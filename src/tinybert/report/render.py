"""One HTML page out of run folders: no scripts, nothing fetched, everything from the runs escaped."""

from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from tinybert.errors import UserError
from tinybert.files import write_text
from tinybert.report import charts, facts, figures, words
from tinybert.report.augmentation import augmentation
from tinybert.report.compare import compare
from tinybert.report.read import RunFiles, expand, read_run
from tinybert.report.selection import selection
from tinybert.report.slices import slices
from tinybert.statistics import PairedTest

_MOST_DETAILED = 12  # runs shown in full; of more only the comparison, so that the page stays below a megabyte
_FIRST = b"<!doctype html>"
_PAIRS = (("teacher", "student"), ("teacher", "student_int8"), ("student", "student_int8"))


def check_target(output: Path) -> None:
    """Refuse to replace anything but an earlier report.

    Raises:
        UserError: If the file is something else.
    """
    if output.is_dir():
        raise UserError(f"--output {output}: is a folder; a report is one HTML file")
    if output.exists():
        with output.open("rb") as stream:
            if stream.read(len(_FIRST)).lower() != _FIRST:
                raise UserError(f"--output {output}: is there, and is no report; take another name")


def render(runs: Sequence[Path], output: Path, by: str | None = None) -> None:
    """Write the report of one run, or of several beside each other.

    Args:
        runs: Run folders; a folder that `--seeds` made stands for its seeds.
        output: The HTML file, written atomically.
        by: A column of the file that rows are from, by which they are shown too; None = none.

    Raises:
        UserError: If a folder holds no run; or there is no such column.
        ValueError: If no folder is given.
    """
    if not runs:
        raise ValueError("nothing to report: no run folders")
    found = [read_run(folder) for folder in expand(runs)]
    several = len(found) > 1
    page = {"comparison": compare(found) if several else None, "left_out": max(0, len(found) - _MOST_DETAILED)}
    views = [_view(run, by) for run in found[:_MOST_DETAILED]]
    write_text(output, environment().get_template("page.html.j2").render(views=views, **page))


def _view(run: RunFiles, by: str | None) -> dict[str, Any]:
    """What the template shows of one run."""
    rows = run.predictions
    return {
        "run": run,
        "model_file": figures.model_file(run),
        "latency": figures.latency_cost(run, run.quoted_length),
        "share_kept": figures.share_kept(run),
        "blocks": figures.table(run),
        "tests": _tests(run),
        "slices": None if by is None else slices(run, by),
        "stages": _stages(run),
        "per_label": facts.per_label(run),
        "confusion": facts.confusion(run),
        "scatters": charts.scatters(rows) if rows is not None and rows.classes is None else None,
        "mistakes": [] if rows is None else rows.mistakes,
        "scored": rows is not None and rows.classes is None,
        "entities": facts.figures_by(run, "entities"),
        "questions": facts.figures_by(run, "questions"),
        "flipped": run.part("export").get("int8_flipped") or [],
        "sentences": run.part("sentences").get("student") or [],
        "augmentation": augmentation(run),
        "selection": selection(run),
        "lists": facts.lists(run),
    }


def _tests(run: RunFiles) -> list[tuple[str, str, PairedTest]]:
    """Student and its int8 twin, each against the teacher, and against each other."""
    if (rows := run.predictions) is None:
        return []
    pairs = [(first, second) for first, second in _PAIRS if {first, second} <= set(rows.predicted)]
    return [(first, second, rows.compare(rows.predicted[first], rows.predicted[second])) for first, second in pairs]


def _stages(run: RunFiles) -> list[tuple[str, list[charts.Chart]]]:
    """By stage, its loss and dev curves."""
    drawn = [
        (words.readable(stage.name), [charts.loss_chart(stage), charts.dev_chart(stage, run.main_metric or "dev")])
        for stage in run.stages
    ]
    kept = [(name, [chart for chart in pair if chart is not None]) for name, pair in drawn]
    return [(name, pair) for name, pair in kept if pair]


@cache  # compiling the templates takes a second
def environment(package: str = "tinybert.report") -> Environment:
    """Of the templates of a package, and of those here, which it may use."""
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package), PackageLoader("tinybert.report")]),
        autoescape=True,  # class names, texts and settings are the user's and may hold markup
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"words": words, "names": words.SYSTEM_NAMES, "version": version("tinybert")}
    return environment
