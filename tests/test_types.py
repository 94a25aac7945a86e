import math
import re
from dataclasses import FrozenInstanceError, replace
from types import SimpleNamespace

import pytest
import torch

from tinybert.types import LOGITS, MASKED_LOGITS, NO_TRACE, Batch, Example, Objective, Signal, Stage, Trace


def make_batch(labels: torch.Tensor | None) -> Batch:
    pieces = torch.arange(15).view(3, 5)
    return Batch(pieces, torch.zeros_like(pieces), pieces % 5 < 4, labels, torch.arange(3))


def test__an_example_is_a_value() -> None:
    assert Example("a film", label=1) == Example("a film", None, 1, 0)
    with pytest.raises(FrozenInstanceError):
        Example("a film").text = "another"


def test__a_batch_is_as_long_as_its_examples() -> None:
    assert len(make_batch(None)) == 3


@pytest.mark.parametrize("labels", [None, torch.tensor([0, 2, 1]), torch.tensor([0.5, 0.0, 1.0])])
def test__a_batch_moves_with_everything_it_has(labels: torch.Tensor | None) -> None:
    moved = make_batch(labels).to(torch.device("meta"))
    tensors = [moved.input_ids, moved.token_type_ids, moved.real, moved.rows]
    assert all(tensor.device.type == "meta" for tensor in tensors)
    assert moved.labels is None if labels is None else moved.labels.device.type == "meta"


TOKENIZED = {"input_ids": [[5, 6, 7], [5, 6, 0]], "attention_mask": [[1, 1, 1], [1, 1, 0]]}


def test__a_tokenizers_output_is_a_batch() -> None:
    batch = Batch.from_tokenizer(TOKENIZED, labels=[1, 0])
    assert batch.real.tolist() == [[True] * 3, [True, True, False]]
    assert batch.token_type_ids.tolist() == [[0] * 3] * 2
    assert (batch.labels.tolist(), batch.rows.tolist()) == ([1, 0], [0, 1])
    assert Batch.from_tokenizer({**TOKENIZED, "token_type_ids": torch.ones(2, 3).long()}).token_type_ids.sum() == 6


@pytest.mark.parametrize(
    ("changes", "labels", "said"),
    [
        ({"attention_mask": None}, None, "input_ids and attention_mask are needed"),
        ({"attention_mask": [[2, 1, 1], [1, 1, 0]]}, None, "attention_mask must be 1 where a piece is real"),
        ({"attention_mask": [[1, 1], [1, 1]]}, None, r"input_ids \(2, 3\) and attention_mask \(2, 2\) the shape"),
        ({"attention_mask": [[1, 1, 1], [0, 0, 0]]}, None, "each example needs a real piece"),
        (
            {"input_ids": [[5, 6, 7], [5]]},
            None,
            "input_ids must be numbers, as many in each row: tokenize with padding",
        ),
        ({}, ["good", "bad"], "labels must be numbers, class indices or scores"),
    ],
)
def test__a_tokenizers_output_that_makes_no_batch_is_refused(changes: dict, labels: list | None, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Batch.from_tokenizer({**TOKENIZED, **changes}, labels)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"real": torch.ones(3, 5).long()}, "real must be True and False, got torch.int64; write attention_mask.bool"),
        ({"real": torch.ones(3, 4).bool()}, "real is (3, 4), input_ids (3, 5): one per piece"),
        ({"token_type_ids": torch.zeros(2, 5)}, "token_type_ids is (2, 5), input_ids (3, 5): one per piece"),
        ({"targets": torch.zeros(3)}, "targets is (3,), input_ids (3, 5): one per piece"),
        ({"labels": torch.zeros(2)}, "labels are (2,) for 3 examples: one for each"),
    ],
)
def test__a_batch_whose_parts_do_not_go_together_is_refused(changes: dict, said: str) -> None:
    batch = object.__new__(Batch)  # past the shapes in its types, which only tests look at
    for name, part in {**vars(make_batch(None)), **changes}.items():
        object.__setattr__(batch, name, part)
    with pytest.raises(ValueError, match=re.escape(said)):
        Batch.__post_init__(batch)


def test__an_output_of_transformers_is_a_trace() -> None:
    states = (torch.zeros(2, 3, 4), torch.ones(2, 3, 4))
    trace = Trace.from_transformers(SimpleNamespace(logits=torch.zeros(2, 5), hidden_states=states))
    assert set(trace) == {LOGITS, Signal("hidden_states"), Signal("hidden_states", 1), Signal("first_state", 1)}
    assert trace[Signal("hidden_states", 1)] is states[1]
    assert trace[Signal("first_state", 1)].shape == (2, 4)
    with pytest.raises(ValueError, match="ask for output_hidden_states=True"):
        Trace.from_transformers(SimpleNamespace(logits=torch.zeros(2, 5)))[Signal("hidden_states", 1)]


