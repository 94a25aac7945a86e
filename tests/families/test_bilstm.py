"""The BiLSTM: padding and neighbours never matter, pairs are read siamese, and it lives as other families do."""

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from tinybert.errors import UserError
from tinybert.export.hub import save_student
from tinybert.export.onnx import export_onnx
from tinybert.export.quantise import quantise_static
from tinybert.export.ranges import measured_ranges
from tinybert.export.runtime import OnnxModel
from tinybert.families import FAMILIES, family_of
from tinybert.families.bilstm import BiLSTM, BiLSTMConfig
from tinybert.families.network import Shape
from tinybert.models.heads import Head
from tinybert.models.loading import load_classifier
from tinybert.predictor import Predictor
from tinybert.types import Batch, Signal

SEPARATOR = 3
TEXTS = ["a good film", "dull", "it was not a good film", "the plot"]


@pytest.fixture
def small(tiny_tokenizer):
    """A network for the pieces of a tokenizer, with weights that show; `pairs` makes it siamese."""

    def made(*, pairs=False, layers=1, seed=0):
        config = BiLSTMConfig(
            vocab_size=max(tiny_tokenizer.get_vocab().values()) + 1,
            embedding_size=10,
            num_hidden_layers=layers,
            hidden_size=6,
            intermediate_size=7,
            hidden_dropout_prob=0.1,
            separator=SEPARATOR if pairs else None,
            pad_token_id=tiny_tokenizer.pad_token_id,
        )
        Head(("neg", "pos")).describe_in(config)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            network = BiLSTM(config).eval()
            for parameter in network.parameters():
                parameter.data += 0.3 * torch.randn_like(parameter)
        return network

    return made


def batch_of(*rows, padding=0):
    """Rows of pieces, padded on the right with whatever piece."""
    longest = max(map(len, rows))
    ids = torch.tensor([[*row, *[padding] * (longest - len(row))] for row in rows])
    real = torch.arange(longest) < torch.tensor([[len(row)] for row in rows])
    return Batch(ids, torch.zeros_like(ids), real, None, torch.arange(len(rows)))


def logits(network, *rows, padding=0):
    with torch.no_grad():
        return network(**network.inputs(batch_of(*rows, padding=padding)))


def by_torch(network, row):
    """The last states of one text by torch's own bidirectional LSTM."""
    states, width = network.embeddings(torch.tensor([row])), network.config.hidden_size
    for layer in network.layer:
        both = nn.LSTM(states.shape[2], width, batch_first=True, bidirectional=True)
        for name, parameter in layer.ahead.named_parameters():
            getattr(both, name).data = parameter.data
            getattr(both, f"{name}_reverse").data = getattr(layer.back, name).data
        states, (last, _) = both(states)
    return last.flatten()


@pytest.mark.parametrize("layers", [1, 3])
def test__its_states_are_those_of_torchs_bidirectional_lstm(small, layers):
    network, row = small(layers=layers), [5, 9, 7, 8]
    with torch.no_grad():
        expected = network.classifier(torch.relu(network.hidden(by_torch(network, row))))
    torch.testing.assert_close(logits(network, row)[0], expected)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("pairs", [True, False])
