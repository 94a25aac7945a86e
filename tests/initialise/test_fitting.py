from pathlib import Path

import numpy as np
import pytest
import torch

from recipes.workshop import CLASSES, Workshop
from tinybert.families import network_of
from tinybert.initialise.recording import fitted_directions
from tinybert.layer_maps import layer_map
from tinybert.types import Batch, Signal

LAYERS = layer_map("uniform", 2, 2)


@pytest.fixture
def networks(tiny_tokenizer):
    """A student and a wider teacher, two layers each."""
    made = Workshop(Path(), tiny_tokenizer)
    return tuple(network_of(made.network(CLASSES, 2, width, 3, seed=width, dropout=0.0)) for width in (12, 24))


def some_text(rows: int, seed: int = 0) -> Batch:
    """Random pieces, the later rows shorter."""
    lengths = torch.linspace(12, 4, rows).long()
    ids = torch.randint(5, 40, (rows, 12), generator=torch.Generator().manual_seed(seed))
    real = torch.arange(12) < lengths[:, None]
    return Batch(ids * real, torch.zeros_like(ids), real, None, torch.arange(rows))


def states(model, batch, layers):
    """The states of some layers at the real pieces, on end."""
    needs = frozenset(Signal("hidden_states", layer) for layer in layers)
    with torch.no_grad():
        seen = model.eval().observe(batch, needs)
    return [seen[Signal("hidden_states", layer)][batch.real].double().numpy() for layer in layers]


def test__the_map_is_that_of_weighted_least_squares(networks):
    student, teacher = networks
    text = some_text(40)
    found = fitted_directions(student, teacher, LAYERS, [text])
    own, theirs = states(student, text, [0, 1, 2]), states(teacher, text, [0, *(g for _, g in LAYERS.pairs)])
    weights = [1 / np.linalg.norm(one) for one in theirs]
    left = np.concatenate([weight * one for weight, one in zip(weights, own, strict=True)])
    right = np.concatenate([weight * one for weight, one in zip(weights, theirs, strict=True)])
    ridge = np.sqrt(1e-3 * (left**2).sum() / left.shape[1]) * np.eye(left.shape[1])
    twin = np.linalg.lstsq(np.concatenate([left, ridge]), np.pad(right, ((0, len(ridge)), (0, 0))), rcond=None)[0]
    assert found.shape == (24, 12)
    assert np.allclose(found.numpy(), twin.T, atol=1e-4)


def test__a_student_that_is_its_teacher_needs_no_change(networks):
    _, teacher = networks
    found = fitted_directions(teacher, teacher, LAYERS, [some_text(200)])
    assert (found - torch.eye(24)).abs().max() < 0.05  # but for the ridge


def test__padding_and_what_comes_after_enough_text_change_nothing(networks):
    student, teacher = networks
    text, enough = some_text(8), [some_text(4, 2), some_text(1400, 1)]  # 1,400 rows have about 10,500 pieces
    wider = Batch(
        *(torch.nn.functional.pad(part, (0, 3)) for part in (text.input_ids, text.token_type_ids, text.real)),
        None,
        text.rows,
    )
    assert torch.allclose(*(fitted_directions(student, teacher, LAYERS, [one]) for one in (text, wider)), atol=1e-5)
    first, second = (fitted_directions(student, teacher, LAYERS, read) for read in (enough, [*enough, some_text(9, 4)]))
    assert torch.equal(first, second)


def test__no_text_is_refused(networks):
    with pytest.raises(ValueError, match="no text"):
        fitted_directions(*networks, LAYERS, [])
