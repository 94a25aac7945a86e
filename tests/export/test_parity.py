import copy
from typing import Any

import numpy as np
import pytest
import torch

from tinybert.export import parity
from tinybert.export.parity import parity_difference, random_batch
from tinybert.export.runtime import OnnxModel


def test__the_export_agrees_on_many_shapes(exported: Any) -> None:
    model = OnnxModel(exported.report.model, threads=1)
    assert 0 < parity_difference(exported.model, model, np.random.default_rng(7), shapes=40) < 1e-5


def test__a_changed_weight_is_found_and_its_shape_named(exported: Any) -> None:
    other = copy.deepcopy(exported.model)
    with torch.no_grad():
        other.model.classifier.bias[1] += 0.01
    model = OnnxModel(exported.report.model, threads=1)
    with pytest.raises(RuntimeError, match=r"model\.onnx differs from the torch model by 0\.01 at 1 x 1 pieces"):
        parity_difference(other, model, np.random.default_rng(0))


def test__not_a_number_is_no_agreement(exported: Any) -> None:
    broken = copy.deepcopy(exported.model)
    with torch.no_grad():
        broken.model.classifier.bias[0] = float("nan")
    with pytest.raises(RuntimeError, match="nan"):
        parity_difference(broken, OnnxModel(exported.report.model, threads=1), np.random.default_rng(0))


def test__one_piece_two_rows_and_the_longest_are_always_among_the_shapes(
    exported: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    met: list[tuple[int, int]] = []
    monkeypatch.setattr(parity, "_difference_at", lambda shape, *others: met.append(shape) or 0.0)
    parity_difference(exported.model, OnnxModel(exported.report.model, 1), np.random.default_rng(0), shapes=200)
    assert met[:3] == [(1, 1), (2, 1), (1, 70)]
    assert len(met) == 200
    assert {rows for rows, _ in met} == {1, 2, 3, 4}
    assert all(1 <= length <= 70 for _, length in met)


def test__random_batches_are_padded_on_the_right(exported: Any) -> None:
    for seed in range(20):
        batch = random_batch(exported.model, (4, 13), np.random.default_rng(seed))
        lengths = batch.real.sum(dim=1)
        assert torch.equal(batch.real, torch.arange(13) < lengths[:, None])
        assert lengths[0] == 13
        assert lengths.min() >= 1
        assert not batch.input_ids[~batch.real].any()
        assert not batch.token_type_ids[~batch.real].any()
