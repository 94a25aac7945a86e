import pytest
import torch
import torch.nn.functional as F

from objectives.worlds import BATCH, SEQ, make_batch
from tinybert.objectives.cosine import CosineDistance, cosine_distance
from tinybert.types import Signal


def states(seed: int, width: int = 13) -> torch.Tensor:
    return torch.randn(BATCH, SEQ, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


REAL = make_batch(None).real


def test__over_one_text_it_is_torchs_cosine_embedding_loss() -> None:
    for example, real in enumerate(REAL):
        ours, theirs = states(1)[example, real], states(2)[example, real]
        expected = F.cosine_embedding_loss(ours, theirs, torch.ones(len(ours)))
        torch.testing.assert_close(cosine_distance(states(1), states(2), REAL)[example], expected)


def test__only_directions_count() -> None:
    found = cosine_distance(states(1), states(2), REAL)
    torch.testing.assert_close(cosine_distance(3 * states(1), states(2) / 9, REAL), found)
    torch.testing.assert_close(cosine_distance(states(1), states(1), REAL), torch.zeros(BATCH, dtype=torch.float64))


def test__a_state_of_zeros_has_a_finite_gradient() -> None:
    nothing = torch.zeros(BATCH, SEQ, 13, dtype=torch.float64, requires_grad=True)
    cosine_distance(nothing, states(2), REAL).sum().backward()
    assert nothing.grad.isfinite().all()


def test__needs_one_layer_of_each_network() -> None:
    objective = CosineDistance(2, 5)
    assert (objective.needs_student, objective.needs_teacher) == (
        {Signal("hidden_states", 2)},
        {Signal("hidden_states", 5)},
    )


def test__widths_that_differ_are_refused() -> None:
    with pytest.raises(ValueError, match=r"the hidden states differ in shape: student \(3, 7, 11\)"):
        cosine_distance(states(1, 11), states(2), REAL)
