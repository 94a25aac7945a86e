"""The Python face of each command: the same names and arguments; files may also be data in memory."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from os import PathLike
from pathlib import Path
from typing import Any

from tinybert import augmentation, launch, plan, predictor
from tinybert.config import preset_names
from tinybert.errors import UserError
from tinybert.export.onnx import export as export_model
from tinybert.recipes import RECIPES
from tinybert.report.render import render
from tinybert.types import Kind

StrPath = str | PathLike[str]


def distill(
    recipe: str,
    *,
    train: Any,
    output: StrPath,
    teacher: StrPath | None = None,
    dev: Any = None,
    test: Any = None,
    source: Any = None,
    unlabeled: Any = None,
    student: StrPath | None = None,
    mlm: StrPath | None = None,
    vectors: StrPath | None = None,
    kind: Kind | None = None,
    config: StrPath | None = None,
    set: Sequence[str] = (),
    seed: int | None = None,
    seeds: int | None = None,
    device: str | None = None,
    dry_run: bool = False,
    restart: bool = False,
    restart_from: str | None = None,
    **settings: Any,
) -> dict[str, Any]:
    """Make a small model out of a big one.

    Args:
        recipe: See `recipes()`.
        train: Labelled texts, for `general` plain text: a file, a list of dicts, a pandas frame or a
            `datasets.Dataset`.
        output: The run folder; the same call again continues an unfinished run.
        teacher: A folder or a hub name.
        dev: Texts that decide which weights are kept; a tenth of `train` without it.
        test: Texts for the final figures.
        source: Labelled texts of another domain.
        unlabeled: Texts without labels.
        student: A checkpoint, or layers x width such as `4x312`.
        mlm: A masked LM, for augmenters.
        vectors: Word vectors, for augmenters.
        kind: Of the task; by its labels without it.
        config: A preset's name or a YAML file.
        set: `key=value` strings, as behind `--set`.
        seed: Root of all random streams.
        seeds: How many runs, with seeds 1 to K.
        device: Where networks run; the best there is without it.
        dry_run: Check everything, train nothing, return the plan.
        restart: Forget what the folder has.
        restart_from: Redo this stage and what follows.
        settings: Groups of settings, such as `prediction={"epochs": 5}` or `**{"prediction.epochs": 5}`.

    Returns:
        What `metrics.json` says.

    Raises:
        UserError: If something about the input is wrong; one line per problem.
        ResourceError: If disk or memory run out.
    """
    flags = {
        "train": train, "dev": dev, "test": test, "source": source, "unlabeled": unlabeled, "output": output,
        "teacher": teacher, "student": student, "mlm": mlm, "vectors": vectors, "kind": kind,
        "seed": seed, "seeds": seeds, "device": device,
    }  # fmt: skip
    request = launch.request_for(recipe, flags=flags, config=config, settings=settings, overrides=set)
    if restart and restart_from is not None:
        raise UserError("--restart begins all anew, --restart-from one stage and what follows; give one of them")
    if dry_run:
        return plan.plan(request)
    return launch.launch(request, restart=restart, restart_from=restart_from)


def augment(
    method: str,
    *,
    train: Any,
    output: StrPath,
    mlm: StrPath | None = None,
    vectors: StrPath | None = None,
    teacher: StrPath | None = None,
    unlabeled: Any = None,
    kind: Kind | None = None,
    copies: int | None = None,
    seed: int | None = None,
    config: StrPath | None = None,
    set: Sequence[str] = (),
    restart: bool = False,
    **settings: Any,
) -> dict[str, Any]:
    """Rewrite labelled data: originals and copies of them into one file.

    Args:
        method: `bert_glove`, `eda`, `cbert`, `tang` or `stationary`.
        train: Labelled data of any kind of task: a file, a list of dicts, a pandas frame or a `datasets.Dataset`.
        output: The file; the same call again continues, or finds it finished.
        mlm: A masked LM: a folder, a hub name, or `minilm-mlm`.
        vectors: Word vectors as text, .gz or .zip.
        teacher: A classifier that says which copies it takes for another class.
        unlabeled: Texts without labels, for `augment.adapt`.
        kind: Of the task; by the file and its labels without it.
        copies: Of each row; as many as the method's paper makes without it.
        seed: Root of all random streams.
        config: A preset's name or a YAML file.
        set: `key=value` strings, as behind `--set`.
        restart: Begin anew, and replace what was finished.
        settings: Groups of settings, such as `augment={"probability": 0.2}`.

    Returns:
        `output`, `written` (rows), and the figures of the quality report: `rows`, `words_changed`, `distance`, `flips`,
        `distinct`, `samples`.

    Raises:
        UserError: If something about the input is wrong; one line per problem.
        ResourceError: If disk or memory run out.
    """
    flags = {
        "train": train, "output": output, "mlm": mlm, "vectors": vectors, "teacher": teacher, "unlabeled": unlabeled,
        "kind": kind, "copies": copies, "seed": seed,
    }  # fmt: skip
    request = augmentation.order(method, flags=flags, config=config, settings=settings, overrides=set)
    return augmentation.augment(request, restart=restart)


def evaluate(model: StrPath, *, data: Any, kind: Kind | None = None, set: Sequence[str] = ()) -> dict[str, Any]:
    """Measure a model on labelled data.

    Args:
        model: A run folder, its `student` or `export`, or any classifier's folder or hub name.
        data: Labelled texts.
        kind: Of the task; the model's own without it.
        set: `key=value` strings for the groups `data` and `run`.

    Returns:
        The metrics by name, and `rows`.

    Raises:
        UserError: If model and data do not fit.
    """
    return predictor.Predictor.load(model, kind, set).evaluate(data)


def predict(
    model: StrPath, *, data: Any, kind: Kind | None = None, set: Sequence[str] = ()
) -> Iterator[dict[str, Any]]:
    """What a model says about texts, row by row.

    Args:
        model: As for `evaluate`.
        data: Texts; `-` is standard input.
        kind: Of the task; the model's own without it.
        set: `key=value` strings for the groups `data` and `run`.

    Yields:
        `{"row": 1, "label": ..., "scores": {...}}`; for a regression `{"row": 1, "score": ...}`.

    Raises:
        UserError: If model and data do not fit.
    """
    return predictor.Predictor.load(model, kind, set).predict(data)


def export(model: StrPath, *, output: StrPath, int8: bool = False) -> dict[str, Any]:
    """Write a model as ONNX, with tokenizer and configuration.

    Args:
        model: A run folder, its `student`, or any classifier's folder or hub name.
        output: Folder for the files.
        int8: Write the int8 form too.

    Returns:
        Sizes, and how far ONNX differs from the original.

    Raises:
        UserError: If the model cannot be exported.
    """
    return asdict(export_model(predictor.folder_of_student(model), Path(output), int8=int8))


def report(runs: Sequence[StrPath], *, output: StrPath) -> Path:
    """Compare finished runs in one HTML file.

    Args:
        runs: Run folders.
        output: The file.

    Raises:
        UserError: If a folder holds no run.
    """
    render([Path(run) for run in runs], Path(output))
    return Path(output)


def recipes() -> list[dict[str, Any]]:
    """What there is: name, summary, citation and presets of every recipe."""
    return [
        {"name": name, "summary": recipe.summary, "citation": recipe.citation, "presets": list(preset_names(name))}
        for name, recipe in RECIPES.items()
    ]


def demo(*, output: StrPath = "tinybert-demo") -> dict[str, Any]:
    """The whole job on data that come with the package, offline.

    Args:
        output: The run folder.

    Raises:
        UserError: If the extra `demo` is not installed.
    """
    from tinybert.demo import demonstrate

    return demonstrate(Path(output))
