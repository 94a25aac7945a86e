"""From arguments to a run: settings, data, tokenizer, folder; then the recipe; then the finish.

`api` and everything else that starts runs comes through here.
"""

import os
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedTokenizerFast

from tinybert import files
from tinybert.config import dump_yaml, resolve
from tinybert.data.encode import encode
from tinybert.data.encoded import EncodedRows
from tinybert.data.examples import Examples
from tinybert.data.task import load
from tinybert.errors import UserError
from tinybert.log import Log
from tinybert.models.heads import has_task_head, is_regression
from tinybert.models.loading import load_config, load_tokenizer
from tinybert.models.student import is_shape
from tinybert.recipes import RECIPES, Recipe
from tinybert.report.aggregate import aggregate
from tinybert.report.render import render
from tinybert.run import Run, choose_device, forget_stages, locked
from tinybert.stages.finish import About, environment, finish
from tinybert.stages.flags import IN_MEMORY, Flags
from tinybert.stages.job import Job
from tinybert.types import keyed

FILES = ("train", "dev", "test", "source", "unlabeled")


@dataclass(frozen=True)
class Order:
    """What was asked for, checked.

    Attributes:
        recipe: Name of the recipe.
        settings: Its settings, flags included.
        preset: The preset they were laid over.
        data: By role: a path, or what Python handed over.
    """

    recipe: str
    settings: Any
    preset: str
    data: Mapping[str, Any]

    @property
    def what(self) -> Recipe:
        """The recipe itself."""
        return RECIPES[self.recipe]

    @property
    def folder(self) -> Path:
        """The run folder."""
        return Path(self.settings.output)

    def seeded(self, seed: int) -> "Order":
        """One run of several."""
        output = str(self.folder / f"seed-{seed}")
        return replace(self, settings=replace(self.settings, seed=seed, seeds=None, output=output))


def order(
    recipe: str, *, flags: Mapping[str, Any], config: Any, settings: Mapping[str, Any], overrides: Sequence[str]
) -> Order:
    """Check what was asked for.

    Args:
        recipe: Its name.
        flags: By name; None where not given. Data may be objects instead of paths.
        config: A preset's name or a YAML file.
        settings: Keywords of the Python face.
        overrides: `key=value`, as behind `--set`.

    Raises:
        UserError: One line per problem.
    """
    if recipe not in RECIPES:
        raise UserError(f"there is no recipe {recipe!r}; there are {', '.join(RECIPES)}")
    in_memory = {name: flags[name] for name in FILES if not isinstance(flags.get(name), str | os.PathLike | None)}
    plain = {name: IN_MEMORY if name in in_memory else _plain(value) for name, value in flags.items()}
    resolved = resolve(
        RECIPES[recipe].config, recipe, config=config, flags=plain, settings=settings, overrides=overrides
    )
    found = resolved.settings
    data = {name: in_memory.get(name, getattr(found, name)) for name in FILES}
    checked = Order(recipe, found, resolved.preset, data)
    _check(checked)
    return checked


def launch(asked: Order, *, restart: bool = False, restart_from: str | None = None) -> dict[str, Any]:
    """Carry out an order: one run, or one per seed and their summary; returns what `metrics.json` says."""
    if asked.settings.seeds is None:
        return _one_run(asked, restart, restart_from, asked.folder / "cache")
    orders = [asked.seeded(seed) for seed in range(1, asked.settings.seeds + 1)]
    with locked(asked.folder):
        for one in orders:
            _one_run(one, restart, restart_from, asked.folder / "cache", keep_cache=one is not orders[-1])
        folders = [one.folder for one in orders]
        summary = aggregate(folders)
        files.write_json(asked.folder / "metrics.json", summary)
        render(folders, asked.folder / "report.html")
    return summary


def _one_run(
    asked: Order, restart: bool, restart_from: str | None, cache: Path, *, keep_cache: bool = False
) -> dict[str, Any]:
    with locked(asked.folder):
        if restart or restart_from:
            forget_stages(asked.folder, restart_from)
        run = start(asked, cache)
        with run.listening():
            job = read(asked, run)
            outcome = asked.what.distill(job, asked.settings, run)
            about = About(asked.recipe, asked.what.citation, asked.preset, asked.settings.teacher.path)
            metrics = finish(job, outcome, about, run)
        if not keep_cache:
            shutil.rmtree(cache, ignore_errors=True)
        if run.settings.keep == "student":
            shutil.rmtree(asked.folder / "stages")
            shutil.rmtree(asked.folder / "teacher", ignore_errors=True)
        run.log.say(f"done: {asked.folder / 'report.html'}")
    return metrics


