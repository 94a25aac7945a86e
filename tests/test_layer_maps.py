import doctest

import pytest

from tinybert import layer_maps
from tinybert.layer_maps import NAMES, LayerMap, layer_map

EXPECTED = {
    ("uniform", 4, 12): ((1, 3), (2, 6), (3, 9), (4, 12)),
    ("uniform", 6, 12): ((1, 2), (2, 4), (3, 6), (4, 8), (5, 10), (6, 12)),
    ("uniform", 4, 6): ((1, 2), (2, 3), (3, 5), (4, 6)),
    ("uniform", 3, 5): ((1, 2), (2, 4), (3, 5)),
    ("top", 4, 12): ((1, 9), (2, 10), (3, 11), (4, 12)),
    ("bottom", 4, 12): ((1, 1), (2, 2), (3, 3), (4, 4)),
    ("last", 4, 12): ((4, 12),),
}
SIZES = [(m, n) for n in range(1, 14) for m in range(1, n + 1)]


@pytest.mark.parametrize(("arguments", "pairs"), EXPECTED.items())
def test__pairs_are_those_of_the_paper(arguments: tuple[str, int, int], pairs: tuple[tuple[int, int], ...]) -> None:
    assert layer_map(*arguments).pairs == pairs


@pytest.mark.parametrize("name", NAMES)
def test__teacher_layers_exist_and_rise(name: str) -> None:
    for m, n in SIZES:
        teacher_layers = [g for _, g in layer_map(name, m, n).pairs]
        assert all(1 <= g <= n for g in teacher_layers)
        assert teacher_layers == sorted(set(teacher_layers))


@pytest.mark.parametrize("name", [name for name in NAMES if name != "bottom"])
def test__the_last_layer_learns_from_the_last(name: str) -> None:
    assert all(layer_map(name, m, n)[m] == n for m, n in SIZES)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "last"])
def test__every_student_layer_learns_and_equal_depths_pair_up(name: str) -> None:
    assert all(layer_map(name, m, n).student_layers == tuple(range(1, m + 1)) for m, n in SIZES)
    assert layer_map(name, 5, 5).pairs == tuple((m, m) for m in range(1, 6))


def test__a_layer_that_learns_from_none_has_no_teacher_layer() -> None:
    assert layer_map("last", 4, 12).student_layers == (4,)
    with pytest.raises(KeyError):
        layer_map("last", 4, 12)[3]


def test__explicit_pairs_are_looked_up_by_student_layer() -> None:
    assert LayerMap(((1, 4), (3, 9)))[3] == 9


def test__unknown_names_are_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="unknown layer map 'unifrom'; there are uniform, top, bottom, last"):
        layer_map("unifrom", 4, 12)


@pytest.mark.parametrize(("student", "teacher"), [(13, 12), (0, 12)])
def test__impossible_depths_are_refused(student: int, teacher: int) -> None:
    with pytest.raises(ValueError, match=f"student of {student} layers cannot learn layer by layer from {teacher}"):
        layer_map("uniform", student, teacher)


def test__docstring_examples_say_what_happens() -> None:
    result = doctest.testmod(layer_maps)
    assert result.attempted > 0
    assert result.failed == 0
