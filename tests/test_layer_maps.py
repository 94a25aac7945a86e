import doctest

import pytest

from tinybert import layer_maps
from tinybert.layer_maps import NAMES, LayerMap, layer_map, patience_map

EXPECTED = {
    ("uniform", 4, 12): ((1, 3), (2, 6), (3, 9), (4, 12)),
    ("uniform", 6, 12): ((1, 2), (2, 4), (3, 6), (4, 8), (5, 10), (6, 12)),
    ("uniform", 4, 6): ((1, 2), (2, 3), (3, 5), (4, 6)),
    ("uniform", 3, 5): ((1, 2), (2, 4), (3, 5)),
    ("spread", 6, 12): ((1, 1), (2, 3), (3, 5), (4, 8), (5, 10), (6, 12)),
    ("spread", 4, 12): ((1, 1), (2, 5), (3, 8), (4, 12)),
    ("spread", 4, 6): ((1, 1), (2, 3), (3, 4), (4, 6)),
    ("spread", 1, 6): ((1, 1),),
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
    assert all(layer_map(name, m, n)[m] == n for m, n in SIZES if m > 1 or name != "spread")


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
    with pytest.raises(
        ValueError, match="unknown layer map 'unifrom'; there are uniform, spread, top, bottom, last, or"
    ):
        layer_map("unifrom", 4, 12)


@pytest.mark.parametrize(("student", "teacher"), [(13, 12), (0, 12)])
def test__impossible_depths_are_refused(student: int, teacher: int) -> None:
    with pytest.raises(ValueError, match=f"student of {student} layers cannot learn layer by layer from {teacher}"):
        layer_map("uniform", student, teacher)


def test__a_list_names_the_layers_themselves() -> None:
    assert layer_map((2, 3, 9), 3, 12).pairs == layer_map([2, 3, 9], 3, 12).pairs == ((1, 2), (2, 3), (3, 9))


@pytest.mark.parametrize(
    ("layers", "said"),
    [
        ((), "in ascending order, from 1, got \\[\\]"),
        ((0, 3, 9), "in ascending order, from 1, got \\[0, 3, 9\\]"),
        ((3, 3, 9), "in ascending order, from 1, got \\[3, 3, 9\\]"),
        ((3, 9), "a teacher layer for each of 3 student layers, got \\[3, 9\\]"),
        ((3, 9, 13), "names layer 13 of a teacher that has 12"),
    ],
)
def test__a_list_that_does_not_fit_is_refused(layers: tuple[int, ...], said: str) -> None:
    with pytest.raises(ValueError, match=f"layer_map .*{said}"):
        layer_map(layers, 3, 12)


@pytest.mark.parametrize(
    ("arguments", "teacher_layers"),
    [
        (("skip", 6, 12), (2, 4, 6, 8, 10)),
        (("skip", 4, 12), (3, 6, 9)),
        (("skip", 4, 6), (2, 3, 5)),
        (("last", 6, 12), (7, 8, 9, 10, 11)),
        (("last", 3, 12), (10, 11)),
        (("last", 4, 6), (3, 4, 5)),
    ],
)
def test__patience_leaves_the_last_layer_to_the_soft_targets(arguments, teacher_layers) -> None:
    assert patience_map(*arguments).pairs == tuple(enumerate(teacher_layers, 1))


def test__a_single_layer_cannot_learn_patiently() -> None:
    with pytest.raises(ValueError, match="a student of 1 layers has none below its last"):
        patience_map("skip", 1, 12)


def test__docstring_examples_say_what_happens() -> None:
    result = doctest.testmod(layer_maps)
    assert result.attempted > 0
    assert result.failed == 0
