import math

import pytest
import torch
import torch.nn.functional as F

from objectives.worlds import SEQ, STUDENT_WIDTH, TEACHER_WIDTH, make_batch
from tinybert.layer_maps import layer_map
from tinybert.objectives.hidden import HiddenMSE, hidden_mse
from tinybert.types import Signal, Trace

MAP = layer_map("uniform", 2, 5)
EVERYTHING_REAL = torch.ones(3, SEQ, dtype=torch.bool)


def states(width: int, seed: int) -> torch.Tensor:
    return torch.randn(3, SEQ, width, generator=torch.Generator().manual_seed(seed))


def test__without_padding_the_mean_over_the_batch_is_the_official_loss() -> None:
    student, teacher = states(TEACHER_WIDTH, 1), states(TEACHER_WIDTH, 2)
    ours = hidden_mse(student, teacher, EVERYTHING_REAL)
    torch.testing.assert_close(ours.mean(), F.mse_loss(student, teacher))


def test__only_real_pieces_count() -> None:
    student, teacher = torch.zeros(1, 3, 2), torch.tensor([[[1.0, 3.0], [1.0, 1.0], [99.0, 99.0]]])
    real = torch.tensor([[True, True, False]])
    assert torch.equal(hidden_mse(student, teacher, real), torch.tensor([(1 + 9 + 1 + 1) / 4]))


def test__widths_that_differ_are_refused_with_both_named() -> None:
    with pytest.raises(ValueError, match=r"hidden states.*student \(3, 7, 11\), teacher \(3, 7, 13\)"):
        hidden_mse(states(STUDENT_WIDTH, 1), states(TEACHER_WIDTH, 2), EVERYTHING_REAL)


def test__needs_the_embedding_and_the_layers_of_the_map() -> None:
    objective = HiddenMSE(MAP, STUDENT_WIDTH, TEACHER_WIDTH)
    assert objective.needs_student == {Signal("hidden_states", layer) for layer in (0, 1, 2)}
    assert objective.needs_teacher == {Signal("hidden_states", layer) for layer in (0, 3, 5)}


@pytest.mark.parametrize(
    ("projection", "names"),
    [
        ("embedding_and_hidden", {"embedding", "hidden"}),
        ("shared", {"shared"}),
        ("per_layer", {"embedding", "layer_1", "layer_2"}),
    ],
)
def test__projections_are_shared_as_asked_and_have_no_bias(projection: str, names: set[str]) -> None:
    objective = HiddenMSE(MAP, STUDENT_WIDTH, TEACHER_WIDTH, projection)
    shapes = {name: weight.shape for name, weight in objective.named_parameters()}
    assert shapes == {f"projections.{name}": (TEACHER_WIDTH, STUDENT_WIDTH) for name in names}


def test__equal_widths_are_projected_too() -> None:
    assert len(list(HiddenMSE(MAP, TEACHER_WIDTH, TEACHER_WIDTH).parameters())) == 2


def test__a_student_in_the_teachers_own_directions_starts_near_the_teacher() -> None:
    directions = torch.linalg.qr(states(STUDENT_WIDTH, 3)[0].T @ states(STUDENT_WIDTH, 3)[0]).Q  # orthogonal
    directions = F.pad(directions, (0, 0, 0, TEACHER_WIDTH - STUDENT_WIDTH))  # 13 x 11, orthonormal columns
    objective = HiddenMSE(MAP, STUDENT_WIDTH, TEACHER_WIDTH, "per_layer", directions)
    pairs = ((0, 0), *MAP.pairs)
    student = Trace({Signal("hidden_states", m): states(STUDENT_WIDTH, m + 4) for m, _ in pairs})
    teacher = {Signal("hidden_states", g): student[Signal("hidden_states", m)] @ directions.T for m, g in pairs}
    values = objective(student, Trace(teacher), make_batch(None))
    torch.testing.assert_close(values, torch.zeros(3))


def test__starting_directions_are_copied_for_each_projection() -> None:
    directions = torch.zeros(TEACHER_WIDTH, STUDENT_WIDTH)
    objective = HiddenMSE(MAP, STUDENT_WIDTH, TEACHER_WIDTH, initial=directions)
    with torch.no_grad():
        objective.projections["hidden"].fill_(1.0)
    assert not directions.any()
    assert not objective.projections["embedding"].any()


def test__starting_directions_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"= \(13, 11\), got \(11, 13\)"):
        HiddenMSE(MAP, STUDENT_WIDTH, TEACHER_WIDTH, initial=torch.zeros(STUDENT_WIDTH, TEACHER_WIDTH))


def test__the_seed_decides_the_draw_and_projections_are_drawn_apart() -> None:
    def weights(seed: int) -> list[torch.Tensor]:
        return list(HiddenMSE(MAP, STUDENT_WIDTH, TEACHER_WIDTH, seed=seed).parameters())

    first, again, other = weights(1), weights(1), weights(2)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0])
    assert not torch.equal(first[0], first[1])


def test__the_draw_has_the_distribution_of_a_linear_layer() -> None:
    drawn = HiddenMSE(MAP, 64, 1009, "shared").projections["shared"]
    bound = 1 / math.sqrt(64)
    assert -bound <= drawn.min() < -0.99 * bound
    assert 0.99 * bound < drawn.max() <= bound
    assert drawn.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.01)
