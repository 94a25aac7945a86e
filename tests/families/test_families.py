"""The pages of the families, checked against real networks of every supported architecture."""

from dataclasses import asdict

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from conftest import families_that_start, padding_of
from tinybert import precision
from tinybert.errors import UserError
from tinybert.families import TRANSFORMERS, family_named, family_of, longest_input, shape_of
from tinybert.families.attention import Rotary
from tinybert.families.network import Shape
from tinybert.families.transformer import forward_flops
from tinybert.models.heads import Head
from tinybert.models.inference import evaluation_mode
from tinybert.models.loading import META, load_classifier, load_masked_lm
from tinybert.models.teacher import Teacher
from tinybert.types import Signal

ALL = tuple(TRANSFORMERS)
CPU = torch.device("cpu")


@pytest.mark.parametrize("model_type", families_that_start("project"))
def test_architecture__every_weight_of_a_classifier_is_named_exactly_once(model_type, tiny_model):
    model = tiny_model(model_type, layers=2)
    architecture = model.layout
    base = [*architecture.embedding_tables, architecture.embedding_norm, architecture.position_bias]
    base += ["embeddings_project"] if model_type == "electra" else []
    base += [f"{architecture.layers}.{m}.{path}" for m in range(2) for path in asdict(architecture.block).values()]
    modules = [model.parts.base.get_submodule(name) for name in base if name]
    modules += [model.model.get_submodule(name) for name in (architecture.head_hidden, architecture.head_output)]
    named = [id(parameter) for module in modules for parameter in module.parameters(recurse=False)]
    assert sorted(named) == sorted(id(parameter) for parameter in model.parameters())


@pytest.mark.parametrize("model_type", families_that_start("project"))
def test_architecture__matrices_have_the_sizes_their_names_say(model_type, tiny_model):
    model = tiny_model(model_type, width=24, inner=41, outputs=5)
    architecture, layer = model.layout, model.parts.layer(1)
    square = (layer.query, layer.key, layer.value, layer.attention_output)
    assert all(matrix.weight.shape == (24, 24) for matrix in square)
    assert layer.inner.weight.shape == (41, 24)
    assert layer.output.weight.shape == (24, 41)
    assert model.model.get_submodule(architecture.head_hidden).weight.shape == (24, 24)
    assert model.model.get_submodule(architecture.head_output).weight.shape == (5, 24)


@pytest.mark.parametrize("model_type", ALL)
def test_shape_of__and_resized(model_type, tiny_model):
    config = tiny_model(model_type, layers=3, width=24, heads=3, inner=41, outputs=5).config
    assert shape_of(config) == Shape(layers=3, width=24, heads=3, inner=41, family=model_type)
    smaller = Shape(layers=2, width=12, heads=2, inner=17, family=model_type)
    changed = family_of(config).resized(config, smaller)
    assert (shape_of(changed), shape_of(config).layers) == (smaller, 3)
    network = family_of(changed).create(changed, Head().auto)
    assert len(network.parts.layers) == 2
    assert network.model.get_submodule(network.layout.head_output).weight.shape == (5, 12)
    if network.layout.block is None:
        joined = network.parts.layers[0].get_submodule("attn.Wo" if model_type == "modernbert" else "self_attn.o_proj")
        assert joined.weight.shape == (12, 12)


@pytest.mark.parametrize("model_type", ALL)
def test_longest_input__is_the_longest_that_runs(model_type, tiny_model, make_batch):
    model = tiny_model(model_type)
    longest = longest_input(model.config)
    model(**model.inputs(make_batch((longest,))))
    if isinstance(model.layout.attention, Rotary) or model_type == "deberta-v2":
        return  # which have no table of positions, and longer texts are merely none that they know
    with pytest.raises((IndexError, RuntimeError)):
        model(**model.inputs(make_batch((longest + 1,))))


def test_inputs_of__token_types_only_where_there_is_a_choice(tiny_model, make_batch):
    passed = {kind for kind in ALL if "token_type_ids" in tiny_model(kind).inputs(make_batch())}
    assert passed == {"bert", "electra", "ernie", "albert", "nomic_bert"}


