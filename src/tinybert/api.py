"""The Python face of each command, and the only list of its arguments: `cli` makes its flags of these signatures.

Wherever a command takes a file of rows, Python also takes a list of dicts, a pandas frame or a `datasets.Dataset`.
Nothing heavy is imported before a command is called: `--help` reads this module.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tinybert.experiments.spec import BudgetName
    from tinybert.recipes import Recipe
    from tinybert.types import Kind

StrPath = str | PathLike[str]


def distill(
    recipe: "str | Recipe",
    *,
    train: Any = None,
    dev: Any = None,
    test: Any = None,
    source: Any = None,
    unlabeled: Any = None,
    teacher_scores: Any = None,
    kind: "Kind | None" = None,
    teacher: StrPath | None = None,
    student: StrPath | None = None,
    max_mb: float | None = None,
    max_ms: float | None = None,
    at: int | None = None,
    mlm: StrPath | None = None,
    vectors: StrPath | None = None,
    output: StrPath | None = None,
    config: StrPath | None = None,
    set: Sequence[str] = (),
    seed: int | None = None,
    seeds: int | None = None,
    max_minutes: float | None = None,
    device: str | None = None,
    dry_run: bool = False,
    restart: bool = False,
    restart_from: str | None = None,
    **settings: Any,
) -> dict[str, Any]:
    """From a teacher and labelled text to a small student; the same command again continues.

    Args:
        recipe: Which paper's procedure; `tinybert recipes` lists them.
        train: Labelled text: .tsv .csv .jsonl .parquet or hf:NAME; or plain text (general, distilbert, minilm).
        dev: Chooses the best model; a tenth of --train without it.
        test: For the final figures, or for predictions.
        source: Labelled text of another domain.
        unlabeled: Text without labels, learnt by the teacher's answers; without --train the teacher needs a head.
        teacher_scores: What a teacher says of each row of --train, a column a class: the teacher is this file.
        kind: classification, regression, multi-label, token-classification or question-answering; else found out.
        teacher: Folder or hub name; fine-tuned first if it has no head.
        student: A checkpoint, or layers x width such as 4x312.
        max_mb: Instead of --student: the largest whose int8 file has so many MB at most ...
        max_ms: ... and takes so many milliseconds for a text, on one thread of this machine.
        at: Pieces of that text; 64 without it.
        mlm: Masked language model for augmentation.
        vectors: Word vectors as text, .gz or .zip.
        output: Where the run lives.
        config: A preset (small, paper) or a YAML file over one.
        set: One setting, e.g. prediction.lr=3e-5; repeatable.
        seed: Where all randomness starts; 0 without it.
        seeds: Run so many times and give mean and interval.
        max_minutes: End trainings early enough to be done after so many minutes.
        device: cpu, cuda, mps ...; the best there is without it.
        dry_run: Check everything and print the plan.
        restart: Begin anew instead of continuing.
        restart_from: Redo this stage and those after it.
        settings: Groups of settings, such as `prediction={"epochs": 5}` or `**{"prediction.epochs": 5}`.

    Returns:
        What `metrics.json` says.

    Raises:
        UserError: If something about the input is wrong; one line per problem.
        ResourceError: If disk or memory run out.
    """
    flags = _flags(locals(), "recipe", "dry_run", "restart_from")
    from tinybert import launch, plan
    from tinybert.errors import UserError
    from tinybert.request import request_for

    request = request_for(recipe, flags=flags, config=config, settings=settings, overrides=_told(set))
    if restart and restart_from is not None:
        raise UserError("--restart begins all anew, --restart-from one stage and what follows; give one of them")
    if dry_run:
        return plan.plan(request)
    return launch.launch(request, restart=restart, restart_from=restart_from)


def augment(
    method: str,
    *,
    train: Any = None,
    output: StrPath | None = None,
    mlm: StrPath | None = None,
    vectors: StrPath | None = None,
    teacher: StrPath | None = None,
    unlabeled: Any = None,
    kind: "Kind | None" = None,
    copies: int | None = None,
    seed: int | None = None,
    config: StrPath | None = None,
    set: Sequence[str] = (),
    restart: bool = False,
    **settings: Any,
) -> dict[str, Any]:
    """Rewrite labelled text: originals and copies into one file; the same command again continues.

    Args:
        method: bert_glove, eda, cbert, tang or stationary.
        train: Labelled text of any kind of task: .tsv .csv .jsonl .parquet or hf:NAME.
        output: Originals and copies go here.
        mlm: Masked language model: a folder, a hub name, or minilm-mlm.
        vectors: Word vectors as text, .gz or .zip.
        teacher: A classifier; says which copies change their class.
        unlabeled: Text without labels, for augment.adapt.
        kind: classification, regression, multi-label, token-classification or question-answering; else found out.
        copies: Of each row; 20 without it.
        seed: Where all randomness starts; 0 without it.
        config: A preset (small, paper) or a YAML file over one.
        set: One setting, e.g. augment.probability=.2; repeatable.
        restart: Begin anew, and replace what was finished.
        settings: Groups of settings, such as `augment={"probability": 0.2}`.

    Returns:
        `output`, `written` (rows), and the figures of the quality report: `rows`, `words_changed`, `distance`, `flips`,
        `distinct`, `samples`.

    Raises:
        UserError: If something about the input is wrong; one line per problem.
        ResourceError: If disk or memory run out.
    """
    flags = _flags(locals(), "method")
    from tinybert.stages import augment_file

    request = augment_file.request_for(method, flags=flags, config=config, settings=settings, overrides=_told(set))
    return augment_file.augment(request, restart=restart)


def evaluate(model: StrPath, *, data: Any, kind: "Kind | None" = None, set: Sequence[str] = ()) -> dict[str, Any]:
    """Measure a model on labelled text.

    Args:
        model: A run's folder, its student/ or export/, or any model.
        data: The rows.
        kind: classification, regression, multi-label, token-classification or question-answering; else the model's.
        set: One setting of the groups data and run; repeatable.

    Returns:
        The metrics by name, and `rows`.

    Raises:
        UserError: If model and data do not fit.
    """
    from tinybert.predictor import Predictor

    return Predictor.load(model, kind, _told(set)).evaluate(data)


def predict(
    model: StrPath, *, data: Any, kind: "Kind | None" = None, set: Sequence[str] = ()
) -> Iterator[dict[str, Any]]:
    """Label text: one JSON object a row.

    Args:
        model: A run's folder, its student/ or export/, or any model.
        data: The rows; - reads standard input: JSON lines, or one text a line.
        kind: classification, regression, multi-label, token-classification or question-answering; else the model's.
        set: One setting of the groups data and run; repeatable.

    Yields:
        `{"row": 1, "label": ..., "scores": {...}}`; for a regression `{"row": 1, "score": ...}`; with several labels
        `labels`; for words `tokens`, `tags`, `scores` and `offsets`; for questions `id`, `answer`, `score` and others.

    Raises:
        UserError: If model and data do not fit.
    """
    from tinybert.predictor import Predictor

    return Predictor.load(model, kind, _told(set)).predict(data)


def compare(
    first: StrPath,
    second: StrPath,
    *,
    data: Any,
    max_flips: int | None = None,
    kind: "Kind | None" = None,
    set: Sequence[str] = (),
) -> dict[str, Any]:
    """Say row by row where two models differ; exit code 3 where more answers do than are allowed.

    Args:
        first: A run's folder, its student/ or export/, or any model: the one in use, say.
        second: Another, of the same kind of task.
        data: The rows, with labels or without.
        max_flips: So many answers may differ.
        kind: classification, regression, multi-label, token-classification or question-answering; else the models'.
        set: One setting of the groups data and run; repeatable.

    Returns:
        `rows`; `flips` (answers that differ) and `agreement`, or the `largest_difference` of scores; `passed`, where
        `max_flips` was given; the metrics of `first` and `second`, `second_minus_first` with interval and p-value,
        and whether they `differ`, where there are labels; and `flipped`, the rows with both answers.

    Raises:
        UserError: If models and data do not fit.
    """
    from tinybert.comparison import compare

    return compare((first, second), data, kind, _told(set), max_flips)


def export(
    model: StrPath, *, output: StrPath, int8: bool = False, cpu: str | None = None, web: bool = False
) -> dict[str, Any]:
    """Write a model as ONNX with its tokenizer and config.

    Args:
        model: A run's folder, its student/, or any model.
        output: Where the files go.
        int8: Eight-bit weights too: a quarter of the size.
        cpu: avx2, for int8 on processors without VNNI.
        web: A page too, in web/, that runs int8 in the browser.

    Returns:
        Sizes, how far ONNX differs from the original, whether int8 is static (see docs/run-folder.md) or dynamic, and
        the folder of the `page`.

    Raises:
        UserError: If the model cannot be exported.
    """
    from dataclasses import asdict

    from tinybert.export.onnx import export as write
    from tinybert.predictor import folder_of_student
    from tinybert.web.page import write_page

    folder = folder_of_student(model)
    written = asdict(write(folder, Path(output), int8=int8 or web, cpu=cpu))
    return {**written, "page": write_page(folder, Path(output))} if web else written


def report(runs: Sequence[StrPath], *, output: StrPath, by: str | None = None) -> Path:
    """Compare runs in one HTML file.

    Args:
        runs: Folders of finished runs.
        output: One HTML file.
        by: Also show figures of the rows by this column of the data they are from; numbers in quartiles.

    Raises:
        UserError: If a folder holds no run, there is no such column, or `output` is something else than a report.
    """
    from tinybert.report.render import check_target, render

    check_target(Path(output))
    several = [runs] if isinstance(runs, str | PathLike) else runs
    render([Path(run) for run in several], Path(output), by)
    return Path(output)


def reproduce(
    name: str,
    *,
    data: StrPath,
    output: StrPath,
    budget: "BudgetName" = "small",
    seeds: int | None = None,
    only: Sequence[str] = (),
    teacher: StrPath | None = None,
    student: str | None = None,
    mlm: StrPath | None = None,
    set: Sequence[str] = (),
    device: str | None = None,
    parallel: int = 1,
    dry_run: bool = False,
) -> dict[str, Any]:
    """A table or figure of the papers, or of your own file: its missing runs, then statistics, tables and one page.

    Args:
        name: l2a-table1 and others, see docs/experiments.md; all; or a YAML file of your own.
        data: The folder of its data sets.
        output: Where runs and tables go.
        budget: small ends on a laptop; paper has the paper's teacher, student and search.
        seeds: How many; as the budget says without it.
        only: Run the cells of this data set; repeatable.
        teacher: Instead of the budget's.
        student: Instead of the budget's, for rows that name none.
        mlm: Masked language model for augmentation, instead of the budget's.
        set: A setting of every run, e.g. run.threads=1; repeatable.
        device: cpu, cuda, mps ...; the best there is without it.
        parallel: Runs at a time.
        dry_run: Check everything and print runs, minutes and disk.

    Returns:
        `runs` (how many there are) and `tables` (files in output).

    Raises:
        UserError: If something about the input is wrong, or a run failed; one line per problem.
    """
    from tinybert.experiments.reproduce import prepared

    given = {"teacher": teacher, "student": student, "mlm": mlm, "device": device, "seeds": seeds}
    work = prepared(name, budget, given, Path(data), Path(output), _told(set), only, parallel)
    return work.plan(parallel) if dry_run else work.carry_out(parallel)


def recipes() -> list[dict[str, Any]]:
    """What there is, with citation and presets."""
    from tinybert.config import preset_names
    from tinybert.recipes import RECIPES

    return [
        {"name": name, "summary": recipe.summary, "citation": recipe.citation, "presets": list(preset_names(name))}
        for name, recipe in RECIPES.items()
    ]


def demo(*, output: StrPath = "tinybert-demo", dry_run: bool = False) -> dict[str, Any]:
    """The whole job on shipped data, offline, in minutes.

    Args:
        output: Where the run lives.
        dry_run: Check everything and print the plan.

    Raises:
        UserError: If the extra `demo` is not installed.
    """
    from tinybert.demo import demonstrate

    return demonstrate(Path(output), dry_run=dry_run)


def _flags(given: dict[str, Any], *others: str) -> dict[str, Any]:
    """The arguments of a call that are settings under the same name."""
    return {
        name: value for name, value in given.items() if name not in {*others, "config", "set", "settings", "restart"}
    }


def _told(given: Any) -> Sequence[str]:
    """Settings as `key=value`; Python also takes one of them by itself, or a mapping."""
    if isinstance(given, Mapping):
        return [f"{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in given.items()]
    return [given] if isinstance(given, str) else list(given)
