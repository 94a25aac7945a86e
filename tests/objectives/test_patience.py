import pytest
import torch
import torch.nn.functional as F

from objectives.worlds import BATCH, make_batch
from tinybert.layer_maps import LayerMap, patience_map
from tinybert.objectives.patience import PatienceMSE, patience_distance
from tinybert.types import Signal, Trace


def states(seed: int, width: int = 13) -> torch.Tensor:
    return torch.randn(BATCH, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test__lengths_count_only_where_states_are_not_normalised() -> None:
    found = patience_distance(states(1), states(2))
    torch.testing.assert_close(patience_distance(9 * states(1), 0.5 * states(2)), found)
    assert (patience_distance(states(1), states(2), normalised=False) != found).all()


def test__normalised_it_is_two_minus_twice_the_cosine() -> None:
    expected = 2 - 2 * F.cosine_similarity(states(1), states(2))
    torch.testing.assert_close(patience_distance(states(1), states(2)), expected)


def test__a_state_of_zeros_has_a_finite_gradient() -> None:
    nothing = torch.zeros(1, 3, requires_grad=True)
    patience_distance(nothing, torch.ones(1, 3)).sum().backward()
    assert nothing.grad.isfinite().all()


@pytest.mark.parametrize("normalised", [True, False])
def test__averaged_it_is_the_loss_of_the_authors_code(normalised: bool) -> None:
    objective = PatienceMSE(patience_map("last", 4, 12), normalised=normalised, averaged=True)
    student = Trace({Signal("first_state", m): states(m) for m in (1, 2, 3)})
    teacher = Trace({Signal("first_state", g): states(g) for g in (9, 10, 11)})
    ours, theirs = (torch.stack(list(trace.values()), dim=1) for trace in (student, teacher))
    if normalised:
        ours, theirs = F.normalize(ours, dim=2), F.normalize(theirs, dim=2)
    terms = objective.terms(student, teacher, make_batch(None))
    assert list(terms) == ["patience"]
    torch.testing.assert_close(terms["patience"].mean(), F.mse_loss(ours, theirs))


def test__needs_first_states_of_the_layers_of_the_map_and_no_other() -> None:
    objective = PatienceMSE(patience_map("skip", 4, 12))
    assert objective.needs_student == {Signal("first_state", m) for m in (1, 2, 3)}
    assert objective.needs_teacher == {Signal("first_state", g) for g in (3, 6, 9)}


def test__widths_that_differ_are_refused() -> None:
    with pytest.raises(ValueError, match=r"the first states differ in shape: student \(3, 11\), teacher \(3, 13\)"):
        patience_distance(states(1, 11), states(2))


def test__no_layer_that_learns_is_refused() -> None:
    with pytest.raises(ValueError, match="an empty layer map trains nothing"):
        PatienceMSE(LayerMap(()))
