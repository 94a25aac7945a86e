"""One export for all tests of the room: the exporter takes seconds."""

from typing import Any, NamedTuple

import pytest


class Exported(NamedTuple):
    model: Any
    tokenizer: Any
    report: Any


@pytest.fixture(scope="session")
def exported(tiny_tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """A tiny random BERT of three classes, exported with int8."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    from tinybert.export.onnx import export_onnx
    from tinybert.families import network_of

    config = BertConfig(
        vocab_size=max(tiny_tokenizer.get_vocab().values()) + 1,
        hidden_size=24,
        num_hidden_layers=2,
        num_attention_heads=3,
        intermediate_size=41,
        max_position_embeddings=70,
        num_labels=3,
        initializer_range=0.2,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        model = BertForSequenceClassification(config)  # in training mode on purpose: dropout must not be exported
        for parameter in model.parameters():  # biases too: the exporter merges those that are equal
            torch.nn.init.normal_(parameter, std=0.2)
    network = network_of(model)
    folder = tmp_path_factory.mktemp("run") / "export"
    report = export_onnx(network, tiny_tokenizer, folder, max_length=48, int8=True)
    return Exported(network, tiny_tokenizer, report)
