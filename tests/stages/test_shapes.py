"""Teacher and student fit each other, or the run does not begin."""

from types import SimpleNamespace

import pytest

from recipes.workshop import Workshop, quick_finish
from tinybert.engine import fit
from tinybert.errors import UserError
from tinybert.families.network import Shape
from tinybert.stages.common_settings import CommonSettings
from tinybert.stages.initialisation import StudentNetwork
from tinybert.stages.shapes import shapes


@pytest.fixture
def workshop(tmp_path, tiny_tokenizer):
    return Workshop(tmp_path, tiny_tokenizer)


def settings(teacher, student, heads=None, layer_map="uniform", init=None):
    return SimpleNamespace(
        on_budget=False,
        teacher=SimpleNamespace(path=None if teacher is None else str(teacher)),
        student=StudentNetwork(str(student), init, heads=heads, layer_map=layer_map),
        unfit=CommonSettings().unfit,
        needs_pieces=CommonSettings().needs_pieces,
    )


def test__sizes_come_from_the_shape_or_the_checkpoint(workshop):
    teacher, checkpoint = workshop.model(), workshop.model("student", layers=3, width=12)
    of_teacher = Shape(layers=4, width=24, heads=3, inner=41)
    assert shapes(settings(teacher, "2x12"), needs_teacher=True) == (of_teacher, Shape(2, 12, 3, 48))
    assert shapes(settings(teacher, checkpoint), needs_teacher=True) == (of_teacher, Shape(3, 12, 3, 41))
    assert shapes(settings(None, checkpoint), needs_teacher=False) == (None, Shape(3, 12, 3, 41))


def test__only_a_student_that_learns_from_the_teacher_must_match_it(workshop):
    teacher = workshop.model()
    alone = settings(teacher, "6x12", heads=2, init="random")
    assert shapes(alone, needs_teacher=False)[1] == Shape(6, 12, 2, 48)
    for student, heads in (("6x12", None), ("2x12", 2)):
        with pytest.raises(UserError, match="cannot learn"):
            shapes(settings(teacher, student, heads), needs_teacher=True)


@pytest.mark.parametrize(
    ("layers", "said"), [((1, 3, 4), "a teacher layer for each of 2 student layers"), ((1, 5), "layer 5 of a teacher")]
)
@pytest.mark.parametrize("needs_teacher", [True, False])  # a shape to be fine-tuned is made from these layers too
def test__listed_layers_must_be_there_and_as_many_as_the_students(workshop, layers, said, needs_teacher):
    teacher = workshop.model()
    assert shapes(settings(teacher, "2x12", layer_map=(1, 4)), needs_teacher=needs_teacher)[1].layers == 2
    with pytest.raises(UserError, match=rf"^student\.layer_map: .*{said}[^\n]*$"):
        shapes(settings(teacher, "2x12", layer_map=layers), needs_teacher=needs_teacher)


def test__a_misfit_is_told_before_the_teacher_is_fine_tuned(workshop, monkeypatch):
    monkeypatch.setattr(fit, "update", lambda *_: pytest.fail("the teacher was trained"))
    workshop.model()
    other = workshop.model("student", layers=2, width=12, heads=2)
    with quick_finish(), pytest.raises(UserError, match=r"student\.heads: 2 heads cannot learn from the teacher's 3"):
        workshop.distill(student=other)
