"""Every setting that a step reads changes its key: what is stored is never stale."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import fields, is_dataclass, replace
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest
import torch

from recipes.workshop import on_one_processor, quick_finish
from tinybert.errors import UserError
from tinybert.log import Log
from tinybert.recipes import RECIPES
from tinybert.run import Run

pytestmark = [pytest.mark.usefixtures("processor"), on_one_processor]

# What is read and changes no result: how a run is carried out, whether a result is accepted, how many copies at most
# where fewer are made, which pieces stay at the end. Another method has other settings and is another step, see
# stages/test_augment.py.
OF_RUNS = ("run.", "teacher.cache", "teacher.accept_weak", "student.vocabulary")
WITHOUT_EFFECT = (*OF_RUNS, "augment.at_most", "augment.method")
KNOWN_BY_CONTENTS = ("data.", ".path", "mlm", "vectors")


def groups_of(settings: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Settings and the groups in them, by dotted name."""
    yield name, settings
    for field in fields(settings):
        if is_dataclass(value := object.__getattribute__(settings, field.name)):
            yield from groups_of(value, f"{name}.{field.name}".lstrip("."))


def watch(settings: Any, read: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Note which settings are read, by dotted name."""
    owners = {id(group): (name, {field.name for field in fields(group)}) for name, group in groups_of(settings)}

    def get(group: Any, name: str) -> Any:
        owner, names = owners.get(id(group), ("", ()))
        value = object.__getattribute__(group, name)
        if owner and name in names and not is_dataclass(value):
            read.add(f"{owner}.{name}")
        return value

    for kind in {type(group) for name, group in groups_of(settings) if name}:
        monkeypatch.setattr(kind, "__getattribute__", get)


def others(value: Any, hint: Any) -> Iterator[Any]:
    """Other values of a setting."""
    if get_origin(hint) in (Union, UnionType):
        for option in get_args(hint):
            yield from others(value, option)
    elif get_origin(hint) is Literal:
        yield from (option for option in get_args(hint) if option != value)
    elif hint is bool:
        yield not value
    elif hint in (int, float):
        yield from (hint(1 if value is None else value + 1), hint(0.5 if value is None else value / 2))


def changes(settings: Any, name: str) -> Iterator[Any]:
    """Settings with another value of one of them."""
    group, _, rest = name.partition(".")
    value = getattr(settings, group)
    if rest:
        found: Iterator[Any] = changes(value, rest)
    else:
        found = others(value, get_type_hints(type(settings))[group])
    for other in found:
        with suppress(ValueError):  # a value that cannot be
            yield replace(settings, **{group: other})


@pytest.mark.parametrize(
    ("recipe", "also"),
    [
        ("tinybert", ("augment.method=eda", "augment.copies=1", "general.tokens=600", "general.block_length=16")),
        ("l2a", ()),
        ("augmented_kd", ("augment.method=eda", "augment.copies=1")),
        ("fine_tune", ("augment.method=eda", "augment.copies=1")),
        ("static", ()),
        ("tfidf", ()),
        ("bilstm_soft", ("augment.method=tang", "augment.copies=1", "objective.gold_weight=.5")),
    ],
)
def test__every_setting_that_a_step_reads_changes_its_key(workshop, monkeypatch, recipe, also):
    given, read, distill = {}, set(), RECIPES[recipe].distill

    def watched(job: Any, config: Any, run: Run) -> Any:
        given.update(job=job, config=config, run=run)
        with pytest.MonkeyPatch.context() as patched:
            watch(config, read, patched)
            return distill(job, config, run)

    monkeypatch.setitem(RECIPES, recipe, replace(RECIPES[recipe], distill=watched))
    workshop.model()
    files = {"unlabeled": workshop.corpus()} if recipe == "tinybert" else {}
    with quick_finish():
        workshop.distill(recipe, also=also, test=None, **files)
    job, config, run = given["job"], given["config"], given["run"]
    names = sorted(
        name for name in read if not name.startswith(WITHOUT_EFFECT) and not any(s in name for s in KNOWN_BY_CONTENTS)
    )
    assert len(names) > (3 if recipe == "tfidf" else 15)

    def refused(changed: Any) -> bool:
        again = Run(run.folder, run.seed, run.settings, torch.device("cpu"), Log(silent=True), store=run.store)
        try:
            distill(job, changed, again)
        except UserError as error:
            return "changed since stage" in str(error)
        return False

    tried = {name: list(changes(config, name)) for name in names}
    assert not [name for name, changed in tried.items() if changed and not any(map(refused, changed))]
