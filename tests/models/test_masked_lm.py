"""Many positions in few passes give what the network says of each text alone."""

import pytest
import torch

from conftest import VOCABULARY, families_that_start, padding_of
from tinybert.families import TRANSFORMERS
from tinybert.models.masked_lm import MaskedInput, MaskedLM
from tinybert.types import MASKED_LOGITS, Batch, Signal

ALL, CUT = tuple(TRANSFORMERS), families_that_start("layers")
CPU = torch.device("cpu")
MASK = VOCABULARY.index("[MASK]")
ROWS = (
    MaskedInput([2, 8, MASK, 9, 3], [2]),
    MaskedInput([2, MASK, 3], [1]),
    MaskedInput([2, 11, MASK, 12, MASK, 13, 14, 3], [2, 4]),
    MaskedInput([2, 15, 9, 3], []),
    MaskedInput([2, 8, 10, MASK, 3], [1, 3]),
)


def keep(logits, which):
    return logits, which


@pytest.fixture
def make_mlm(tiny_model, tiny_tokenizer, monkeypatch):
    def make(model_type="bert", layers=2, **settings):
        model = tiny_model(model_type, layers, head="masked_lm")
        if model.config.pad_token_id != tiny_tokenizer.pad_token_id:
            monkeypatch.setattr(type(tiny_tokenizer), "pad_token_id", model.config.pad_token_id, raising=False)
        return model, MaskedLM(model, tiny_tokenizer, CPU, **{"dtype": "fp32"} | settings)

    return make


def alone(model, row):
    """What transformers itself says of one text at its positions."""
    inputs = {"input_ids": torch.tensor([list(row.pieces)])}
    if row.types is not None:
        inputs["token_type_ids"] = torch.tensor([list(row.types)])
    with torch.no_grad():
        return model.model(**inputs).logits[0][list(row.positions)]


@pytest.mark.parametrize("model_type", ALL)
def test_fill__logits_are_those_of_each_text_alone(model_type, make_mlm):
    model, mlm = make_mlm(model_type)
    logits, which = mlm.fill(ROWS, keep)
    assert which.tolist() == list(range(6))
    torch.testing.assert_close(logits, torch.cat([alone(model, row) for row in ROWS]), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("budget", [1, 9, 1000])
def test_fill__the_size_of_a_pass_changes_nothing(budget, make_mlm):
    model, mlm = make_mlm(pieces_at_once=budget)
    seen = []

    def count(logits, which):
        seen.append(len(which))
        return (logits,)

    (logits,) = mlm.fill(ROWS, count)
    torch.testing.assert_close(logits, torch.cat([alone(model, row) for row in ROWS]), atol=1e-5, rtol=1e-5)
    assert (len(seen), sum(seen)) == ({1: 5, 9: 4, 1000: 1}[budget], 6)


def test_fill__token_types_are_read(make_mlm):
    model, mlm = make_mlm()
    rows = [MaskedInput([2, 8, MASK, 3], [2], [1, 1, 1, 1]), MaskedInput([2, 8, 9, MASK, 3], [3])]
    (logits,) = mlm.fill(rows, lambda logits, _: (logits,))
    torch.testing.assert_close(logits, torch.cat([alone(model, row) for row in rows]), atol=1e-5, rtol=1e-5)
    assert not torch.allclose(logits[:1], alone(model, rows[0]._replace(types=None)), atol=1e-3)


@pytest.mark.parametrize("model_type", ALL)
def test_fill__in_the_dtype_that_the_processor_computes_fastest(model_type, make_mlm, processor):
    model, mlm = make_mlm(model_type, dtype="auto")
    assert mlm.dtype == (torch.bfloat16 if processor else torch.float32)
    (logits,), exact = mlm.fill(ROWS, lambda logits, _: (logits,)), torch.cat([alone(model, row) for row in ROWS])
    assert logits.dtype == torch.float32
    assert (logits - exact).abs().mean() < (0.03 if processor else 1e-5) * exact.abs().mean()


def test_fill__keeps_what_reduce_gives_in_the_order_of_the_positions(make_mlm):
    _, mlm = make_mlm(pieces_at_once=8)
    best, score = mlm.fill(ROWS, lambda logits, _: (logits.argmax(dim=1), logits.max(dim=1).values.double()))
    logits, _ = mlm.fill(ROWS, keep)
    assert torch.equal(best, logits.argmax(dim=1))
    assert score.dtype == torch.float64


def test_fill__stays_frozen_when_the_network_it_came_from_learns(make_mlm):
    model, mlm = make_mlm()
    before, _ = mlm.fill(ROWS, keep)
    model.train()
    with torch.no_grad():
        for weight in model.parameters():
            weight += 1
    after, _ = mlm.fill(ROWS, keep)
    assert torch.equal(before, after)
    assert not after.requires_grad


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([], "no row to fill"),
        ([MaskedInput([2] * 68, [1])], "a row of 68 pieces; this model reads up to 67"),
        ([MaskedInput([2, 8, 9, 3], [2, 1])], "must ascend"),
    ],
)
def test_fill__what_cannot_be_read_is_refused(rows, said, make_mlm):
    _, mlm = make_mlm()
    with pytest.raises(ValueError, match=said):
        mlm.fill(rows, keep)


def test_piece_vectors__are_the_input_embeddings(make_mlm):
    model, mlm = make_mlm()
    assert torch.equal(mlm.piece_vectors, model.model.get_input_embeddings().weight)
    assert not mlm.piece_vectors.requires_grad


def test_piece_vectors__are_rounded_where_the_model_is(make_mlm, processor):
    model, mlm = make_mlm(dtype="auto")
    assert torch.equal(mlm.piece_vectors, model.model.get_input_embeddings().weight.to(mlm.dtype).float())


def masked_batch(pad):
    pieces = torch.tensor([[2, 8, MASK, 9, 3], [2, MASK, 3, pad, pad]])
    targets = torch.tensor([[-1, -1, 7, 9, -1], [-1, 11, -1, -1, -1]])
    return Batch(pieces, torch.zeros_like(pieces), pieces != pad, None, torch.arange(2), targets)


@pytest.mark.parametrize("kind", ["hidden_states", "first_state"])
@pytest.mark.parametrize("model_type", [name for name in CUT if TRANSFORMERS[name].layout.block])
def test_observe__the_top_layer_does_no_more_than_the_places_need(model_type, kind, tiny_model):
    """Values and gradients are the same as where all of the top layer runs because its states are asked for."""
    model, batch = tiny_model(model_type, 2, head="masked_lm"), masked_batch(padding_of(model_type))
    sizes, gradients, logits = [], [], []
    inner = model.parts.layer(2).inner
    handle = inner.register_forward_hook(lambda _, inputs, __: sizes.append(inputs[0].shape[:2].numel()))
    for needs in ({MASKED_LOGITS}, {MASKED_LOGITS, Signal(kind, 2)}):
        model.zero_grad()
        logits.append(model.observe(batch, frozenset(needs))[MASKED_LOGITS])
        logits[-1].square().sum().backward()
        gradients.append(
            {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}
        )
    handle.remove()
    assert sizes == [3, 10]
    torch.testing.assert_close(*logits, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(*gradients, atol=1e-4, rtol=1e-4)
