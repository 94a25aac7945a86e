"""Is the exported model the model? ONNX against torch on random shapes."""

import numpy as np
import torch

from tinybert.export.runtime import OnnxModel
from tinybert.families.network import Network
from tinybert.models.inference import evaluation_mode
from tinybert.types import Batch

SHAPES = 12
LONGEST = 512
LARGEST_BATCH = 4
# Of the largest logit, or of 1 where all are smaller. float32 sums in another order differ by 1e-6 to 1e-5.
TOLERANCE = 1e-4


def parity_difference(model: Network, exported: OnnxModel, rng: np.random.Generator, shapes: int = SHAPES) -> float:
    """Largest difference of a logit between torch and ONNX over random batches.

    The first three are the shapes at which a wrongly frozen axis shows: one piece, two rows of one piece, the longest.

    Args:
        model: The original, float32 on the CPU.
        exported: Its fp32 export.
        rng: Where shapes, pieces and padding come from.
        shapes: How many batches.

    Raises:
        RuntimeError: If they differ by more than `TOLERANCE`; it names the shape.
    """
    longest = min(LONGEST, model.longest)
    chosen = [(1, 1), (2, 1), (1, longest), *(_random_shape(longest, rng) for _ in range(shapes - 3))]
    return max(_difference_at(shape, model, exported, rng) for shape in chosen[:shapes])


def random_batch(model: Network, shape: tuple[int, int], rng: np.random.Generator) -> Batch:
    """Random pieces and types in rows of random length, padded on the right; the first row is full.

    Args:
        model: Whose vocabulary and padding piece.
        shape: Rows, and pieces of the longest row.
        rng: Where they come from.
    """
    rows, length = shape
    lengths = np.concatenate([[length], rng.integers(1, length + 1, size=rows - 1)])
    positions = np.arange(length)
    real = positions < lengths[:, None]
    pieces = rng.integers(0, model.config.vocab_size, size=shape)
    second = positions >= rng.integers(1, lengths + 1)[:, None]
    return Batch(
        input_ids=torch.from_numpy(np.where(real, pieces, model.config.pad_token_id or 0)),
        token_type_ids=torch.from_numpy((second & real).astype(np.int64)),
        real=torch.from_numpy(real),
        labels=None,
        rows=torch.arange(rows),
    )


def _random_shape(longest: int, rng: np.random.Generator) -> tuple[int, int]:
    """Rows and pieces; the logarithm of the length is uniform, so that short texts, the usual ones, are met too."""
    return int(rng.integers(1, LARGEST_BATCH + 1)), round(float(longest ** rng.random()))


def _difference_at(shape: tuple[int, int], model: Network, exported: OnnxModel, rng: np.random.Generator) -> float:
    batch = random_batch(model, shape, rng)
    with evaluation_mode(model):
        expected = model(**model.inputs(batch))
    apart = float((expected - exported.batch_logits(batch)).abs().max())
    allowed = TOLERANCE * max(1.0, float(expected.abs().max()))
    if not apart <= allowed:  # also where it is NaN
        raise RuntimeError(
            f"{exported.path.name} differs from the torch model by {apart:.2g} at {shape[0]} x {shape[1]} pieces "
            f"(allowed: {allowed:.2g}); the export is wrong and was not kept"
        )
    return apart
