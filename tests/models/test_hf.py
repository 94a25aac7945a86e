"""Facts about Hugging Face names, checked against real networks of every supported architecture."""

import pytest
import torch
from torch import nn

from conftest import padding_of
from tinybert.errors import UserError
from tinybert.models import hf

ALL = tuple(hf.ARCHITECTURES)
CPU = torch.device("cpu")


@pytest.mark.parametrize("model_type", ALL)
def test_architecture__every_weight_of_a_classifier_is_named_exactly_once(model_type, tiny_model):
    model = tiny_model(model_type, layers=2)
    architecture = hf.architecture_of(model)
    base = [*architecture.embedding_tables, architecture.embedding_norm, architecture.position_bias]
    base += ["embeddings_project"] if model_type == "electra" else []
    of_layer = ("query", "key", "value", "attention_output", "attention_norm", "inner", "output", "output_norm")
    base += [f"{architecture.layers}.{m}.{getattr(architecture, part)}" for m in range(2) for part in of_layer]
    modules = [model.base_model.get_submodule(name) for name in base if name]
    modules += [model.get_submodule(name) for name in (architecture.head_hidden, architecture.head_output)]
    named = [id(parameter) for module in modules for parameter in module.parameters(recurse=False)]
    assert sorted(named) == sorted(id(parameter) for parameter in model.parameters())


@pytest.mark.parametrize("model_type", ALL)
def test_architecture__matrices_have_the_sizes_their_names_say(model_type, tiny_model):
    model = tiny_model(model_type, width=24, inner=41, outputs=5)
    architecture, layer = hf.architecture_of(model), hf.layers_of(model)[0]
    square = (architecture.query, architecture.key, architecture.value, architecture.attention_output)
    assert all(layer.get_submodule(name).weight.shape == (24, 24) for name in square)
    assert layer.get_submodule(architecture.inner).weight.shape == (41, 24)
    assert layer.get_submodule(architecture.output).weight.shape == (24, 41)
    assert all(
        isinstance(layer.get_submodule(name), nn.LayerNorm)
        for name in (architecture.attention_norm, architecture.output_norm)
    )
    assert model.get_submodule(architecture.head_hidden).weight.shape == (24, 24)
    assert model.get_submodule(architecture.head_output).weight.shape == (5, 24)


@pytest.mark.parametrize("model_type", ALL)
def test_shape_of__and_resized(model_type, tiny_model):
    from transformers import AutoModelForSequenceClassification

    config = tiny_model(model_type, layers=3, width=24, heads=3, inner=41, outputs=5).config
    assert hf.shape_of(config) == hf.Shape(layers=3, width=24, heads=3, inner=41)
    smaller = hf.Shape(layers=2, width=12, heads=2, inner=17)
    changed = hf.resized(config, smaller)
    assert (hf.shape_of(changed), hf.shape_of(config).layers) == (smaller, 3)
    network = AutoModelForSequenceClassification.from_config(changed)
    assert len(hf.layers_of(network)) == 2
    assert network.get_submodule(hf.architecture_of(network).head_output).weight.shape == (5, 12)


@pytest.mark.parametrize("model_type", ALL)
def test_longest_input__is_the_longest_that_runs(model_type, tiny_model, make_batch):
    model = tiny_model(model_type)
    longest = hf.longest_input(model.config)
    model(**hf.inputs_of(model, make_batch((longest,))))
    with pytest.raises((IndexError, RuntimeError)):
        model(**hf.inputs_of(model, make_batch((longest + 1,))))


def test_inputs_of__token_types_only_where_there_is_a_choice(tiny_model, make_batch):
    passed = {kind for kind in ALL if "token_type_ids" in hf.inputs_of(tiny_model(kind), make_batch())}
    assert passed == {"bert", "electra"}


def test_truncated__runs_the_bottom_layers_and_restores_all(tiny_bert):
    model = tiny_bert(layers=3)
    layers, names = list(hf.layers_of(model)), list(model.state_dict())

    @hf.truncated(model, 1)
    def fail():
        assert list(hf.layers_of(model)) == layers[:1]
        raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert (list(hf.layers_of(model)), list(model.state_dict())) == (layers, names)


def test_architecture_named__the_unsupported_is_named_with_the_supported():
    with pytest.raises(UserError, match=r"^here: architecture 'xlnet' is not supported; use one of bert, roberta"):
        hf.architecture_named("xlnet", "here")


@pytest.mark.parametrize(
    ("dtype", "native", "kernel"),
    [(torch.float32, True, "sdpa"), (torch.bfloat16, True, "eager"), (torch.bfloat16, False, "sdpa")],
)
def test_attention_kernel__eager_only_where_fused_bfloat16_is_slow(dtype, native, kernel, monkeypatch):
    monkeypatch.setattr(hf, "native_bfloat16", lambda device: native)
    assert hf.attention_kernel(dtype, CPU) == kernel
    assert hf.attention_kernel(dtype, torch.device("cuda")) == "sdpa"


@pytest.mark.parametrize("model_type", ALL)
def test_use_fastest_attention__changes_speed_not_results(model_type, tiny_model, make_batch, monkeypatch):
    monkeypatch.setattr(hf, "native_bfloat16", lambda device: True)
    model = tiny_model(model_type)
    inputs = hf.inputs_of(model, make_batch(pad=padding_of(model_type)))
    before = model(**inputs).logits
    hf.use_fastest_attention(model, torch.bfloat16, CPU)
    assert model.config._attn_implementation == "eager"
    torch.testing.assert_close(model(**inputs).logits, before, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [({"avx512_bf16": True}, True), ({"amx_bf16": True}, True), ({"bf16": True}, True), ({"avx512_f": True}, False)],
)
def test_native_bfloat16__asks_the_processor(capabilities, expected, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    assert hf.native_bfloat16(CPU) is expected


def test_native_bfloat16__not_where_torch_lacks_the_kernels_or_cannot_say(monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"bf16": True}, raising=False)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    assert not hf.native_bfloat16(CPU)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert not hf.native_bfloat16(CPU)
    assert not hf.native_bfloat16(torch.device("mps"))