def test_truncated__runs_the_bottom_layers_and_restores_all(tiny_bert):
    model = tiny_bert(layers=3)
    layers, names = list(model.parts.layers), list(model.state_dict())

    @model.parts.truncated(1)
    def fail():
        assert list(model.parts.layers) == layers[:1]
        raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert (list(model.parts.layers), list(model.state_dict())) == (layers, names)


def test_architecture_named__the_unsupported_is_named_with_the_supported():
    with pytest.raises(UserError, match=r"^here: architecture 'xlnet' is not supported; use one of bert, roberta"):
        family_named("xlnet", "here")


@pytest.mark.parametrize("model_type", ALL)
def test_use_fastest_attention__changes_speed_not_results(model_type, tiny_model, make_batch, monkeypatch):
    monkeypatch.setattr(precision, "native_bfloat16", lambda device: True)
    model = tiny_model(model_type)
    inputs = model.inputs(make_batch(pad=padding_of(model_type)))
    before = model.model(**inputs).logits
    model.use_fastest_attention(torch.bfloat16, CPU)
    assert model.config._attn_implementation == "eager"
    torch.testing.assert_close(model.model(**inputs).logits, before, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("model_type", ALL)
@pytest.mark.parametrize("head", ["classifier", "tags", "answers"])
@pytest.mark.usefixtures("with_such_a_head")
def test_divide_logits__divides_them_and_nothing_else(model_type, head, tiny_model, make_batch):
    model = tiny_model(model_type, outputs=2, head=head)
    batch = make_batch(pad=padding_of(model_type))
    needs = frozenset({model.output, Signal("hidden_states", 2)})
    before = model.observe(batch, needs)
    model.divide_logits(2.5)
    after = model.observe(batch, needs)
    torch.testing.assert_close(after[model.output], before[model.output] / 2.5)
    assert torch.equal(after[Signal("hidden_states", 2)], before[Signal("hidden_states", 2)])


def test__flops_are_those_of_the_papers_table():
    base = forward_flops(128, Shape(12, 768, 12, 3072), 2)
    tiny = forward_flops(128, Shape(4, 312, 12, 1200), 2)
    assert base == pytest.approx(22.5e9, rel=0.01)
    assert tiny == pytest.approx(1.2e9, rel=0.05)


@pytest.mark.parametrize("model_type", ALL)
def test__flops_agree_with_pytorchs_own_counter(model_type, tiny_model, make_batch):
    model = tiny_model(model_type, layers=3, width=24, heads=4, inner=52, outputs=5)
    with evaluation_mode(model), FlopCounterMode(display=False) as counter:
        model(**model.inputs(make_batch((17,), pad=padding_of(model_type))))
    # Fused CPU attention is invisible to the counter: 2 x 2 L^2 w a layer. What widens narrow tables is not counted.
    counted, told = counter.get_total_flops(), model.flops(17, 5)
    widened = 2 * 17 * 13 * 24 if model_type in ("electra", "albert") else 0
    heads_of_pieces = 17 if model_type == "eurobert" else 1  # its head is over all pieces, then averaged
    told += widened + (heads_of_pieces - 1) * 2 * (24**2 + 24 * 5)
    assert counted in (told, told - 3 * 4 * 17**2 * 24)


@pytest.mark.parametrize("model_type", ALL)
@pytest.mark.parametrize(("head", "load"), [("classifier", load_classifier), ("masked_lm", load_masked_lm)])
def test_load__on_meta_has_the_sizes_and_costs_but_no_weights(model_type, tiny_model, tmp_path, head, load):
    whole = tiny_model(model_type, head=head)
    whole.save(tmp_path)
    found = load(tmp_path, device=META)
    found = found.model if load is load_classifier else found
    assert all(weight.is_meta for weight in found.state_dict().values())
    sizes = [{name: value.shape for name, value in network.weights().items()} for network in (whole, found)]
    assert sizes[0] == sizes[1]
    lengths = np.array([3, 7, 3])
    alone = sum(whole.flops(length, whole.config.num_labels) for length in lengths.tolist())
    assert Teacher(found, "fp32", META).flops_of(lengths) == found.flops_of(lengths) == alone
