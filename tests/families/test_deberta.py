"""DeBERTa's scores and states in the forms that its networks come in, against transformers' own outputs."""

import pytest
import torch
from transformers import AutoModelForSequenceClassification

from conftest import tiny_config
from tinybert.families import network_of
from tinybert.types import LOGITS, Signal


@pytest.mark.parametrize(
    "form",
    [
        {"share_att_key": False},  # v2's first networks have matrices for positions alone
        {"pos_att_type": ["c2p"]},
        {"pos_att_type": ["p2c"], "position_buckets": -1},
        {"relative_attention": False, "pos_att_type": None},
        {"conv_kernel_size": 3},  # deberta-v2-xlarge convolves what its first layer gives
        {"embedding_size": 13, "position_biased_input": True, "type_vocab_size": 2},
    ],
    ids=str,
)
def test_observe__every_form_shows_what_transformers_does(form, make_batch):
    config = tiny_config("deberta-v2", 3, 24, 3, 41, 2)
    for name, value in form.items():
        setattr(config, name, value)
    torch.manual_seed(0)
    network, batch = network_of(AutoModelForSequenceClassification.from_config(config).eval()), make_batch()
    expected = network.model(**network.inputs(batch), output_attentions=True, output_hidden_states=True)
    layers = range(1, 4)
    kinds = ("hidden_states", "attention_scores")
    trace = network.observe(batch, frozenset({LOGITS, *(Signal(kind, m) for kind in kinds for m in layers)}))
    torch.testing.assert_close(trace[LOGITS], expected.logits)
    for m in layers:
        states = trace[Signal("hidden_states", m)]
        torch.testing.assert_close(states[batch.real], expected.hidden_states[m][batch.real])
        scores = trace[Signal("attention_scores", m)].masked_fill(~batch.real[:, None, None], -torch.inf)
        found, wanted = (
            some.transpose(1, 2)[batch.real] for some in (scores.softmax(dim=-1), expected.attentions[m - 1])
        )
        assert wanted.std() > 0.01
        torch.testing.assert_close(found, wanted, atol=1e-6, rtol=0)
