"""Masked-LM training: it learns, resumes, gives folders that load, and its held-out loss can be compared."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from conftest import make_unigram_tokenizer
from tinybert.data.encode import Encoder
from tinybert.data.examples import Examples
from tinybert.data.masking import Masking
from tinybert.engine.evaluate import held_out_loss
from tinybert.errors import UserError
from tinybert.log import Log
from tinybert.models.loading import load_masked_lm
from tinybert.objectives.masked_lm import MaskedCrossEntropy
from tinybert.run import Run, RunSettings
from tinybert.stages.masked_lm import MaskedLMSettings, adapted, conditional, piece_masker
from tinybert.stages.reading import encoded
from tinybert.types import Example

TEXTS = [
    "the film was good and the plot was great",
    "a dull movie is not good",
    "very bad and very dull",
    "a great plot",
]
BRIEF = MaskedLMSettings(epochs=2, lr=1e-2, batch_size=4, warmup=0.1, max_length=32)


def a_run(folder):
    log = Log(folder / "metrics.jsonl", silent=False)
    return Run(folder, 1, RunSettings(dtype="fp32"), torch.device("cpu"), log)


@pytest.fixture
def run(tmp_path):
    return a_run(tmp_path)


@pytest.fixture
def source(tiny_model, tiny_tokenizer, tmp_path):
    """A checkpoint with a masked-LM head."""

    def saved(head: str = "masked_lm", model_type: str = "bert") -> str:
        folder = tmp_path / f"{model_type}-{head}"
        tiny_model(model_type, head=head).save(folder)
        tokenizer = make_unigram_tokenizer() if model_type == "xlm-roberta" else tiny_tokenizer
        tokenizer.save_pretrained(folder)
        return str(folder)

    return saved


@pytest.fixture
def texts():
    return Examples.of(Example(text, label=row % 2, row=row) for row, text in enumerate(TEXTS, 1))


def loss_of(model, texts, run, tiny_tokenizer) -> float:
    rows = encoded(texts, Encoder(tiny_tokenizer, 32), run)
    masker = piece_masker(tiny_tokenizer, Masking())
    return held_out_loss(model, MaskedCrossEntropy(), rows, masker=masker)


@pytest.mark.parametrize("head", ["masked_lm", "none"])
def test_adapted__knows_the_texts_better(head, source, texts, run, tiny_tokenizer):
    before = load_masked_lm(source(head), new_head=1)
    after = load_masked_lm(adapted(source(head), texts, replace(BRIEF, epochs=30), run))
    assert loss_of(after, texts, run, tiny_tokenizer) < loss_of(before, texts, run, tiny_tokenizer) - 0.5


def test_adapted__is_found_again(source, texts, run, tmp_path):
    first = adapted(source(), texts, BRIEF, run)
    digest = load_masked_lm(first).digest()
    assert adapted(source(), texts, BRIEF, a_run(tmp_path)) == first
    assert load_masked_lm(first).digest() == digest
    (first / "model.safetensors").write_bytes(b"damaged")
    assert load_masked_lm(adapted(source(), texts, BRIEF, a_run(tmp_path))).digest() == digest


@pytest.mark.parametrize(("model_type", "classes"), [("bert", 2), ("bert", 4), ("xlm-roberta", 2)])
def test_conditional__reads_as_many_classes_as_there_are(model_type, classes, source, texts, run):
    labels = np.arange(len(TEXTS)) % classes
    model = load_masked_lm(conditional(source("masked_lm", model_type), texts, labels, BRIEF, run))
    assert model.config.type_vocab_size == classes
    ids = torch.tensor([[2, 5, 4, 3]])
    with torch.no_grad():
        first, last = (model.model(ids, token_type_ids=torch.full_like(ids, k)).logits for k in (0, classes - 1))
    assert not torch.allclose(first, last)


def test_conditional__needs_token_types(source, texts, run):
    with pytest.raises(UserError, match="distilbert networks read no token types"):
        conditional(source("masked_lm", "distilbert"), texts, np.zeros(len(TEXTS), int), BRIEF, run)


def test_held_out_loss__is_the_same_each_time_and_leaves_all_randomness(source, texts, run, tiny_tokenizer):
    model = load_masked_lm(source())
    torch.manual_seed(8)
    expected = torch.rand(1)
    torch.manual_seed(8)
    first = loss_of(model, texts, run, tiny_tokenizer)
    assert torch.equal(torch.rand(1), expected)
    assert loss_of(model, texts, run, tiny_tokenizer) == first
