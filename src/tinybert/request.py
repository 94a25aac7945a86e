"""What was asked for: a recipe, its settings and data, checked before anything is read."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tinybert import files
from tinybert.augment.validation import unsuitable
from tinybert.config import resolve
from tinybert.errors import UserError
from tinybert.models.student import is_shape
from tinybert.recipes import RECIPES, Recipe
from tinybert.run import Run
from tinybert.stages.budget import choose
from tinybert.stages.common_settings import FILES, split_data
from tinybert.stages.general.settings import general_within


@dataclass(frozen=True)
class Request:
    """What was asked for, checked.

    Attributes:
        recipe: What is to be done.
        settings: Its settings, flags included.
        preset: The preset they were laid over.
        data: By role: a path, or what Python handed over.
        choice: How the student was chosen, see `stages.budget`; None = it was named.
    """

    recipe: Recipe
    settings: Any
    preset: str
    data: Mapping[str, Any]
    choice: Mapping[str, Any] | None = None

    @property
    def tables(self) -> Mapping[str, Any]:
        """The data that is read as rows of a table: unlabelled texts are none where they are only a corpus."""
        groups = self.settings.augmenting()
        corpus = general_within(self.settings) is not None and not (groups is not None and groups.augment.adapts)
        return {**self.data, "unlabeled": None} if corpus else self.data

    @property
    def needs_teacher(self) -> bool:
        """Whether a network is learnt from, and not only gold labels or what a file says."""
        return self.recipe.needs_teacher and self.settings.teacher_scores is None

    @property
    def folder(self) -> Path:
        """The run folder."""
        return Path(self.settings.output)

    def seeded(self, seed: int) -> "Request":
        """One run of several."""
        output = str(self.folder / f"seed-{seed}")
        return replace(self, settings=replace(self.settings, seed=seed, seeds=None, output=output))

    def portable(self) -> Any:
        """Settings with paths relative to the run folder, so that it can move together with its data."""
        settings, folder = self.settings, self.folder
        paths = {name: files.seen_from(folder, getattr(settings, name)) for name in (*FILES, "mlm", "vectors")}
        models = {
            name: replace(group := getattr(settings, name), path=files.seen_from(folder, group.path))
            for name in ("teacher", "student")
        }
        run = replace(settings.run, store=files.seen_from(folder, settings.run.store))
        return replace(settings, output=".", run=run, **paths, **models)


def request_for(
    recipe: str | Recipe,
    *,
    flags: Mapping[str, Any],
    config: Any,
    settings: Mapping[str, Any],
    overrides: Sequence[str],
) -> Request:
    """Check what was asked for.

    Args:
        recipe: The name of one of ours, or one of your own.
        flags: By name; None where not given. Data may be objects instead of paths.
        config: A preset's name or a YAML file.
        settings: Keywords of the Python face.
        overrides: `key=value`, as behind `--set`.

    Raises:
        UserError: One line per problem.
    """
    if isinstance(recipe, str) and recipe not in RECIPES:
        raise UserError(f"there is no recipe {recipe!r}; there are {', '.join(RECIPES)}")
    what = RECIPES[recipe] if isinstance(recipe, str) else recipe
    plain, in_memory = split_data(flags, FILES)
    layers = {"config": config, "settings": settings, "overrides": overrides}
    resolved = resolve(what.config, what.name, flags=plain, default=what.preset, **layers)
    data = {name: in_memory.get(name, getattr(resolved.settings, name)) for name in FILES}
    checked = _without_idle_teacher(Request(what, resolved.settings, resolved.preset, data))
    _check(checked)
    return checked


def with_student(request: Request, job: Any, run: Run, *, anew: bool = False) -> Request:
    """The same for the student that fits its budget, as if that had been named; itself where there is no budget.

    Args:
        request: What was asked for.
        job: What its recipe works on.
        run: See `stages.budget.choose`.
        anew: See there.

    Raises:
        UserError: If none fits.
    """
    settings = request.settings
    if not settings.on_budget:
        return request
    how = {"needs_teacher": request.needs_teacher, "anew": anew}
    choice = choose(job, settings, run, request.folder, **how)
    student = replace(settings.student, path=choice["student"])
    return replace(request, settings=replace(settings, student=student, max_mb=None, max_ms=None), choice=choice)


def _without_idle_teacher(request: Request) -> Request:
    """The same without a teacher that has no say: a checkpoint that is only fine-tuned has a vocabulary of its own."""
    settings = request.settings
    if request.needs_teacher or is_shape(settings.student.path):
        return request
    return replace(request, settings=replace(settings, teacher=replace(settings.teacher, path=None)))


def _check(request: Request) -> None:
    """What the schema cannot know: which flags this recipe needs and uses."""
    settings, problems = request.settings, []
    needs_labels = settings.needs_labels()
    if settings.train is None and (settings.unlabeled is None or needs_labels is not None):
        problems.append("--train is missing" if settings.unlabeled is None else f"--train is missing: {needs_labels}")
    if settings.output is None:
        problems.append("--output is missing")
    if request.needs_teacher and settings.teacher.path is None:
        problems.append(f"--teacher is missing: the recipe {request.recipe.name} needs one")
    if settings.teacher.path is None and settings.student.out_of_teacher and is_shape(settings.student.path):
        problems.append(f"--student {settings.student.path} is a shape; --teacher says what it is cut out of")
    if settings.on_budget and (settings.reads_text or not settings.student.transformer):
        why = "of plain text is not exported" if settings.reads_text else "of this recipe has no layers to choose"
        problems.append(f"--max-mb, --max-ms: a student {why}; name one with --student")
    if problems:
        raise UserError(*dict.fromkeys(problems))
    unused, groups = list(_unused(request)), settings.augmenting()
    given = {name: getattr(settings, name) for name in ("mlm", "vectors") if name not in settings.student.reads}
    if groups is not None:
        unused += unsuitable(groups, given)
    elif "mlm" in request.recipe.uses and hasattr(settings, "augment"):
        unused += [f"--{name}: no text is rewritten in this run; leave it out" for name in given if given[name]]
    general, adapts = general_within(settings) is not None, groups is not None and groups.augment.adapts
    if general and not settings.reads_text and settings.unlabeled is None:
        unused.append("general.tokens: general distillation reads plain text; give it with --unlabeled")
    elif settings.unlabeled and "unlabeled" in request.recipe.uses and needs_labels and not general and not adapts:
        unused.append(f"--unlabeled: {needs_labels}; leave it out")
    if unused:
        raise UserError(*unused)


def _unused(request: Request) -> Iterator[str]:
    """Files that the recipe would not look at, a line each: they are refused instead of ignored silently."""
    recipe = request.recipe
    of_tasks = ("test", "kind", *(recipe.uses & {"unlabeled"})) if request.settings.reads_text else ()
    for name in ("source", "unlabeled", "mlm", "vectors"):
        if getattr(request.settings, name) is not None and name not in recipe.uses:
            yield f"--{name}: the recipe {recipe.name} does not use it; leave it out"
    if request.settings.teacher_scores is not None:
        if not recipe.needs_teacher:
            yield f"--teacher-scores: the recipe {recipe.name} learns from no teacher; leave it out"
        elif (why := request.settings.needs_layers()) is not None:
            yield f"--teacher-scores: {why}"
    for name in of_tasks:
        if getattr(request.settings, name) is not None:
            yield f"--{name}: the recipe {recipe.name} learns from plain text, no task; leave it out"
