"""What the generator learns from: samples as the masked LM was asked for them, each as much as it weighs."""

import pytest
import torch

from tinybert.objectives.masked_lm import GeneratorLikelihood
from tinybert.stages.l2a.generator import as_asked, sample_weights
from tinybert.stages.l2a.settings import L2ASettings
from tinybert.types import MASKED_LOGITS, NO_TRACE, Batch, Sample, Trace

ORIGINAL = (1, 2, 3, 4, 5)
DRAWN = Sample((1, 20, 3, 40, 50), (0,) * 5, (1, 3, 4), 3, -7.5)


@pytest.mark.parametrize(
    ("fill", "read"),
    [
        ("joint", [((1, None, 3, None, None), (20, 40, 50))]),
        ("independent", [((1, None, 3, 4, 5), (20,)), ((1, 2, 3, None, 5), (40,)), ((1, 2, 3, 4, None), (50,))]),
        ("sequential", [((1, None, 3, 4, 5), (20,)), ((1, 20, 3, None, 5), (40,)), ((1, 20, 3, 40, None), (50,))]),
    ],
)
def test__a_sample_is_learnt_as_it_was_asked_for(fill, read):
    """What is read, None where it is masked, and what is to be said there."""
    found = []
    for asked in as_asked(DRAWN, ORIGINAL, fill):
        shown = tuple(None if n in asked.positions else piece for n, piece in enumerate(asked.pieces))
        found.append((shown, tuple(asked.pieces[n] for n in asked.positions)))
    assert found == read


def test__weights_are_those_of_the_policy_or_eq_9_as_it_is_printed():
    chances, logs = torch.tensor([1.0, 0.4, 0.7]), torch.tensor([-9.0, -1.0, -0.2])
    ours = sample_weights(chances, logs, L2ASettings(kappa=0.3))
    assert ours.log().tolist() == pytest.approx([0.0, -2.0, -1.0])
    printed = sample_weights(chances, logs, L2ASettings(generator_weights="literal"))
    assert printed.tolist() == pytest.approx([-8.0, -0.6, 0.5])


def test__a_negative_reward_makes_a_sample_less_likely():
    pieces = torch.zeros(2, 3, dtype=torch.long)
    targets = torch.tensor([[-1, 4, -1], [2, -1, -1]])
    batch = Batch(pieces, pieces, pieces == 0, None, torch.tensor([1, 0]), targets)
    logits = torch.zeros(2, 6, requires_grad=True)
    losses = GeneratorLikelihood(torch.tensor([0.5, -2.0]))(Trace({MASKED_LOGITS: logits}), NO_TRACE, batch)
    assert losses.exp().tolist() == pytest.approx([6.0**-2, 6.0**0.5])
    losses.sum().backward()
    assert logits.grad[0, 4] > 0 > logits.grad[1, 2]