def test__the_logits_of_a_masked_lm_are_taken_where_a_piece_is_masked() -> None:
    output, batch = SimpleNamespace(logits=torch.rand(2, 3, 9)), Batch.from_tokenizer(TOKENIZED)
    targets = torch.tensor([[-1, 6, -1], [-1, -1, -1]])
    trace = Trace.from_transformers(output, replace(batch, targets=targets))
    assert torch.equal(trace[MASKED_LOGITS], output.logits[:1, 1])
    with pytest.raises(ValueError, match=r"logits \(2, 3, 9\) are of pieces; give the batch"):
        Trace.from_transformers(output)


def test__a_trace_is_not_read_by_words() -> None:
    with pytest.raises(ValueError, match=r"read by signals such as Signal\('hidden_states', 3\), not by 'logits'"):
        NO_TRACE["logits"]


def test__signals_are_equal_by_kind_and_layer() -> None:
    assert frozenset({LOGITS, Signal("logits", 0)}) == {LOGITS}
    assert Signal("hidden_states", 1) != Signal("attention_scores", 1)


def test__a_trace_shows_what_was_recorded_and_nothing_else() -> None:
    scores = torch.zeros(2, 3, 5, 5)
    trace = Trace({Signal("attention_scores", 4): scores})
    assert trace[Signal("attention_scores", 4)] is scores
    with pytest.raises(ValueError, match="recorded attention_scores of layer 4, not attention_scores of layer 3; name"):
        trace[Signal("attention_scores", 3)]
    with pytest.raises(ValueError, match="recorded nothing, not logits"):
        NO_TRACE[LOGITS]


@pytest.mark.parametrize(
    ("kind", "layer", "said"),
    [
        (
            "hiden_states",
            1,
            r"there is no signal 'hiden_states', did you mean hidden_states\? there are logits, masked_",
        ),
        ("states of all layers", 1, "there is no signal 'states of all layers'; there are logits"),
        ("attention_scores", 0, "attention_scores begin at layer 1; there are none of layer 0"),
        ("hidden_states", -1, "hidden_states begin at layer 0"),
    ],
)
def test__a_signal_that_no_network_shows_is_refused(kind: str, layer: int, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Signal(kind, layer)


def test__a_signal_knows_its_shape() -> None:
    sizes = {"label": 2, "head": 3, "width": 7}
    signals = (LOGITS, Signal("first_state", 1), Signal("values", 1), Signal("attention_scores", 1))
    assert [signal.shape(5, sizes) for signal in signals] == [(2,), (7,), (5, 7), (3, 5, 5)]
    assert list(map(str, signals[:2])) == ["logits", "first_state of layer 1"]


def test__an_objective_is_the_sum_of_its_terms() -> None:
    class Two(Objective):
        def terms(self, student: Trace, teacher: Trace, batch: Batch) -> dict[str, torch.Tensor]:
            return {"one": torch.tensor([1.0, 2.0, 3.0]), "ten": torch.tensor([10.0, 20.0, 30.0])}

    assert torch.equal(Two()(NO_TRACE, NO_TRACE, make_batch(None)), torch.tensor([11.0, 22.0, 33.0]))


def test__an_objective_without_terms_cannot_be_made() -> None:
    class Nothing(Objective):
        pass

    with pytest.raises(TypeError, match="abstract"):
        Nothing()


@pytest.mark.parametrize("name", ["epochs", "batch_size", "max_steps", "accumulate", "evaluate_every"])
def test__counts_below_one_are_refused(name: str) -> None:
    for count in (0, -3):
        with pytest.raises(ValueError, match=f"{name} must be at least 1, got {count}"):
            Stage(**{name: count})


@pytest.mark.parametrize("name", ["lr", "temperature", "clip"])
def test__sizes_that_train_nothing_are_refused(name: str) -> None:
    for size in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(ValueError, match=f"{name} must be positive and finite, got {size}"):
            Stage(**{name: size})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"warmup": -0.1}, "between 0 and 1, got -0.1"),
        ({"warmup": 1.5}, "between 0 and 1, got 1.5"),
        ({"warmup": math.nan}, "between 0 and 1, got nan"),
        ({"weight_decay": -0.1}, "must not be negative, and finite, got -0.1"),
        ({"batch_size": 4, "accumulate": 5}, r"accumulate \(5\) splits a batch of 4"),
    ],
)
def test__settings_that_make_no_sense_are_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Stage(**settings)


def test__the_ends_of_each_range_are_allowed() -> None:
    stage = Stage(epochs=1, batch_size=1, accumulate=1, warmup=1.0, weight_decay=0.0, max_steps=1, evaluate_every=1)
    assert stage.warmup == 1.0
    assert Stage(epochs=None, warmup=0.0).epochs is None