def test__neither_padding_nor_neighbours_matter(small, pairs, layers):
    network = small(pairs=pairs, layers=layers)
    rows = [[2, 7, SEPARATOR, 9, 8, SEPARATOR], [2, SEPARATOR, 5], [7], [2, 8, 8, 9, SEPARATOR, 4, 4, 5, 6, SEPARATOR]]
    alone = torch.cat([logits(network, row) for row in rows])
    torch.testing.assert_close(logits(network, *rows), alone, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(logits(network, *rows, padding=SEPARATOR), alone, atol=1e-6, rtol=1e-5)
    assert (alone.diff(dim=0).abs() > 1e-3).any(dim=1).all()


def test__a_pair_is_read_as_two_texts_by_the_same_network(small):
    network = small(pairs=True)
    one, other = [2, 7, 8, SEPARATOR], [9, 5, SEPARATOR]
    with torch.no_grad():
        h1, h2 = by_torch(network, one), by_torch(network, other)
        features = torch.cat([h1, h2, (h1 - h2).abs(), h1 * h2])
        expected = network.classifier(torch.relu(network.hidden(features)))
    torch.testing.assert_close(logits(network, one + other)[0], expected)


def test__padding_gets_no_gradient(small):
    network = small()
    network(**network.inputs(batch_of([5, 7], [6, 8, 9, 7], padding=4))).sum().backward()
    touched = network.embeddings.weight.grad.abs().sum(dim=1) > 0
    assert touched.nonzero().flatten().tolist() == [5, 6, 7, 8, 9]


@pytest.mark.parametrize("pairs", [True, False])
def test__saved_it_is_loaded_exported_and_predicted_with(small, tiny_tokenizer, tmp_path, pairs):
    network = small(pairs=pairs, layers=2)
    save_student(network, tiny_tokenizer, tmp_path / "student", max_length=32)
    loaded = load_classifier(tmp_path / "student")
    assert (loaded.has_head, loaded.digest) == (True, network.digest())
    report = export_onnx(loaded.model, tiny_tokenizer, tmp_path / "export", max_length=32)
    assert report.parity_difference < 1e-5
    rows = [{"text": text} if not pairs else {"text_a": text, "text_b": "a film"} for text in TEXTS]
    answers = [list(Predictor.load(tmp_path / name, None, ()).predict(rows)) for name in ("student", "export")]
    assert [one["label"] for one in answers[0]] == [other["label"] for other in answers[1]]


def test__int8_holds_lstms_too_and_stays_near(small, tiny_tokenizer, tmp_path):
    network = small(layers=2)
    report = export_onnx(network, tiny_tokenizer, tmp_path, max_length=32)
    nodes = onnx.load(report.model_int8).graph.node
    assert sum(node.op_type == "DynamicQuantizeLSTM" for node in nodes) == 4
    assert not any(node.op_type == "LSTM" for node in nodes)
    static = tmp_path / "static.onnx"
    quantise_static(report.model, static, measured_ranges(report.model, [batch_of([2, 7, 8, 9]), batch_of([5, 6, 7])]))
    nodes = onnx.load(static).graph.node
    stored = {name for node in nodes if node.op_type == "DequantizeLinear" for name in node.output}
    assert [{*node.input[1:3]} <= stored for node in nodes if node.op_type == "LSTM"] == [True] * 4
    rows = batch_of([2, 7, 8, 9], [5, 6], [7])
    fp32, *int8 = (OnnxModel(file, 1).batch_logits(rows) for file in (report.model, report.model_int8, static))
    for logits in int8:
        np.testing.assert_allclose(logits, fp32, atol=0.1)


def test__damaged_weights_are_refused(small, tiny_tokenizer, tmp_path):
    network = small()
    network.config.hidden_size = 5
    save_student(network, tiny_tokenizer, tmp_path, max_length=32)
    with pytest.raises(UserError, match=r"do not fit each other, first at hidden\.weight"):
        load_classifier(tmp_path)


def test__operations_are_those_of_its_matrices(small):
    """PyTorch's own counter does not see into LSTMs."""
    network = small(pairs=True, layers=2)
    matrices = {name: value.numel() for name, value in network.named_parameters() if value.dim() == 2}
    of_pieces = sum(size for name, size in matrices.items() if name.startswith("layer."))
    assert network.flops(4, 2) == 2 * (4 * of_pieces + matrices["hidden.weight"] + matrices["classifier.weight"])


def test__it_has_sizes_and_shows_logits_only(small, make_batch):
    network = small(layers=2)
    assert network.shape == Shape(layers=2, width=6, heads=0, inner=7)
    other = family_of(network.config).resized(network.config, Shape(1, 4, 0, 3))
    assert FAMILIES["bilstm"].create(other, "").shape == Shape(1, 4, 0, 3)
    with pytest.raises(UserError, match="bilstm networks have no hidden_states; they show logits; take another recipe"):
        network.observe(make_batch(), frozenset({Signal("hidden_states", 1)}))
