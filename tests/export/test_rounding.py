"""A network that computes as its int8 file does."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tinybert.export import quantise
from tinybert.export.parity import random_batch
from tinybert.export.ranges import measured_ranges
from tinybert.export.rounding import measured_inputs, rounded
from tinybert.export.runtime import OnnxModel
from tinybert.types import LOGITS, Batch


def logits(model: Any, batch: Batch) -> torch.Tensor:
    with torch.no_grad():
        return model.observe(batch, frozenset({LOGITS}))[LOGITS]


@pytest.fixture
def model(exported: Any) -> Any:
    exported.model.eval()
    exported.model.model.eval()
    yield exported.model
    exported.model.model.train()


def test__rounded_it_says_what_the_int8_file_says(
    exported: Any, model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantise, "SMALLEST_TABLE", 10**6)  # tables are not rounded in training
    texts = [random_batch(model, (1, 12), np.random.default_rng(seed)) for seed in range(20)]
    inputs = measured_inputs(model, texts)
    ranges = measured_ranges(exported.report.model, texts)
    assert len(inputs) == len(ranges)
    for known, found in zip(ranges, inputs, strict=True):
        lower, upper = found.ranges.clamp(max=0)[0], found.ranges.clamp(min=0)[1]
        np.testing.assert_allclose(known, torch.stack([lower, upper]), atol=1e-5)
    assert sorted(len(found.readers) for found in inputs) == [1] * 8 + [3] * 2  # queries, keys and values read the same
    quantise.quantise_static(exported.report.model, tmp_path / "int8.onnx", ranges)
    batch = random_batch(model, (64, 12), np.random.default_rng(99))
    fp32, int8 = logits(model, batch), OnnxModel(tmp_path / "int8.onnx", 1).batch_logits(batch)
    with rounded(model, inputs):
        said = logits(model, batch)
    apart = (said - int8).square()  # but where a value lies halfway between two steps
    assert apart.mean() < 0.02 * (fp32 - int8).square().mean()
    assert apart.median() < 1e-9
    assert torch.equal(logits(model, batch), fp32)


def test__gradients_pass_as_if_nothing_was_rounded(model: Any) -> None:
    batch = random_batch(model, (8, 12), np.random.default_rng(1))
    weights = [weight for name, weight in model.named_parameters() if name.endswith("dense.weight")]

    def gradients() -> list[torch.Tensor]:
        loss = model.observe(batch, frozenset({LOGITS}))[LOGITS].square().sum()
        return list(torch.autograd.grad(loss, weights))

    plain = gradients()
    with rounded(model, measured_inputs(model, [batch])):
        straight = gradients()
    for one, other in zip(plain, straight, strict=True):
        assert not torch.equal(one, other)
        assert torch.nn.functional.cosine_similarity(one.flatten(), other.flatten(), dim=0) > 0.98
