import math
from dataclasses import FrozenInstanceError, dataclass, field

import pytest
import torch

from tinybert.types import LOGITS, NO_TRACE, Batch, Example, Objective, Signal, Stage, Trace, flatten


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
        ("hiden_states", 1, "there is no signal 'hiden_states'; there are logits, masked_logits, hidden_states"),
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


def test__settings_become_plain_values_by_dotted_name() -> None:
    @dataclass(frozen=True)
    class Inner:
        width: int = 312

    @dataclass(frozen=True)
    class Outer:
        name: str = "small"
        inner: Inner = field(default_factory=Inner)

    assert flatten("", Outer()) == {"name": "small", "inner.width": 312}
