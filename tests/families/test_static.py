"""The static table: a text is the mean of its pieces, whatever their order and the padding; pairs are compared."""

import pytest
import torch

from tinybert.export.hub import save_student
from tinybert.export.onnx import export_onnx
from tinybert.families import FAMILIES
from tinybert.families.network import Shape
from tinybert.families.static import Static, StaticConfig
from tinybert.models.heads import Head
from tinybert.models.loading import load_classifier
from tinybert.predictor import Predictor
from tinybert.types import Batch

SEPARATOR = 3


@pytest.fixture
def small(tiny_tokenizer):
    """A network for the pieces of a tokenizer; `pairs` lets it compare two texts."""

    def made(*, pairs=False):
        separator, size = SEPARATOR if pairs else None, max(tiny_tokenizer.get_vocab().values()) + 1
        config = StaticConfig(vocab_size=size, hidden_size=5, separator=separator)
        config.pad_token_id = tiny_tokenizer.pad_token_id
        Head(("neg", "so", "pos")).describe_in(config)
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return Static(config).eval()

    return made


def logits(network, *rows, padding=0):
    longest = max(map(len, rows))
    ids = torch.tensor([[*row, *[padding] * (longest - len(row))] for row in rows])
    real = torch.arange(longest) < torch.tensor([[len(row)] for row in rows])
    with torch.no_grad():
        return network(**network.inputs(Batch(ids, torch.zeros_like(ids), real, None, torch.arange(len(rows)))))


def mean(network, row):
    """Piece by piece."""
    total = torch.zeros(network.config.hidden_size)
    for piece in row:
        total = total + network.piece_vectors[piece] / len(row)
    return total


def test__a_text_is_the_mean_of_its_pieces(small):
    network, row = small(), [2, 7, 9, 9, 8, SEPARATOR]
    with torch.no_grad():
        expected = network.classifier(mean(network, row))
    torch.testing.assert_close(logits(network, row)[0], expected)


def test__a_pair_is_two_texts_that_are_compared(small):
    network, one, other = small(pairs=True), [2, 7, 8, SEPARATOR], [9, 5, SEPARATOR]
    with torch.no_grad():
        u, v = mean(network, one), mean(network, other)
        expected = network.classifier(torch.cat([u, v, (u - v).abs(), u * v]))
    torch.testing.assert_close(logits(network, one + other)[0], expected)


@pytest.mark.parametrize("pairs", [True, False])
def test__neither_padding_nor_neighbours_nor_order_nor_repetition_matter(small, pairs):
    network = small(pairs=pairs)
    rows = [[7, 2, 8, SEPARATOR, 9, 8, SEPARATOR], [2, SEPARATOR, 5], [7]]
    alone = torch.cat([logits(network, row) for row in rows])
    torch.testing.assert_close(logits(network, *rows), alone)
    torch.testing.assert_close(logits(network, *rows, padding=SEPARATOR), alone)
    torch.testing.assert_close(logits(network, [8, 7, 2, SEPARATOR, 8, SEPARATOR, 9])[0], alone[0])
    if not pairs:
        torch.testing.assert_close(logits(network, rows[0] * 3)[0], alone[0])


@pytest.mark.parametrize("pairs", [True, False])
def test__saved_it_is_loaded_exported_and_predicted_with(small, tiny_tokenizer, tmp_path, pairs):
    network = small(pairs=pairs)
    save_student(network, tiny_tokenizer, tmp_path / "student", max_length=32)
    loaded = load_classifier(tmp_path / "student")
    assert (loaded.has_head, loaded.digest) == (True, network.digest())
    assert export_onnx(loaded.model, tiny_tokenizer, tmp_path / "export", max_length=32).parity_difference < 1e-5
    texts = ["a good film", "dull", "it was not a good film", "the plot"]
    rows = [{"text": text} if not pairs else {"text_a": text, "text_b": "a film"} for text in texts]
    answers = [list(Predictor.load(tmp_path / name, None, ()).predict(rows)) for name in ("student", "export")]
    assert [one["label"] for one in answers[0]] == [other["label"] for other in answers[1]]


def test__its_size_is_that_of_the_table(small):
    network = small(pairs=True)
    assert network.shape == Shape(layers=0, width=5, heads=0, inner=0)
    assert network.flops(4, 3) == 2 * (4 * 5 + network.classifier.weight.numel())
    assert FAMILIES["static"].resized(network.config, Shape(0, 7, 0, 0)).hidden_size == 7
