"""A student comes out of the layers that `student.layer_map` names, and the stage knows it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from recipes.workshop import reviews
from tinybert.data.encode import Encoder
from tinybert.data.settings import DataSettings
from tinybert.errors import UserError
from tinybert.initialise import project
from tinybert.layer_maps import layer_map
from tinybert.log import Log
from tinybert.models.heads import Head
from tinybert.run import Run, RunSettings
from tinybert.stages.initialisation import InitialStudent, StudentSettings, initialise
from tinybert.stages.reading import encoded
from tinybert.tasks.classification import Classification
from tinybert.tasks.read import load_for
from tinybert.types import Rows

TASK = Classification(("neg", "pos"), 1)


@dataclass(frozen=True)
class Reviews:
    """What a student is initialised for."""

    head: Head | None
    train: Rows
    one_vocabulary: bool = True


@pytest.fixture
def initial(tmp_path: Path, tiny_tokenizer: Any, tiny_bert: Any) -> Callable[..., tuple[InitialStudent, Any]]:
    """`initial("2x24", "run", init=..., layer_map=...)`: a student and the four layers it came from."""

    def make(shape: str, name: str = "run", **settings: Any) -> tuple[InitialStudent, Any]:
        (tmp_path / name).mkdir(exist_ok=True)
        run, teacher = Run(tmp_path / name, 3, RunSettings(), torch.device("cpu"), Log(silent=True)), tiny_bert(4)
        rows = encoded(load_for(reviews(24), DataSettings(), TASK, labels="needed"), Encoder(tiny_tokenizer, 32), run)
        return initialise(Reviews(TASK.head, rows), teacher, StudentSettings(shape, **settings), run), teacher

    return make


@pytest.mark.parametrize(
    ("name", "taken"),
    [("uniform", (2, 4)), ("spread", (1, 4)), ("top", (3, 4)), ("bottom", (1, 2)), ("last", (2, 4)), ((1, 3), (1, 3))],
)
def test__layers_are_those_that_the_map_names(name, taken, initial):
    found, teacher = initial("2x24", init="layers", inner=41, layer_map=name)
    for student_layer, number in zip(found.student.parts.layers, taken, strict=True):
        copied = teacher.parts.layers[number - 1].state_dict()
        assert all(torch.equal(value, copied[key]) for key, value in student_layer.state_dict().items())


@pytest.mark.parametrize("name", ["uniform", "top", "bottom", (2, 3)])
def test__project_narrows_the_layers_that_the_map_names(name, initial, monkeypatch):
    plans, original = [], project.project
    monkeypatch.setattr(project, "project", lambda plan, *others: plans.append(plan) or original(plan, *others))
    initial("2x12", init="project", layer_map=name)
    assert [plan.layer_map for plan in plans] == [layer_map(name, 2, 4)]


@pytest.mark.parametrize("how", ["layers", "project", None])
def test__another_map_is_another_start(how, initial):
    initial("2x24", init=how, inner=41)
    with pytest.raises(UserError, match=r"student\.layer_map: changed since stage init"):
        initial("2x24", init=how, inner=41, layer_map="top")


def test__a_list_of_layers_is_found_again_and_another_one_is_named(initial):
    initial("2x24", init="layers", inner=41, layer_map=(1, 3))
    initial("2x24", init="layers", inner=41, layer_map=(1, 3))
    with pytest.raises(UserError, match=r"^student\.layer_map: changed since stage init"):
        initial("2x24", init="layers", inner=41, layer_map=(2, 3))
    with pytest.raises(UserError, match=r"^student\.inner: changed since stage init"):
        initial("2x24", init="layers", inner=42, layer_map=(1, 3))


def test__a_random_start_reads_no_map(initial):
    first, _ = initial("2x24", init="random")
    again, _ = initial("2x24", init="random", layer_map="top")
    assert first.student.digest() == again.student.digest()


@pytest.mark.parametrize("how", ["layers", "project"])
def test__a_student_deeper_than_its_teacher_is_refused(how, initial):
    with pytest.raises(UserError, match="5 layers cannot learn layer by layer from a teacher of 4"):
        initial("5x24", init=how, inner=41, layer_map="top")
