"""A student comes out of the layers that `student.layer_map` names, and the stage knows it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from recipes.workshop import reviews
from tinybert.data.settings import DataSettings
from tinybert.data.task import Task, load_one
from tinybert.errors import UserError
from tinybert.layer_maps import layer_map
from tinybert.log import Log
from tinybert.models import birth
from tinybert.models.hf import layers_of
from tinybert.run import Run, RunSettings
from tinybert.stages.birth import Newborn, StudentSettings, born
from tinybert.stages.reading import encoded
from tinybert.types import Rows

TASK = Task("classification", ("neg", "pos"), 1)


@dataclass(frozen=True)
class Reviews:
    """What a student is born for."""

    classes: tuple[str, ...] | None
    train: Rows


@pytest.fixture
def newborn(tmp_path: Path, tiny_tokenizer: Any, tiny_bert: Any) -> Callable[..., tuple[Newborn, Any]]:
    """`newborn("2x24", "run", birth=..., layer_map=...)`: a student and the four layers it came from."""

    def make(shape: str, name: str = "run", **settings: Any) -> tuple[Newborn, Any]:
        (tmp_path / name).mkdir(exist_ok=True)
        run, teacher = Run(tmp_path / name, 3, RunSettings(), torch.device("cpu"), Log(silent=True)), tiny_bert(4)
        rows = encoded(load_one(reviews(24), DataSettings(), labels="needed", task=TASK), tiny_tokenizer, 32, run)
        return born(Reviews(TASK.classes, rows), teacher, StudentSettings(shape, **settings), run), teacher

    return make


@pytest.mark.parametrize(
    ("name", "taken"), [("uniform", (2, 4)), ("top", (3, 4)), ("bottom", (1, 2)), ("last", (2, 4))]
)
def test__layers_are_those_that_the_map_names(name, taken, newborn):
    found, teacher = newborn("2x24", birth="layers", inner=41, layer_map=name)
    for student_layer, number in zip(layers_of(found.student.model), taken, strict=True):
        copied = layers_of(teacher)[number - 1].state_dict()
        assert all(torch.equal(value, copied[key]) for key, value in student_layer.state_dict().items())


@pytest.mark.parametrize("name", ["uniform", "top", "bottom"])
def test__project_narrows_the_layers_that_the_map_names(name, newborn, monkeypatch):
    plans, project = [], birth.project
    monkeypatch.setattr(birth, "project", lambda plan, *others: plans.append(plan) or project(plan, *others))
    newborn("2x12", birth="project", layer_map=name)
    assert [plan.layer_map for plan in plans] == [layer_map(name, 2, 4)]


@pytest.mark.parametrize("how", ["layers", "project", None])
def test__another_map_is_another_birth(how, newborn):
    newborn("2x24", birth=how, inner=41)
    with pytest.raises(UserError, match=r"student\.layer_map: changed since stage birth"):
        newborn("2x24", birth=how, inner=41, layer_map="top")


def test__a_random_birth_reads_no_map(newborn):
    first, _ = newborn("2x24", birth="random")
    again, _ = newborn("2x24", birth="random", layer_map="top")
    assert first.student.digest() == again.student.digest()


@pytest.mark.parametrize("how", ["layers", "project"])
def test__a_student_deeper_than_its_teacher_is_refused(how, newborn):
    with pytest.raises(UserError, match="5 layers cannot learn layer by layer from a teacher of 4"):
        newborn("5x24", birth=how, inner=41, layer_map="top")
