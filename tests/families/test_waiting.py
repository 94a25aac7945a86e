"""Masks that transformers takes without a question: the same answers."""

import pytest
import torch

import tinybert.families.parts
from tinybert.families import TRANSFORMERS
from tinybert.models.inference import evaluation_mode
from tinybert.types import LOGITS, Batch, Signal

NEEDS = frozenset({LOGITS, Signal("hidden_states", 2), Signal("attention_scores", 1)})


@pytest.mark.parametrize("model_type", TRANSFORMERS)
def test__on_a_device_that_is_waited_for_a_network_answers_as_elsewhere(model_type, tiny_model, monkeypatch):
    model, real = tiny_model(model_type, layers=2), torch.ones(2, 9, dtype=torch.bool)
    real[1, 5:] = False
    ids = torch.randint(6, 40, real.shape).masked_fill(~real, model.config.pad_token_id)
    batch = Batch(ids, torch.zeros_like(ids), real, None, torch.arange(2))
    with evaluation_mode(model):
        usual = model.observe(batch, NEEDS)
        monkeypatch.setattr(tinybert.families.parts, "waits", lambda _device: True)
        handed_on = model.layout.fused and model.layout.block is not None
        assert (model.inputs(batch)["attention_mask"].ndim == 4) == handed_on
        unasked = model.observe(batch, NEEDS)
    for signal in NEEDS:
        of_pieces = usual[signal].shape[1:2] == real.shape[1:]
        ours, theirs = (shown[signal][real] if of_pieces else shown[signal] for shown in (usual, unasked))
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)
