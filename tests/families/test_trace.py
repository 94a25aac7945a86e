"""Traces against transformers' own outputs, for every supported architecture."""

import weakref

import pytest
import torch

from conftest import padding_of
from tinybert.errors import UserError
from tinybert.families import TRANSFORMERS, network_of
from tinybert.families.attention import attention_scores
from tinybert.types import LOGITS, Signal

ALL = tuple(TRANSFORMERS)
LAYERS = 3


def every_signal(layers):
    hidden = {Signal("hidden_states", m) for m in range(layers + 1)}
    kinds = ("first_state", "attention_scores", "queries", "keys", "values")
    inside = {Signal(kind, m) for kind in kinds for m in range(1, layers + 1)}
    return frozenset({LOGITS} | hidden | inside)


def batch_for(model_type, make_batch, lengths=(7, 3, 5)):
    return make_batch(lengths, pad=padding_of(model_type))


def reference(model, batch):
    """Eager attention of transformers itself, with everything it can show."""
    eager = type(model.model)(model.config).eval()
    eager.load_state_dict(model.weights())
    if model.layout.fused:
        eager.set_attn_implementation("eager")
    return eager(**model.inputs(batch), output_attentions=True, output_hidden_states=True)


@pytest.mark.parametrize("model_type", ALL)
def test_observe__scores_after_mask_and_softmax_are_eager_attention(model_type, tiny_model, make_batch):
    model, batch = tiny_model(model_type, LAYERS), batch_for(model_type, make_batch)
    expected = reference(model, batch).attentions
    trace = model.observe(batch, every_signal(LAYERS))
    masked = [
        trace[Signal("attention_scores", m)].masked_fill(~batch.real[:, None, None], -torch.inf)
        for m in range(1, LAYERS + 1)
    ]
    for scores, probabilities in zip(masked, expected, strict=True):
        assert probabilities.std() > 0.01  # else uniform attention would pass for right
        found, wanted = (some.transpose(1, 2)[batch.real] for some in (scores.softmax(dim=-1), probabilities))
        torch.testing.assert_close(found, wanted, atol=1e-6, rtol=0)


@pytest.mark.parametrize("model_type", ALL)
def test_observe__hidden_states_and_logits_are_those_of_transformers(model_type, tiny_model, make_batch):
    model, batch = tiny_model(model_type, LAYERS), batch_for(model_type, make_batch)
    expected = reference(model, batch)
    trace = model.observe(batch, every_signal(LAYERS))
    assert len(expected.hidden_states) == LAYERS + 1
    for m, hidden in enumerate(expected.hidden_states):
        torch.testing.assert_close(
            trace[Signal("hidden_states", m)][batch.real], hidden[batch.real], atol=5e-6, rtol=1e-5
        )
    torch.testing.assert_close(trace[LOGITS], expected.logits, atol=5e-6, rtol=1e-5)