def start(asked: Order, cache: Path | None = None) -> Run:
    """The run of an order: device, threads and determinism set, settings and machine noted in its folder."""
    settings = asked.settings
    if settings.run.threads is not None:
        torch.set_num_threads(settings.run.threads)
    if settings.run.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS repeats itself only with this
        torch.use_deterministic_algorithms(True)
    board = asked.folder / "tensorboard" if settings.run.tensorboard else None
    log = Log(asked.folder / "metrics.jsonl", board=board)
    config = {key: value for key, value in keyed("", settings).items() if not key.startswith("run.")}
    run = Run(asked.folder, settings.seed, settings.run, choose_device(settings.device), log, config, cache)
    log.say(f"{asked.recipe}, preset {asked.preset}, seed {settings.seed}, on {run.device}, in {asked.folder}")
    files.write_text(
        asked.folder / "config.yaml", dump_yaml({"preset": asked.preset, **_portable(settings, asked.folder)})
    )
    files.write_json(asked.folder / "environment.json", environment(run))
    return run


def read(asked: Order, run: Run) -> Job:
    """Read, check and encode the data."""
    settings = asked.settings
    origin = vocabulary_of(settings)
    splits = load(
        asked.data["train"],
        asked.data["dev"],
        asked.data["test"],
        settings.data,
        kind=settings.kind,
        head_classes=teacher_classes(asked),
        rng=lambda name: run.rng("data", name),
        rejected_to=run.folder / "rejected.jsonl",
    )
    for note in splits.notes:
        run.log.say(f"data: {note}")
    tokenizer = load_tokenizer(origin)
    longest = settings.data.max_length
    train, dev = (_encoded(part, tokenizer, longest, run) for part in (splits.train, splits.dev))
    test = None if splits.test is None else _encoded(splits.test, tokenizer, longest, run)
    return Job(splits, train, dev, test, tokenizer, longest)


def teacher_classes(asked: Order) -> tuple[str, ...] | None:
    """The classes of the teacher's head in order, placeholders such as LABEL_0 too; None where it has no say."""
    path = asked.settings.teacher.path
    if not asked.what.needs_teacher or not has_task_head(path):
        return None
    config = load_config(path)
    return None if is_regression(config) else tuple(config.id2label[number] for number in range(config.num_labels))


def vocabulary_of(settings: Any) -> str:
    """The checkpoint whose tokenizer encodes the data: the teacher, or the student where there is no teacher."""
    return str(settings.teacher.path or settings.student.path)


def _encoded(examples: Examples, tokenizer: PreTrainedTokenizerFast, max_length: int, run: Run) -> EncodedRows:
    """Encoded rows, found by content or made."""
    vocabulary = files.sha256_json(tokenizer.get_vocab())
    key = files.sha256_json([examples.digest(), vocabulary, max_length])[:24]
    target = run.folder / "stages" / "data" / f"{key}.arrow"
    if target.exists():
        return EncodedRows.open(target)
    started = time.monotonic()
    rows = encode(examples, tokenizer, max_length, target)
    run.log.say(
        f"data: {len(rows)} rows encoded in {time.monotonic() - started:.1f} s, "
        f"{rows.truncated} of them cut at {max_length} pieces"
    )
    return rows


def _check(asked: Order) -> None:
    """What the schema cannot know: which flags this recipe needs and uses."""
    settings, problems = asked.settings, []
    for name in ("train", "output"):
        if getattr(settings, name) is None:
            problems.append(f"--{name} is missing")
    if asked.what.needs_teacher and settings.teacher.path is None:
        problems.append(f"--teacher is missing: the recipe {asked.recipe} needs one")
    if settings.teacher.path is None and is_shape(settings.student.path):
        problems.append(f"--student {settings.student.path} is a shape; --teacher says what it is cut out of")
    if problems:
        raise UserError(*dict.fromkeys(problems))
    settings.refuse_unused(asked.recipe, asked.what.uses)


def _plain(value: Any) -> Any:
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def _portable(settings: Flags, folder: Path) -> dict[str, Any]:
    """Settings with paths relative to the run folder, so that it can move together with its data."""
    from tinybert.types import as_dict

    found = as_dict(settings)
    found.pop("output")
    for name in FILES:
        found[name] = _relative(found[name], folder)
    for group in ("teacher", "student"):
        found[group]["path"] = _relative(found[group]["path"], folder)
    return found


def _relative(path: str | None, folder: Path) -> str | None:
    return os.path.relpath(path, folder) if path is not None and Path(path).exists() else path
