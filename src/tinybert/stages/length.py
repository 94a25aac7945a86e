"""How long a stage is where the settings leave it open: room for few rows, no waste on many."""

from dataclasses import replace
from math import ceil
from typing import TypeVar

from tinybert.types import Stage

AStage = TypeVar("AStage", bound=Stage)

LEAST_STEPS = 300  # three epochs of eighty rows are nine updates: too few to learn anything
MOST_EPOCHS = 20


def stretched(stage: AStage, rows: int) -> AStage:
    """The usual epochs, but at least 300 updates and at most 20 epochs, unless `stage.epochs` says otherwise.

    Example:
        >>> stretched(Stage(epochs=None), 80).epochs, stretched(Stage(epochs=None), 8635).epochs
        (20, 3)
    """
    if stage.epochs is not None:
        return stage
    enough = ceil(LEAST_STEPS / ceil(rows / stage.batch_size))
    return replace(stage, epochs=min(max(stage.usual_epochs, enough), MOST_EPOCHS))