@pytest.mark.parametrize("model_type", ALL)
def test_observe__values_times_attention_are_what_the_heads_are_joined_from(model_type, tiny_model, make_batch):
    model, batch, joined = tiny_model(model_type, LAYERS), batch_for(model_type, make_batch), []
    block, turned = model.layout.block, "attn.Wo" if model_type == "modernbert" else "self_attn.o_proj"
    for layer in set(model.parts.layers):  # ALBERT's is one, called again and again
        output = layer.get_submodule(turned if block is None else block.attention_output)
        output.register_forward_pre_hook(lambda _, inputs: joined.append(inputs[0]))
    trace = model.observe(batch, every_signal(LAYERS))
    for m, expected in enumerate(joined, 1):
        scores = trace[Signal("attention_scores", m)].masked_fill(~batch.real[:, None, None], -torch.inf)
        by_head = trace[Signal("values", m)].view(*batch.real.shape, scores.shape[1], -1).transpose(1, 2)
        found = (scores.softmax(dim=-1) @ by_head).transpose(1, 2).flatten(2)
        torch.testing.assert_close(found[batch.real], expected[batch.real], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("model_type", ALL)
def test_observe__the_first_state_is_that_of_the_first_piece_after_the_layer(model_type, tiny_model, make_batch):
    model, batch = tiny_model(model_type, LAYERS), batch_for(model_type, make_batch)
    trace = model.observe(batch, every_signal(LAYERS))
    for m, hidden in enumerate(reference(model, batch).hidden_states[1:], 1):
        torch.testing.assert_close(trace[Signal("first_state", m)], hidden[:, 0], atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("model_type", ALL)
def test_observe__queries_times_keys_are_the_scores_without_a_bias(model_type, tiny_model, make_batch):
    model, batch = tiny_model(model_type, LAYERS), batch_for(model_type, make_batch)
    if path := model.layout.position_bias:
        torch.nn.init.zeros_(model.model.base_model.get_submodule(path).weight)
    if model_type == "deberta-v2":
        return  # whose scores are compared in test_deberta.py
    trace = model.observe(batch, every_signal(LAYERS))
    for m in range(1, LAYERS + 1):
        scores = trace[Signal("attention_scores", m)]
        found = attention_scores(trace[Signal("queries", m)], trace[Signal("keys", m)], scores.shape[1])
        near = scores.isfinite()
        torch.testing.assert_close(found[near], scores[near])
        assert found.std() > 0.01


@pytest.mark.parametrize("model_type", ALL)
def test_observe__padding_changes_nothing_for_real_pieces(model_type, tiny_model, make_batch):
    model, batch = tiny_model(model_type, LAYERS), batch_for(model_type, make_batch, (7, 4))
    alone = type(batch)(
        *(getattr(batch, name)[1:] for name in ("input_ids", "token_type_ids", "real", "labels", "rows"))
    )
    cut = type(batch)(alone.input_ids[:, :4], alone.token_type_ids[:, :4], alone.real[:, :4], alone.labels, alone.rows)
    padded, bare = (model.observe(some, every_signal(LAYERS)) for some in (batch, cut))
    torch.testing.assert_close(padded[LOGITS][1:], bare[LOGITS], atol=1e-5, rtol=1e-5)
    for m in range(LAYERS + 1):
        torch.testing.assert_close(
            padded[Signal("hidden_states", m)][1:, :4], bare[Signal("hidden_states", m)], atol=1e-5, rtol=1e-5
        )
    for m in range(1, LAYERS + 1):
        for kind in ("queries", "keys", "values"):
            torch.testing.assert_close(padded[Signal(kind, m)][1:, :4], bare[Signal(kind, m)], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("model_type", ALL)
def test_observe__every_weight_below_a_signal_gets_a_gradient(model_type, tiny_model, make_batch):
    model, batch = tiny_model(model_type, LAYERS), batch_for(model_type, make_batch)
    trace = model.observe(batch, frozenset({Signal("attention_scores", 2), Signal("hidden_states", 1)}))
    (
        trace[Signal("attention_scores", 2)].square().mean() + trace[Signal("hidden_states", 1)].square().mean()
    ).backward()
    touched = {name for name, weight in model.model.named_parameters() if weight.grad is not None and weight.grad.any()}
    architecture = model.layout
    prefix = f"{model.model.base_model_prefix}.{architecture.layers}"
    assert not any(name.startswith((f"{prefix}.2", "classifier")) for name in touched)
    assert model.piece_vectors.grad.any()
    names = {name for name, _ in model.model.named_parameters()}
    below = {name for name in names if name.startswith((f"{prefix}.0.", f"{prefix}.1."))}
    assert below - touched <= {name for name in below if name.startswith(f"{prefix}.1.") and not _of_scores(name)}
    if architecture.position_bias:
        assert f"{model.model.base_model_prefix}.{architecture.position_bias}.weight" in touched


def _of_scores(name):
    """Whether a weight is one of those that queries and keys are made of; a key's bias moves all scores alike."""
    return any(part in name for part in ("query", "q_lin", ".q.", "q_proj", "Wqkv.weight")) and "bias" not in name


@pytest.mark.parametrize("model_type", ALL)
@pytest.mark.parametrize(
    ("needs", "runs"),
    [
        ({Signal("hidden_states", 0)}, 0),
        ({Signal("hidden_states", 1), Signal("attention_scores", 2)}, 2),
        ({Signal("hidden_states", 3)}, 3),
        ({Signal("values", 1), Signal("attention_scores", 1)}, 1),
        ({Signal("values", 2)}, 2),
        ({Signal("queries", 1), Signal("keys", 1)}, 1),
        ({Signal("first_state", 2)}, 2),
        ({LOGITS}, 3),
        ({LOGITS, Signal("hidden_states", 1)}, 3),
    ],
)
def test_observe__only_layers_that_are_needed_run(model_type, needs, runs, tiny_model, make_batch):
    model, ran = tiny_model(model_type, LAYERS), []
    handles = [layer.register_forward_hook(lambda *_: ran.append(1)) for layer in set(model.parts.layers)]
    head_ran = []
    handles.append(model.model.classifier.register_forward_hook(lambda *_: head_ran.append(1)))
    trace = model.observe(batch_for(model_type, make_batch), frozenset(needs))
    assert (len(ran), len(head_ran)) == (max(runs, model.layout.least), int(LOGITS in needs))
    assert set(trace) == needs
    assert len(model.parts.layers) == LAYERS


def test_observe__fused_attention_stays_on(tiny_bert, make_batch, monkeypatch):
    calls, fused = [], torch.nn.functional.scaled_dot_product_attention
    monkeypatch.setattr(
        torch.nn.functional, "scaled_dot_product_attention", lambda *a, **k: calls.append(1) or fused(*a, **k)
    )
    tiny_bert(LAYERS).observe(make_batch(), every_signal(LAYERS))
    assert len(calls) == LAYERS


def hooks_of(model):
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules())


def test_observe__leaves_no_hook_and_no_layer_out_also_after_an_error(tiny_bert, make_batch):
    model, batch = tiny_bert(LAYERS), make_batch()
    names = list(model.state_dict())
    broken = type(batch)(batch.input_ids + 10_000, batch.token_type_ids, batch.real, batch.labels, batch.rows)
    with pytest.raises(IndexError):
        model.observe(broken, frozenset({Signal("attention_scores", 1)}))
    assert (hooks_of(model), list(model.state_dict()), len(model.parts.layers)) == (0, names, LAYERS)
    model.observe(batch, every_signal(LAYERS))
    assert hooks_of(model) == 0


def test_observe__keeps_no_graph_alive(tiny_bert, make_batch):
    model = tiny_bert(LAYERS)
    trace = model.observe(make_batch(), every_signal(LAYERS))
    kept = weakref.ref(trace[Signal("attention_scores", 1)])
    assert kept() is not None
    del trace
    assert kept() is None  # without the garbage collector: nothing of the model or the hooks refers to it


@pytest.mark.parametrize(
    "signal",
    [
        Signal("hidden_states", 4),
        Signal("attention_scores", 4),
        Signal("values", 4),
    ],
)
def test_observe__a_layer_that_does_not_exist_is_refused(signal, tiny_bert, make_batch):
    with pytest.raises(ValueError, match=f"{signal.kind} of layer {signal.layer} asked of a network with layers"):
        tiny_bert(LAYERS).observe(make_batch(), frozenset({signal}))


def test_network_of__an_unsupported_architecture_is_named_with_those_that_are():
    from transformers import AutoConfig, AutoModel

    config = AutoConfig.for_model("gpt2", n_layer=1, n_head=2, n_embd=8, vocab_size=31)
    with pytest.raises(UserError, match="'gpt2' is not supported; use one of bert, roberta"):
        network_of(AutoModel.from_config(config))


def test_attention_scores__against_a_loop():
    query, key = torch.randn(2, 5, 21), torch.randn(2, 5, 21)
    scores = attention_scores(query, key, heads=3)
    for example in range(2):
        for head in range(3):
            part = slice(7 * head, 7 * head + 7)
            expected = query[example, :, part] @ key[example, :, part].T / 7**0.5
            torch.testing.assert_close(scores[example, head], expected)
