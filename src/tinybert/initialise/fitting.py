"""Where the projections of a student that was trained before start: the map that fits its states to its teacher's."""

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import PreTrainedModel

from tinybert.initialise.matrices import moment
from tinybert.initialise.recording import enough, hidden_states
from tinybert.layer_maps import LayerMap
from tinybert.types import Batch

_PIECES = 10_000  # enough for some hundred inputs
_RIDGE = 1e-3  # of the mean square of an input


def fitted_directions(
    student: PreTrainedModel, teacher: PreTrainedModel, layers: LayerMap, batches: Iterable[Batch]
) -> Float[Tensor, "teacher_width student_width"]:
    """The matrix that brings a student's states nearest to its teacher's; ours, no paper.

    A projection drawn at random pulls a student that already imitates its teacher away from it until the projection is
    learnt. One matrix that all projections start with: ridge regression over the embedding and all mapped layers, each
    teacher layer weighing the same.

    Args:
        student: Reads the teacher's vocabulary.
        teacher: On the same device.
        layers: Which of its layers teach.
        batches: Text on that device; reading stops after 10,000 pieces.

    Raises:
        ValueError: If there is no text.
    """
    pairs = ((0, 0), *layers.pairs)
    text = enough(batches, _PIECES)
    if not text:
        raise ValueError("there is no text to fit projections on")
    own = hidden_states(student, text, [m for m, _ in pairs])
    taught = hidden_states(teacher, text, [g for _, g in pairs])
    inputs, outputs = torch.zeros(1, 1, dtype=torch.float64), torch.zeros(1, 1, dtype=torch.float64)
    for m, g in pairs:
        weight = 1 / taught[g].double().square().sum()
        inputs = inputs + weight * moment(own[m], own[m])
        outputs = outputs + weight * moment(own[m], taught[g])
    ridge = _RIDGE * inputs.diagonal().mean() * torch.eye(len(inputs), dtype=inputs.dtype)
    solved: Tensor = torch.linalg.solve(inputs + ridge, outputs)
    return solved.T.float()
