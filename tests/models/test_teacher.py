"""The teacher never changes, whatever is done around it."""

import copy
from dataclasses import replace

import pytest
import torch

from conftest import padding_of
from tinybert.families import TRANSFORMERS
from tinybert.families.network import Shape
from tinybert.models.loading import load_classifier, quietly
from tinybert.models.teacher import Teacher
from tinybert.types import LOGITS, MASKED_LOGITS, Signal

CPU = torch.device("cpu")
LAYERS = frozenset({Signal("hidden_states", 0), Signal("hidden_states", 2), Signal("attention_scores", 1)})
NEEDS = LAYERS | {LOGITS, Signal("values", 2)}


def test_observe__what_the_network_shows_in_eval_mode_without_gradient(tiny_bert, make_batch):
    model, batch = tiny_bert(), make_batch()
    expected = model.observe(batch, NEEDS)
    shown = Teacher(model.train(), "fp32", CPU).observe(batch, NEEDS)
    torch.testing.assert_close(dict(shown), dict(expected), atol=1e-6, rtol=1e-6)
    assert not any(values.requires_grad for values in shown.values())


def test_observe__records_only_what_was_asked_for(tiny_bert, make_batch):
    needs = frozenset({Signal("hidden_states", 1)})
    assert set(Teacher(tiny_bert(), "fp32", CPU).observe(make_batch(), needs)) == needs


@pytest.mark.parametrize("model_type", tuple(TRANSFORMERS))
def test_observe__what_the_masked_lm_head_says_of_hidden_positions(model_type, tiny_model, make_batch):
    model, whole = (
        tiny_model(model_type, head="masked_lm"),
        make_batch(pad=padding_of(model_type)),
    )
    batch = replace(whole, targets=whole.input_ids.where(torch.rand(whole.real.shape) < 0.5, -1).where(whole.real, -1))
    trace = Teacher(model.train(), "fp32", CPU).observe(batch, frozenset({MASKED_LOGITS, Signal("values", 2)}))
    with torch.no_grad():
        expected = model.eval()(**model.inputs(batch))[batch.targets >= 0]
    torch.testing.assert_close(trace[MASKED_LOGITS], expected, atol=1e-5, rtol=1e-5)
    assert not trace[MASKED_LOGITS].requires_grad
    assert trace[Signal("values", 2)].shape == (*whole.real.shape, 24)


def test_observe__stays_frozen_when_somebody_trains_it(tiny_bert, make_batch):
    frozen, batch = Teacher(tiny_bert(), "fp32", CPU), make_batch()
    before = frozen.observe(batch, NEEDS)
    frozen._model.train().requires_grad_(True)
    after = frozen.observe(batch, NEEDS)
    assert all(torch.equal(value, before[signal]) and not value.requires_grad for signal, value in after.items())


def test_observe__a_student_learns_from_it_and_it_does_not_change(tiny_bert, make_batch):
    model, batch = tiny_bert(), make_batch()
    frozen = Teacher(model, "fp32", CPU)
    before = copy.deepcopy(frozen._model.state_dict())
    for parameter in model.parameters():  # the network handed in may go on learning
        parameter.data.add_(0.1)
    student = tiny_bert(seed=5)
    distance = (student.observe(batch, NEEDS)[LOGITS] - frozen.observe(batch, NEEDS)[LOGITS]).square().sum()
    (distance * frozen.observe(batch, NEEDS)[LOGITS].sum()).backward()
    assert student.model.classifier.weight.grad.any()
    assert not any(parameter.requires_grad or parameter.grad is not None for parameter in frozen._model.parameters())
    assert all(torch.equal(value, before[name]) for name, value in frozen._model.state_dict().items())
    assert all(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize("model_type", tuple(TRANSFORMERS))
@pytest.mark.usefixtures("processor")
def test_observe__bfloat16_inside_float32_outside(model_type, tiny_model, make_batch):
    model, batch = tiny_model(model_type), make_batch(pad=padding_of(model_type))
    frozen = Teacher(model, "bf16", CPU)
    assert frozen.dtype == torch.bfloat16
    assert {parameter.dtype for parameter in frozen._model.parameters()} == {torch.bfloat16}
    expected = model.observe(batch, NEEDS)
    for signal, seen in frozen.observe(batch, NEEDS).items():
        exact = expected[signal]
        assert seen.dtype == torch.float32
        assert not torch.equal(seen, exact)
        # Half a per cent for each rounding on the way; six logits near 0 are sums of states that are not.
        assert (seen - exact).abs().mean() < 0.05 * exact.abs().mean()


def test_observe__autocast_of_the_student_does_not_reach_it(tiny_bert, make_batch):
    frozen, batch = Teacher(tiny_bert(), "fp32", CPU), make_batch()
    plain = frozen.observe(batch, NEEDS)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = frozen.observe(batch, NEEDS)
    assert all(torch.equal(value, inside[signal]) for signal, value in plain.items())


@pytest.mark.usefixtures("processor")
def test_digest__of_contents_whatever_dtype_it_computes_in(tiny_bert, tmp_path):
    model = tiny_bert()
    with quietly():
        model.save(tmp_path / "m")
    loaded = load_classifier(tmp_path / "m").model
    digests = {Teacher(network, dtype, CPU).digest for network in (model, loaded) for dtype in ("fp32", "bf16")}
    assert len(digests) == 1
    assert Teacher(tiny_bert(seed=1), "fp32", CPU).digest not in digests


def test_teacher__tells_its_sizes(tiny_bert):
    frozen = Teacher(tiny_bert(layers=2, width=24, heads=3, outputs=5), "fp32", CPU)
    assert frozen.shape == Shape(layers=2, width=24, heads=3, inner=41)
    assert frozen.outputs == 5


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_observe__on_a_gpu_like_on_the_cpu(tiny_bert, make_batch):
    model, batch = tiny_bert(), make_batch()
    on_cpu = Teacher(model, "fp32", CPU).observe(batch, NEEDS)
    on_gpu = Teacher(model, "fp32", torch.device("cuda")).observe(batch, NEEDS)
    for signal, values in on_cpu.items():
        torch.testing.assert_close(values, on_gpu[signal].cpu(), atol=1e-3, rtol=1e-3)
